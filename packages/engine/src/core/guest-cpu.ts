import type { IrBuilder } from "../ir/builder.js";
import type { StateLayout } from "../state/layout.js";

// The seam between the engine and an architecture: what the engine asks of a CPU model (GuestCpu)
// and what it offers to one (Core, in core.ts). 64-bit values cross it as two int32 halves.

/** How the data side is accessed. `rmw` needs both permissions and faults like a write. */
export const Access = { read: 0, write: 1, rmw: 2, fetch: 3 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** What a helper or an access did to the flow of control. */
export const Status = {
  /** Go on with the next micro-op. */
  next: 0,
  /**
   * The instruction is complete and set the program counter or state that decides how to go on
   * (`core.setPc` was called), so the dispatcher must look anew.
   */
  redispatch: 1,
  /** As redispatch, but the instruction did not complete: a trap was taken (it does not count as retired). */
  trap: 2,
  /** The instruction is complete and `run` must return; `core.exit` says why. The pc is already that of the next instruction. */
  exit: 3,
  /** `run` must return before the instruction is executed (`core.exit` says why); the pc stays. */
  exitBefore: 4,
  /** The engine's own: everything is accounted for. */
  settled: 5,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

/** Outcome of a translation; the details are in the `Translation` the engine passed. */
export const Translated = {
  ok: 0,
  /** Fetches: `core.setPc` was called, since the address was no pc; what it became is fetched instead. */
  moved: 1,
  /** A trap was taken (`core.setPc` called). */
  trap: 2,
  /** The access leaves the guest (`core.exit` set), to be answered by the host. */
  exitBefore: 4,
  /** The host already answered this access: use `core.answer`. */
  answered: 5,
} as const;
export type Translated = (typeof Translated)[keyof typeof Translated];

/** Result record of `translate`: one per core, reused. */
export interface Translation {
  /** Physical address of the accessed byte. Exact below 2^53; anything above is unmapped. */
  physical: number;
  /** The page may be read / written without asking again (dirty bit already set, protection covers the whole page). */
  readable: boolean;
  writable: boolean;
  /** May be put in the TLB: permissions are the same for the whole 4 KiB page. */
  cacheable: boolean;
  /** log2 of the size of the mapping the page belongs to (12 for 4 KiB, 21 for 2 MiB ...), so that invalidating one address of a large mapping forgets all of it. */
  pageShift: number;
  /** Fetches: the page is mapped alike in every address space of the regime, so code links survive a switch. */
  global?: boolean;
}

/** A translation to be filled in: of nothing, with no right. */
export const newTranslation = (): Translation => ({
  physical: 0,
  readable: false,
  writable: false,
  cacheable: false,
  pageShift: 12,
});

/** Where the lifter reads instruction bytes: little endian, offsets from the start of the block's page. */
export interface CodeSource {
  /**
   * 16 bits at a page offset. At offsets of 4096 and more it reads the following virtual page and gives
   * -1 if that page cannot be fetched from; the lifter then ends the block before the instruction.
   */
  u16(offset: number): number;
  /** 8 bits at a page offset, likewise. */
  u8(offset: number): number;
}

/** What lifters of instructions made of 16-bit parcels need of it. */
export type ParcelSource = Pick<CodeSource, "u16">;

/** What an architecture implements for the engine. */
export interface GuestCpu {
  readonly layout: StateLayout;
  /** At most this many instructions go in one block. */
  readonly maxBlockInstructions?: number;
  /** Mode bits that decide what instructions mean (privilege, FP enabled, rounding mode ...): 0..4095. */
  codeMode(): number;
  /**
   * Lift one instruction at page offset `offset` and return its length in bytes. It must leave the
   * builder `ended` when the instruction ends a block. Returns 0 without emitting anything if the
   * instruction's second page cannot be fetched (`CodeSource.u16` gave -1).
   */
  lift(builder: IrBuilder, source: CodeSource, offset: number, mode: number): number;
  /** Assembly text of the instruction at page offset `offset`, whose virtual address is `pc`: for listings. */
  disassemble?(source: CodeSource, offset: number, pc: bigint, mode: number): string;
  /** Translate an instruction fetch. On success `out.physical` is filled; else the trap was taken, or the pc moved. */
  translateFetch(lo: number, hi: number, out: Translation): Translated;
  /**
   * Translate a data access of the current context, or the part of it on one page. `unaligned`: the whole access is not
   * aligned to its size.
   */
  translate(
    access: Access,
    lo: number,
    hi: number,
    size: number,
    out: Translation,
    unaligned: boolean,
  ): Translated;
  /** The architecture faults on this misaligned access: take the trap. Only called for accesses marked `aligned`. */
  misaligned(access: Access, lo: number, hi: number): Status;
  /**
   * An access that crosses into a page that is no RAM is made in pieces: the bytes on each page by themselves, those of
   * a device with any `physical` and `size` up to 8. Else it comes to `physicalAccess` as one to where there is nothing.
   */
  readonly devicesInPieces?: boolean;
  /** The state is about to be saved: give fields whose contents do not matter (`IrBuilder.discard`) one that is always the same. */
  settle?(): void;
  /** Access to a physical address that is no RAM: a device or nothing. Reads give their value with `core.setAnswer`. */
  physicalAccess(
    access: Access,
    physical: number,
    size: number,
    valueLo: number,
    valueHi: number,
    vaLo: number,
    vaHi: number,
  ): Status;
  /** A helper registered by the architecture's lifter (`IrBuilder.call`). The result goes to `core.setResult`. */
  helper(id: number, constant: number, aLo: number, aHi: number, bLo: number, bHi: number): Status;
  /**
   * A number that a shortcut asks for, and that takes JavaScript to find. Nothing may change for it, and nothing that
   * code computes with may be looked at: what compiled code keeps in locals is not in the state yet. -1: it has to
   * give up.
   */
  ask?(question: number): number;
  /** If an interrupt is pending and enabled, take it (set pc and state) and return true; may set `core.exit` instead. Called at every dispatch. */
  takeInterrupt(): boolean;
}
