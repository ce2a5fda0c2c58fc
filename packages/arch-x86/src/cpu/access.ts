import type { InterruptSource } from "./interrupt-source.js";

/** The I/O port space: SDM volume 1, chapter 19. Values are unsigned; nothing behind a port reads all ones. */
export interface PortBus {
  read(port: number, size: 1 | 2 | 4): number;
  write(port: number, size: 1 | 2 | 4, value: number): void;
}

/** Physical memory as a nested second stage shows it: EPT. */
export interface SecondStage {
  /** Tells address spaces apart: changes when EPTP does. */
  readonly key: number;
  /** Physical address of the first table, and whether accesses mark entries. */
  readonly root: number;
  readonly flags: boolean;
  /** Guest-physical to host-physical. Throws what ends the access. `table`: to a paging structure. */
  translate(physical: number, write: boolean, fetch: boolean, table?: boolean): number;
  /**
   * The same without throwing, as accesses to devices end here all the time: -1, and what ends the access. `user`: the
   * linear address is one that users may access, or there is no paging.
   */
  attempt(physical: number, write: boolean, fetch: boolean, table: boolean, user: boolean): number;
  readonly refusal: unknown;
}

export type { InterruptSource };
