import type { ComponentState } from "../contracts.js";

/**
 * The storage behind a disk. Methods may answer at once or later; they may be called again before they have
 * answered. Ranges are within `size`. A rejected promise or an exception becomes an I/O error of the guest.
 */
export interface BlockBackEnd {
  /** Size in bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills `target` with the bytes at `offset`. */
  read(offset: number, target: Uint8Array): void | Promise<void>;
  write(offset: number, bytes: Uint8Array): void | Promise<void>;
  /** Makes earlier writes durable. */
  flush(): void | Promise<void>;
  /** Forgets a range, which reads as zero from then on. Without it the disk offers no discard. */
  discard?(offset: number, length: number): void | Promise<void>;
  /** Contents that live and die with the process, for snapshots. Files have none. */
  state?(): ComponentState;
  restore?(state: ComponentState): void;
}
