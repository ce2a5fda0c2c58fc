import { GPR, Gpr } from "../cpu/state.js";
import type { X86Declaration } from "./declaration.js";
import { type X86Builder, x86 } from "./lifter.js";

// Conversions of the accumulator: CBW/CWDE/CDQE, CWD/CDQ/CQO; and XLAT.

const insn = x86("base");

/** The lower half of the accumulator, sign-extended into the upper one. */
const widen = (b: X86Builder): void => {
  const half = b.size / 2;
  b.setGpr(Gpr.rax, b.size, b.signExtended(half, b.ir.get(GPR[Gpr.rax]!)));
};

/** The accumulator's sign in all bits of rDX. */
const extend = (b: X86Builder): void => {
  const accumulator = b.signExtended(b.size, b.ir.get(GPR[Gpr.rax]!));
  b.setGpr(Gpr.rdx, b.size, b.i64.shr_s(accumulator, b.i64.const(63)));
};

const translate = (b: X86Builder): void => {
  const { i64, ir, d } = b;
  const index = i64.and(ir.get(GPR[Gpr.rax]!), i64.const(0xff));
  const offset = b.zeroExtended(d.addressSize, i64.add(ir.get(GPR[Gpr.rbx]!), index));
  b.setGpr(Gpr.rax, 1, b.load(1, false, b.inSegment(b.segmentOf(), offset, 1, false)));
};

export const conversions: readonly X86Declaration<X86Builder>[] = [
  insn("cbw", "98", widen, { text: "cbw/cwde/cdqe" }),
  insn("cwd", "99", extend, { text: "cwd/cdq/cqo" }),
  insn("xlatb", "D7", translate),
];
