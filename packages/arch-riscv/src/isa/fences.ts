import type { Alias } from "@hypercraft/engine";
import { type RiscvBuilder, U_MODE } from "./lifter.js";

// Address-translation fences of the supervisor and hypervisor chapters and of Svinval.

/** Bits of the helpers' constant. */
const HAS_ADDRESS = 1;
const HAS_SPACE = 2;
const INVALIDATE_ONLY = 4;

type Operands = { rs1: number; rs2: number };

/** A fence: rs1 is an address unless x0, rs2 an address space unless x0. `refuse` may raise the exception the mode asks for. */
export const translationFence =
  (helper: number, refuse: (b: RiscvBuilder) => boolean, invalidateOnly = false) =>
  (b: RiscvBuilder, { rs1, rs2 }: Operands) => {
    if (refuse(b)) return;
    const which = (rs1 === 0 ? 0 : HAS_ADDRESS) | (rs2 === 0 ? 0 : HAS_SPACE);
    b.callAndDispatch(helper, which | (invalidateOnly ? INVALIDATE_ONLY : 0), b.x(rs1), b.x(rs2));
  };

/** A supervisor instruction: illegal in U-mode, a virtual-instruction exception in VU-mode. */
export function refuseUser(b: RiscvBuilder): boolean {
  if (b.mode.privilege !== U_MODE) return false;
  if (b.mode.virtual) b.virtualInstruction();
  else b.illegal();
  return true;
}

/** A hypervisor instruction: a virtual-instruction exception in VS- and VU-mode, illegal in U-mode. */
export function refuseGuest(b: RiscvBuilder): boolean {
  if (!b.mode.virtual) return refuseUser(b);
  b.virtualInstruction();
  return true;
}

/** Text without the operands that are x0. */
export const fenceAliases = (name: string): readonly Alias[] => [
  [name, "rs1 == 0, rs2 == 0"],
  [`${name} rs1`, "rs2 == 0"],
];
