import { type Field, Status } from "@hypercraft/engine";
import { Need } from "./access.js";
import { WAIT_EXIT } from "./exit.js";
import type { ArmPe } from "./pe.js";
import { X } from "./state.js";

/** HLT's immediate in A64 (Arm, "Semihosting for AArch32 and AArch64"). */
const SEMIHOSTING = 0xf000;
const PAGE = 4096;

/** Memory by virtual address, as the guest's present level sees it. */
export interface GuestVirtualMemory {
  /** Undefined where a load would fault, or what is there is no RAM. */
  read(address: bigint, length: number): Uint8Array | undefined;
  /** False, and nothing done behind the place, where a store would fault. */
  write(address: bigint, bytes: Uint8Array): boolean;
}

/** Carries semihosting calls out. */
export interface SemihostingHost {
  /**
   * @param operation W0 of the call. @param parameter X1.
   * @returns the new X0; undefined: call again when `ready`.
   */
  call(operation: number, parameter: bigint, memory: GuestVirtualMemory): bigint | undefined;
  /** Whether a call that had to wait would go on now. */
  readonly ready: boolean;
}

/** HLT #0xF000 as a call to the host, at EL1 and EL2; undefined for what is no such call. */
export function semihostingCall(pe: ArmPe, immediate: number): Status | undefined {
  const { core, semihosting, el } = pe;
  if (immediate !== SEMIHOSTING || semihosting === undefined || el === 0) return undefined;
  const [x0, x1] = [X[0] as Field, X[1] as Field];
  const result = semihosting.call(core.lo(x0) >>> 0, core.big(x1), new VirtualMemory(pe));
  if (result === undefined) {
    core.exit = WAIT_EXIT;
    return Status.exit;
  }
  core.setBig(x0, BigInt.asUintN(64, result));
  const next = (core.pcLo() + 4) | 0;
  core.setPc(next, (core.pcHi() + (next === 0 ? 1 : 0)) | 0);
  return Status.redispatch;
}

class VirtualMemory implements GuestVirtualMemory {
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
  }

  read(address: bigint, length: number): Uint8Array | undefined {
    const bytes = new Uint8Array(length);
    const { core } = this.pe;
    const whole = this.pieces(address, length, Need.read, (offset, from, size) => {
      bytes.set(core.bytes.subarray(offset, offset + size), from);
    });
    return whole ? bytes : undefined;
  }

  write(address: bigint, bytes: Uint8Array): boolean {
    const { core } = this.pe;
    return this.pieces(address, bytes.length, Need.write, (offset, from, size) => {
      core.bytes.set(bytes.subarray(from, from + size), offset);
      core.ramWritten(offset, size);
    });
  }

  /** Page by page: where each piece is in host memory. */
  private pieces(
    address: bigint,
    length: number,
    need: Need,
    take: (offset: number, from: number, size: number) => void,
  ): boolean {
    const { pe } = this;
    for (let from = 0; from < length; ) {
      const va = address + BigInt(from);
      const size = Math.min(length - from, PAGE - Number(va & BigInt(PAGE - 1)));
      const [lo, hi] = [Number(BigInt.asIntN(32, va)), Number(BigInt.asIntN(32, va >> 32n))];
      const offset = pe.probe(pe.contexts.dataRights, need, lo, hi);
      if (offset < 0) return false;
      take(offset, from, size);
      from += size;
    }
    return true;
  }
}
