import { CR0 as CR0_BIT, CR4 as CR4_BIT } from "../../cpu/control-bits.js";
import { Vector } from "../../cpu/fault.js";
import { VmcsField as F } from "../../cpu/vmx/fields.js";
import type { RootVmcs } from "../../cpu/vmx/root-vmcs.js";
import { CR0_MASK } from "../vmcs-setup.js";

/** The exit qualification of an access to a control register: SDM volume 3, table 28-3. */
export interface ControlAccess {
  readonly number: number;
  readonly kind: "to" | "from" | "clts" | "lmsw";
  /** General register of MOV. */
  readonly register: number;
}

const KINDS = ["to", "from", "clts", "lmsw"] as const;

export function controlAccess(qualification: number): ControlAccess {
  return {
    number: qualification & 15,
    kind: KINDS[(qualification >> 4) & 3]!,
    register: (qualification >> 8) & 15,
  };
}

/** CR0 as the guest reads it. Without NE, errors of the floating-point unit are no exceptions of the guest's. */
export function writeCr0Shadow(root: RootVmcs, value: bigint): void {
  root.write(F.CR0_SHADOW, value);
  root.write(F.EXCEPTION_BITMAP, (value & BigInt(CR0_BIT.NE)) === 0n ? 1n << BigInt(Vector.math) : 0n);
}

/** What becomes of a MOV: "again": it is executed anew and does not leave this time. */
export type ControlOutcome = "again" | "fault";

/**
 * MOV to CR0 changes a bit that is the host's. The guest reads it in the shadow from now on; as the MOV then agrees with
 * the shadow, the processor carries the rest out by itself.
 */
export function moveToCr0(root: RootVmcs, value: bigint): ControlOutcome {
  const low = Number(BigInt.asIntN(32, value));
  if ((low & CR0_BIT.NW) !== 0 && (low & CR0_BIT.CD) === 0) return "fault";
  const kept = root.read(F.CR0_SHADOW) & BigInt(~CR0_MASK >>> 0);
  writeCr0Shadow(root, kept | (value & BigInt(CR0_MASK)));
  return "again";
}

/** MOV to CR4 can but have tried to set VMXE, which a guest without VMX has not. */
export const moveToCr4 = (value: bigint): ControlOutcome =>
  (value & BigInt(CR4_BIT.VMXE)) !== 0n ? "fault" : "again";
