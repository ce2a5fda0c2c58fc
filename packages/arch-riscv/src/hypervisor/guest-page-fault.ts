import type { VmExitInfo } from "@hypercraft/hypercraft";
import { PSEUDO_READ, PSEUDO_WRITE } from "../cpu/access.js";
import { Cause } from "../cpu/causes.js";
import { accessBase } from "../cpu/trap-instruction.js";
import type { RiscvExitCause } from "./exit-cause.js";
import { decodeLoadStore } from "./load-store.js";

/** Where the address offset of a transformed instruction is: the distance of the fault from the access's address. */
const ADDRESS_OFFSET_SHIFT = 15;

/** What the decoder asks of the guest that faulted. Values are unsigned halves. */
export interface FaultingGuest {
  /** The instruction at the pc, 16 or 32 bits; 0 if it cannot be read. */
  instructionBits(): number;
  integerRegister(index: number): { readonly lo: number; readonly hi: number };
  floatRegister(index: number): { readonly lo: number; readonly hi: number };
}

/**
 * The exit that a guest-page fault is (hypervisor chapter, "Trap Values" of htval and htinst): a load or store
 * of a device where the instruction says all about it; a nested page fault for fetches, walks of the guest's
 * own tables, atomics, cache-block operations and misaligned accesses, none of which a device takes.
 */
export function guestPageFaultExit(raw: RiscvExitCause, guest: FaultingGuest): VmExitInfo<RiscvExitCause> {
  const cause = Number(raw.scause);
  const htinst = Number(raw.htinst);
  const tableWalk = htinst === PSEUDO_READ || htinst === PSEUDO_WRITE;
  // The low two bits are those of stval, unless the access was to a page-table entry.
  const gpa = Number((raw.htval << 2n) | (tableWalk ? 0n : raw.stval & 3n));
  if (tableWalk) {
    const access = htinst === PSEUDO_WRITE ? "write" : "read";
    return { kind: "nestedPageFault", gpa, access, tableWalk, raw };
  }
  const fault = { kind: "nestedPageFault", gpa, access: accessOf(cause), tableWalk, raw } as const;
  if (cause === Cause.fetchGuestPage) return fault;
  const bits = htinst === 0 ? guest.instructionBits() : htinst;
  const access = decodeLoadStore(bits, htinst !== 0);
  if (access === undefined || access.store !== (fault.access === "write")) return fault;
  const { width, reg, signed, float } = access;
  const offset = htinst === 0 ? distance(raw, bits, guest) : (htinst >>> ADDRESS_OFFSET_SHIFT) & 31;
  if (offset !== 0 || gpa % width !== 0) return fault;
  const register = float ? -1 : reg;
  if (!access.store) return { kind: "mmioRead", gpa, width, reg: register, signed, regWidth: 8, raw };
  const { lo, hi } = float ? guest.floatRegister(reg) : guest.integerRegister(reg);
  const low = width < 4 ? lo & (2 ** (8 * width) - 1) : lo;
  return { kind: "mmioWrite", gpa, width, reg: register, lo: low, hi: width === 8 ? hi : 0, raw };
}

function accessOf(cause: number): "read" | "write" | "execute" {
  if (cause === Cause.fetchGuestPage) return "execute";
  return cause === Cause.storeGuestPage ? "write" : "read";
}

/** Bytes from the address of an access to the one that faulted: not zero in the second page of a crossing. */
function distance(raw: RiscvExitCause, bits: number, guest: FaultingGuest): number {
  const { register, immediate } = accessBase(bits);
  return (Number(raw.stval & 0xfffn) - guest.integerRegister(register).lo - immediate) & 0xfff;
}
