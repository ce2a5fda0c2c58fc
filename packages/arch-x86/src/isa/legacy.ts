import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { GPR, Gpr } from "../cpu/state.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { Flag } from "./flags.js";
import { Vector, type X86Builder, x86 } from "./lifter.js";

// What 64-bit mode has not: decimal adjustments, PUSHA, POPA, BOUND, ARPL; and ENTER, which it has.

const insn = x86("base");
const LEGACY: InstructionOptions = { in64: "not" };
const leaving = (undefinedFlags: number): InstructionOptions => ({ ...LEGACY, undefinedFlags });

type Lift = (b: X86Builder) => void;

const low = (b: X86Builder, value: Value, bits: number): Value => b.i64.and(value, b.i64.const(bits));
const al = (b: X86Builder): Value => low(b, b.ir.get(GPR[Gpr.rax]!), 0xff);
const flag = (b: X86Builder, condition: Value, bit: number): Value =>
  b.ir.select(condition, b.i64.const(bit), b.i64.const(0));

/** DAA and DAS. */
const decimalAdjust =
  (subtract: boolean): Lift =>
  (b) => {
    const { i64, i32, ir } = b;
    const operation = (x: Value, y: Value): Value => (subtract ? i64.sub(x, y) : i64.add(x, y));
    const before = al(b);
    const carry = b.flags.carry();
    const half = i32.or(i64.gt_u(low(b, before, 15), i64.const(9)), b.flags.adjust());
    const high = i32.or(i64.gt_u(before, i64.const(0x99)), carry);
    const first = ir.select(half, operation(before, i64.const(6)), before);
    const result = low(b, ir.select(high, operation(first, i64.const(0x60)), first), 0xff);
    // A borrow out of the lower digit is a carry of DAS, too.
    const borrowed = subtract ? i32.and(half, i64.lt_u(before, i64.const(6))) : i32.const(0);
    const bits = i64.or(flag(b, i32.or(high, borrowed), Flag.CF), flag(b, half, Flag.AF));
    b.setGpr(Gpr.rax, 1, result);
    b.flags.partial(b.signExtended(1, result), bits);
  };

/** AAA and AAS. */
const asciiAdjust =
  (subtract: boolean): Lift =>
  (b) => {
    const { i64, i32, ir } = b;
    const before = low(b, ir.get(GPR[Gpr.rax]!), 0xffff);
    const adjusted = i32.or(i64.gt_u(low(b, before, 15), i64.const(9)), b.flags.adjust());
    const moved = subtract ? i64.sub(before, i64.const(0x106)) : i64.add(before, i64.const(0x106));
    const result = low(b, ir.select(adjusted, moved, before), 0xff0f);
    b.setGpr(Gpr.rax, 2, result);
    b.flags.partial(b.signExtended(1, result), flag(b, adjusted, Flag.CF | Flag.AF));
  };

/** AAM divides by its operand, AAD multiplies. */
const asciiMultiply: Lift = (b) => {
  const { i64 } = b;
  const base = b.immediate & 0xff;
  if (base === 0) return b.raise(Vector.DE);
  const before = al(b);
  const [quotient, rest] = [i64.div_u(before, i64.const(base)), i64.rem_u(before, i64.const(base))];
  b.setGpr(Gpr.rax, 2, i64.or(i64.shl(quotient, i64.const(8)), rest));
  b.flags.logic(1, b.signExtended(1, rest));
};

const asciiDivide: Lift = (b) => {
  const { i64, ir } = b;
  const accumulator = ir.get(GPR[Gpr.rax]!);
  const high = low(b, i64.shr_u(accumulator, i64.const(8)), 0xff);
  const result = low(
    b,
    i64.add(low(b, accumulator, 0xff), i64.mul(high, i64.const(b.immediate & 0xff))),
    0xff,
  );
  b.setGpr(Gpr.rax, 2, result);
  b.flags.logic(1, b.signExtended(1, result));
};

const ALL = [Gpr.rax, Gpr.rcx, Gpr.rdx, Gpr.rbx, Gpr.rsp, Gpr.rbp, Gpr.rsi, Gpr.rdi] as const;

const pushAll: Lift = (b) => {
  const start = b.stackPointer();
  for (const [i, register] of ALL.entries())
    b.storeStack(b.stackOffset(start, -b.size * (i + 1)), b.size, b.ir.get(GPR[register]!));
  b.setStackPointer(b.stackOffset(start, -b.size * ALL.length));
};

const popAll: Lift = (b) => {
  const start = b.stackPointer();
  const values = ALL.map((_, i) => b.loadStack(b.stackOffset(start, b.size * (ALL.length - 1 - i)), b.size));
  for (const [i, register] of ALL.entries())
    if (register !== Gpr.rsp) b.setGpr(register, b.size, values[i] as Value);
  b.setStackPointer(b.stackOffset(start, b.size * ALL.length));
};

const bound: Lift = (b) => {
  const { i64, i32 } = b;
  const index = b.signed(0);
  const address = b.address(1);
  const lower = b.load(b.size, true, address);
  const upper = b.load(b.size, true, i64.add(address, i64.const(b.size)));
  b.raiseIf(i32.or(i64.lt_s(index, lower), i64.gt_s(index, upper)), Vector.BR);
};

/** The requested privilege level of the first selector becomes no less than the second's. */
const adjustPrivilege: Lift = (b) => {
  const { i64, ir } = b;
  const [selector, other] = [b.unsigned(0), b.unsigned(1)];
  const less = i64.lt_u(low(b, selector, 3), low(b, other, 3));
  const raised = i64.or(low(b, selector, 0xfffc), low(b, other, 3));
  if (b.isMemory(0)) {
    // Nothing is stored where nothing changes.
    const place = i64.or(b.effectiveAddress(), i64.shl(raised, i64.const(32)));
    ir.callIf(less, Helper.storeWord, b.segmentOf(), place);
  } else b.write(0, ir.select(less, raised, selector));
  b.flags.replaceZero(less);
};

/** ENTER: a frame, with the frame pointers of the enclosing procedures. */
const enter: Lift = (b) => {
  const { i64, ir, mode, size } = b;
  const level = b.d.second & 31;
  const frame = ir.get(GPR[Gpr.rbp]!);
  const start = b.stackPointer();
  const top = b.stackOffset(start, -size);
  b.storeStack(top, size, frame);
  const base = b.zeroExtended(mode.stack, frame);
  for (let i = 1; i < level; i++) {
    const value = b.loadStack(b.stackOffset(base, -size * i), size);
    b.storeStack(b.stackOffset(top, -size * i), size, value);
  }
  // All of ESP as the push leaves it, also where only SP counts.
  const upper = i64.and(ir.get(GPR[Gpr.rsp]!), i64.const(~0xffff));
  const framePointer = mode.stack === 2 ? i64.or(upper, top) : top;
  if (level > 0) b.storeStack(b.stackOffset(top, -size * level), size, framePointer);
  const pointer = b.stackOffset(top, -size * level - (b.immediate & 0xffff));
  // The last place of the frame must be writable, too.
  ir.probe("write", 1, b.inSegment(2, pointer, 1, true));
  b.setGpr(Gpr.rbp, size, framePointer);
  b.setStackPointer(pointer);
};

export const legacy: readonly X86Declaration<X86Builder>[] = [
  insn("daa", "27", decimalAdjust(false), leaving(Flag.OF)),
  insn("das", "2F", decimalAdjust(true), leaving(Flag.OF)),
  insn("aaa", "37", asciiAdjust(false), leaving(Flag.OF | Flag.SF | Flag.ZF | Flag.PF)),
  insn("aas", "3F", asciiAdjust(true), leaving(Flag.OF | Flag.SF | Flag.ZF | Flag.PF)),
  insn("aam Ib", "D4", asciiMultiply, leaving(Flag.OF | Flag.AF | Flag.CF)),
  insn("aad Ib", "D5", asciiDivide, leaving(Flag.OF | Flag.AF | Flag.CF)),
  insn(
    "salc",
    "D6",
    (b) => b.setGpr(Gpr.rax, 1, b.i64.sub(b.i64.const(0), b.i64.extend_i32_u(b.flags.carry()))),
    LEGACY,
  ),
  insn("pusha", "60", pushAll, { ...LEGACY, text: "pusha/pushad" }),
  insn("popa", "61", popAll, { ...LEGACY, text: "popa/popad" }),
  insn("bound Gv, M", "62 /r", bound, LEGACY),
  insn("arpl Ew, Gw", "63 /r", adjustPrivilege, { ...LEGACY, protectedOnly: true }),
  insn("enter Iw, Ib", "C8", enter, { size64: "d64" }),
];
