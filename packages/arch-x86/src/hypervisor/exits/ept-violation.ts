import type { VmExitInfo } from "@hypercraft/hypercraft";
import { EPT_FINAL } from "../../cpu/vmx/vm-exit.js";
import type { X86ExitCause } from "../exit-cause.js";

const WRITE = 2n;
const FETCH = 4n;

/** An access as a host can answer it; 0 bytes for one that it cannot. */
export interface AskedAccess {
  readonly size: 0 | 1 | 2 | 4 | 8;
  readonly lo: number;
  readonly hi: number;
}

/**
 * The exit that an EPT violation is (SDM volume 3, table 28-7): a load or store of a device, or else a nested page
 * fault. `asked`: the access that the instruction was about to make, undefined where the processor made it by itself.
 */
export function eptViolationExit(
  raw: X86ExitCause,
  asked: AskedAccess | undefined,
): VmExitInfo<X86ExitCause> {
  const qualification = raw.qualification ?? 0n;
  const gpa = Number(raw.guestPhysicalAddress ?? 0n);
  const tableWalk = (qualification & EPT_FINAL) === 0n;
  const fetch = (qualification & FETCH) !== 0n;
  const write = (qualification & WRITE) !== 0n && !tableWalk;
  const access = fetch && !tableWalk ? "execute" : write ? "write" : "read";
  const size = asked?.size ?? 0;
  if (asked === undefined || tableWalk || fetch || size === 0)
    return { kind: "nestedPageFault", gpa, access, tableWalk, raw };
  // What registers they are of, only the instruction knows, which is executed again with the answer.
  if (!write) return { kind: "mmioRead", gpa, width: size, reg: -1, signed: false, regWidth: size, raw };
  const lo = size < 4 ? asked.lo & (2 ** (8 * size) - 1) : asked.lo;
  return { kind: "mmioWrite", gpa, width: size, reg: -1, lo, hi: size === 8 ? asked.hi : 0, raw };
}
