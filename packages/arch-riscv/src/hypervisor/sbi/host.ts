import type { FirmwarePowerOutcome } from "@hypercraft/hypercraft";
import type { HsmState, SbiError } from "./constants.js";

/** A remote fence of the RFENCE extension. Addresses and sizes are what the guest gave. */
export type RemoteFence =
  | { readonly kind: "fenceI" }
  | {
      readonly kind: "sfenceVma";
      readonly start: bigint;
      readonly size: bigint;
      readonly asid: number | undefined;
    }
  | {
      readonly kind: "hfenceGvma";
      readonly start: bigint;
      readonly size: bigint;
      readonly vmid: number | undefined;
    }
  | {
      readonly kind: "hfenceVvma";
      readonly start: bigint;
      readonly size: bigint;
      readonly asid: number | undefined;
    };

/** What SBI calls act on: the VM as one of its harts sees it. */
export interface SbiHost {
  readonly hartId: number;
  /** Hart ids of the VM, ascending. */
  readonly hartIds: readonly number[];
  /** Machine identification as the hart's own CSRs would say. */
  readonly mvendorid: bigint;
  readonly marchid: bigint;
  readonly mimpid: bigint;
  hartState(hartId: number): HsmState;
  /** Whether an address may be jumped to or used for data: it lies in the VM's RAM. */
  isRam(gpa: number, length: number): boolean;
  /** Program the supervisor timer: time in ticks, all ones for never; a pending timer interrupt is cleared. */
  setTimer(lo: number, hi: number): void;
  /** Whether one was pending. */
  clearSoftwareInterrupt(): boolean;
  fence(hartIds: readonly number[], fence: RemoteFence): void;
  consoleWrite(bytes: Uint8Array): void;
  /** A byte of input, -1 when there is none. */
  consoleRead(): number;
  readMemory(gpa: number, length: number): Uint8Array;
  writeMemory(gpa: number, bytes: Uint8Array): void;
  /** Eight bytes at a guest virtual address, as a load of the calling mode would read them; undefined when it cannot. */
  readVirtual(address: bigint): bigint | undefined;
}

/** A call as the guest made it: a7, a6 and a0 to a5. */
export interface SbiCall {
  readonly eid: number;
  readonly fid: number;
  readonly args: readonly bigint[];
}

/** What becomes of a call. */
export type SbiOutcome =
  /** Set a0 and a1 and go on. */
  | { readonly kind: "return"; readonly error: SbiError; readonly value: bigint }
  /** A legacy call: only a0 is set. */
  | { readonly kind: "legacy"; readonly value: bigint }
  /** Interrupt these harts, then return success (legacy calls: a0 only). */
  | { readonly kind: "ipi"; readonly targets: readonly number[]; readonly legacy: boolean }
  | FirmwarePowerOutcome
  /** No such extension: the hypervisor's owner may answer it as a hypercall. */
  | { readonly kind: "unknown" };
