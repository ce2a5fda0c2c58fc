import type { Value } from "@hypercraft/engine";
import { GPR, Gpr } from "../cpu/state.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { syscall } from "./fast-calls.js";
import { type X86Builder, x86 } from "./lifter.js";

// Near branches, calls and returns; loops.

const insn = x86("base");
const F64: InstructionOptions = { size64: "f64" };

const jump = (b: X86Builder): void => {
  b.checkRelative();
  b.jumpRelative();
};

const jumpIndirect = (b: X86Builder): void => {
  const target = b.unsigned(0);
  b.checkTarget(target);
  b.jumpTo(target);
};

const call = (b: X86Builder): void => {
  b.checkRelative();
  b.push(b.size, b.nextIp());
  b.jumpRelative();
};

const callIndirect = (b: X86Builder): void => {
  const target = b.unsigned(0);
  b.checkTarget(target);
  b.push(b.size, b.nextIp());
  b.jumpTo(target);
};

const back = (b: X86Builder): void => {
  const { size } = b;
  const target = b.zeroExtended(size, b.top(size));
  b.checkTarget(target);
  b.drop(size);
  if (b.d.instruction?.operands.length === 1)
    b.setStackPointer(b.stackOffset(b.stackPointer(), b.immediate & 0xffff));
  b.returnTo(target);
};

/** LOOP, LOOPE and LOOPNE count rCX down, as wide as addresses; the flags stay. */
const loop =
  (condition: "any" | "zero" | "notZero") =>
  (b: X86Builder): void => {
    const { i32, i64, d } = b;
    const count = b.zeroExtended(d.addressSize, i64.sub(b.ir.get(GPR[Gpr.rcx]!), i64.const(1)));
    const more = i32.eqz(i64.eqz(count));
    const zero = condition === "any" ? null : b.flags.condition(condition === "zero" ? 4 : 5);
    const taken = zero === null ? more : i32.and(more, i32.eqz(i32.eqz(zero)));
    b.checkRelative(taken);
    b.setGpr(Gpr.rcx, d.addressSize, count);
    b.branchRelative(taken);
  };

const branchIf = (b: X86Builder, taken: Value): void => {
  b.checkRelative(taken);
  b.branchRelative(taken);
};

const jumpIfZero = (b: X86Builder): void =>
  branchIf(b, b.i64.eqz(b.zeroExtended(b.d.addressSize, b.ir.get(GPR[Gpr.rcx]!))));

/** Of a condition and its opposite, both ask for the first: comparisons are then part of the branch. */
const jumpIf = (b: X86Builder): void => {
  const code = b.d.opcode & 15;
  const condition = b.flags.condition(code & 14);
  if ((code & 1) === 0) return branchIf(b, condition);
  if (b.mode.bits !== 64) b.checkRelative(b.i32.eqz(condition));
  b.branchRelativeUnless(condition);
};

const conditions = Array.from({ length: 16 }, (_, code) => code.toString(16).toUpperCase());

export const control: readonly X86Declaration<X86Builder>[] = [
  insn("jmp Jz", "E9", jump, F64),
  insn("jmp Jb", "EB", jump, F64),
  insn("jmp Ev", "FF /4", jumpIndirect, F64),
  insn("call Jz", "E8", call, F64),
  insn("call Ev", "FF /2", callIndirect, F64),
  insn("ret Iw", "C2", back, F64),
  insn("ret", "C3", back, F64),
  ...conditions.map((code) => insn("j{cc} Jb", `7${code}`, jumpIf, { ...F64, name: `j ${code} short` })),
  ...conditions.map((code) => insn("j{cc} Jz", `0F 8${code}`, jumpIf, { ...F64, name: `j ${code}` })),
  insn("loopne Jb", "E0", loop("notZero"), F64),
  insn("loope Jb", "E1", loop("zero"), F64),
  insn("loop Jb", "E2", loop("any"), F64),
  insn("jrcxz Jb", "E3", jumpIfZero, { ...F64, textByAddress: "jcxz/jecxz/jrcxz" }),
  insn("syscall", "0F 05", syscall),
];
