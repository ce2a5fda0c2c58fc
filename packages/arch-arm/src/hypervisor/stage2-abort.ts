import type { VmExitInfo } from "@hypercraft/hypercraft";
import { describedAccess, Ec, ISS_ISV, ISS_S1PTW, ISS_WNR } from "../cpu/syndrome.js";
import type { ArmExitCause } from "./exit-cause.js";

/** What the exit's description asks of the guest that faulted. Values are unsigned halves. */
export interface AbortingGuest {
  /** X0 to X30; 31 is zero. */
  register(index: number): { readonly lo: number; readonly hi: number };
  /**
   * The access that the instruction was about to make, where the syndrome says nothing of it: its bytes, and the value
   * of a store. 0 bytes for what no device takes: exclusives and other atomics, accesses that cross pages.
   */
  askedAccess(): { readonly size: 0 | 1 | 2 | 4 | 8; readonly lo: number; readonly hi: number };
}

/**
 * The exit that an abort of the second stage is: a load or store of a device where its size and value are known, or else
 * a nested page fault. HPFAR_EL2 has the page, also of permission faults, where other hardware might leave it UNKNOWN.
 */
export function stage2AbortExit(raw: ArmExitCause, guest: AbortingGuest): VmExitInfo<ArmExitCause> {
  const iss = Number(raw.esr & 0x1ff_ffffn);
  const fetch = Number(raw.esr >> 26n) === Ec.instructionAbort;
  const tableWalk = (iss & ISS_S1PTW) !== 0;
  const page = Number(raw.hpfar >> 4n) * 4096;
  // FAR_EL2 is the address of the access, and not of a descriptor that it needed.
  const gpa = page + (tableWalk ? 0 : Number(raw.far & 0xfffn));
  const store = (iss & ISS_WNR) !== 0;
  const access = tableWalk ? "read" : fetch ? "execute" : store ? "write" : "read";
  const fault = { kind: "nestedPageFault", gpa, access, tableWalk, raw } as const;
  if (fetch || tableWalk) return fault;
  const described = (iss & ISS_ISV) !== 0 ? describedAccess(iss) : undefined;
  const asked = described === undefined ? guest.askedAccess() : undefined;
  const width = described?.width ?? asked?.size ?? 0;
  if (width === 0 || gpa % width !== 0) return fault;
  const reg = described?.rt ?? -1;
  if (!store) {
    const regWidth = described === undefined || described.wide ? 8 : 4;
    return { kind: "mmioRead", gpa, width, reg, signed: described?.signed ?? false, regWidth, raw };
  }
  const { lo, hi } = asked ?? guest.register(reg);
  const low = width < 4 ? lo & (2 ** (8 * width) - 1) : lo;
  return { kind: "mmioWrite", gpa, width, reg, lo: low, hi: width === 8 ? hi : 0, raw };
}
