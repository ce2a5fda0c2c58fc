import type { Value } from "@hypercraft/engine";
import { GPR, Gpr } from "../cpu/state.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { Flag } from "./flags.js";
import { type X86Builder, x86 } from "./lifter.js";

// Shifts and rotations: SDM volume 2, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD.

const insn = x86("base");

const OVERFLOW_BIT = 11;

/** What a shift by `count` (1 to one less than 64) gives: the result, right in its low bytes, and CF and OF as bits 0. */
interface Shifted {
  readonly result: Value;
  readonly carry: Value;
  readonly overflow: Value;
}
type Shift = (b: X86Builder, bytes: number, count: Value) => Shifted;

const bitOf = (b: X86Builder, value: Value, bit: number): Value =>
  b.i64.and(b.i64.shr_u(value, b.i64.const(bit)), b.i64.const(1));

const shiftLeft: Shift = (b, bytes, count) => {
  const { i64 } = b;
  const top = 8 * bytes - 1;
  const last = i64.shl(b.unsigned(0, true), i64.sub(count, i64.const(1)));
  const result = i64.shl(last, i64.const(1));
  return { result, carry: bitOf(b, last, top), overflow: bitOf(b, i64.xor(last, result), top) };
};

const shiftRight: Shift = (b, bytes, count) => {
  const { i64 } = b;
  const last = i64.shr_u(b.unsigned(0, true), i64.sub(count, i64.const(1)));
  const result = i64.shr_u(last, i64.const(1));
  return {
    result,
    carry: i64.and(last, i64.const(1)),
    overflow: bitOf(b, i64.xor(last, result), 8 * bytes - 1),
  };
};

const shiftRightSigned: Shift = (b, _bytes, count) => {
  const { i64 } = b;
  const last = i64.shr_s(b.signed(0, true), i64.sub(count, i64.const(1)));
  return {
    result: i64.shr_s(last, i64.const(1)),
    carry: i64.and(last, i64.const(1)),
    overflow: i64.const(0),
  };
};

/** Counts are taken modulo 64 for operands of 8 bytes, else modulo 32. */
const countMask = (bytes: number): number => (bytes === 8 ? 63 : 31);

/** The count, as the encoding gives it. */
type Count = "one" | "immediate" | "cl";

function variableCount(b: X86Builder): Value {
  return b.i64.and(b.ir.get(GPR[Gpr.rcx]!), b.i64.const(countMask(b.bytes(0))));
}

const flagBits = (b: X86Builder, { carry, overflow }: Shifted): Value =>
  b.i64.or(carry, b.i64.shl(overflow, b.i64.const(OVERFLOW_BIT)));

const SHIFTS = { shl: shiftLeft, shr_u: shiftRight, shr_s: shiftRightSigned } as const;
type ShiftKind = keyof typeof SHIFTS;

/** A shift of four bytes by a constant that is not 0. */
function shiftNarrow(b: X86Builder, kind: ShiftKind, count: number): void {
  const { i64, i32 } = b;
  const x = b.narrow(0, true);
  const last = count === 1 ? x : i32[kind](x, i32.const(count - 1));
  const result = i32[kind](x, i32.const(count));
  b.writeNarrow(0, result);
  b.flags.shift(kind === "shl", 4, i64.extend_i32_s(result), i64.extend_i32_s(last));
}

/** The same of other sizes. */
function shiftWide(b: X86Builder, kind: ShiftKind, bytes: number, count: number): void {
  const { i64 } = b;
  const x = kind === "shr_s" ? b.signed(0, true) : b.unsigned(0, true);
  const last = count === 1 ? x : i64[kind](x, i64.const(count - 1));
  const result = i64[kind](x, i64.const(count));
  b.write(0, result);
  b.flags.shift(kind === "shl", bytes, b.signExtended(bytes, result), b.signExtended(bytes, last));
}

/** A shift, which sets all flags. A count of nothing changes none. */
const shifting =
  (kind: ShiftKind, from: Count) =>
  (b: X86Builder): void => {
    const bytes = b.bytes(0);
    const { i64, i32, ir } = b;
    if (from !== "cl") {
      const count = from === "one" ? 1 : b.immediate & countMask(bytes);
      if (count === 0) return b.write(0, b.raw(0, true));
      return bytes === 4 ? shiftNarrow(b, kind, count) : shiftWide(b, kind, bytes, count);
    }
    const count = variableCount(b);
    const some = i32.eqz(i64.eqz(count));
    const shifted = SHIFTS[kind](b, bytes, count);
    const bits = flagBits(b, shifted);
    b.write(0, ir.select(some, shifted.result, b.raw(0)));
    b.flags.partialIf(some, b.signExtended(bytes, shifted.result), bits);
  };

/** A rotation gives its result for a count that may be 0, and CF and OF for one that is not. */
const rotateLeft: Shift = (b, bytes, count) => {
  const { i64 } = b;
  const result = rotated(b, bytes, count);
  const carry = i64.and(result, i64.const(1));
  return { result, carry, overflow: i64.xor(bitOf(b, result, 8 * bytes - 1), carry) };
};

const rotateRight: Shift = (b, bytes, count) => {
  const { i64 } = b;
  const result = rotated(b, bytes, i64.sub(i64.const(0), count));
  const carry = bitOf(b, result, 8 * bytes - 1);
  return { result, carry, overflow: i64.xor(carry, bitOf(b, result, 8 * bytes - 2)) };
};

/** The operand rotated to the left by a count modulo its bits. */
function rotated(b: X86Builder, bytes: number, count: Value): Value {
  const { i64, i32 } = b;
  if (bytes === 8) return i64.rotl(b.raw(0, true), count);
  if (bytes === 4) return i64.extend_i32_u(i32.rotl(i32.wrap_i64(b.raw(0, true)), i32.wrap_i64(count)));
  const bits = 8 * bytes;
  const value = b.unsigned(0, true);
  const left = i64.and(count, i64.const(bits - 1));
  return i64.or(i64.shl(value, left), i64.shr_u(value, i64.sub(i64.const(bits), left)));
}

const withCarry = (b: X86Builder, bytes: number): Value =>
  b.i64.or(b.unsigned(0, true), b.i64.shl(b.i64.extend_i32_u(b.flags.carry()), b.i64.const(8 * bytes)));

/** Rotate CF and the operand, which is less than 8 bytes, to the left by less than their bits. */
function rotatedWithCarry(b: X86Builder, bytes: number, count: Value): Value {
  const { i64 } = b;
  const bits = 8 * bytes + 1;
  const value = withCarry(b, bytes);
  return i64.or(i64.shl(value, count), i64.shr_u(value, i64.sub(i64.const(bits), count)));
}

const rotateLeftCarry: Shift = (b, bytes, count) => {
  const { i64 } = b;
  if (bytes === 8) return rotateLeftCarry64(b, count);
  const result = rotatedWithCarry(b, bytes, i64.rem_u(count, i64.const(8 * bytes + 1)));
  const carry = bitOf(b, result, 8 * bytes);
  return { result, carry, overflow: i64.xor(carry, bitOf(b, result, 8 * bytes - 1)) };
};

const rotateRightCarry: Shift = (b, bytes, count) => {
  const { i64 } = b;
  if (bytes === 8) return rotateRightCarry64(b, count);
  const bits = i64.const(8 * bytes + 1);
  const left = i64.rem_u(i64.sub(bits, i64.rem_u(count, bits)), bits);
  const result = rotatedWithCarry(b, bytes, left);
  const top = 8 * bytes - 1;
  const overflow = i64.xor(bitOf(b, result, top), bitOf(b, result, top - 1));
  return { result, carry: bitOf(b, result, 8 * bytes), overflow };
};

function rotateLeftCarry64(b: X86Builder, count: Value): Shifted {
  const { i64 } = b;
  const value = b.raw(0, true);
  const rest = i64.sub(i64.const(64), count);
  const carryIn = i64.shl(i64.extend_i32_u(b.flags.carry()), i64.sub(count, i64.const(1)));
  // By 65 - count, which can be 64.
  const low = i64.shr_u(i64.shr_u(value, i64.const(1)), rest);
  const result = i64.or(i64.or(i64.shl(value, count), carryIn), low);
  const carry = i64.and(i64.shr_u(value, rest), i64.const(1));
  return { result, carry, overflow: i64.xor(carry, bitOf(b, result, 63)) };
}

function rotateRightCarry64(b: X86Builder, count: Value): Shifted {
  const { i64 } = b;
  const value = b.raw(0, true);
  const rest = i64.sub(i64.const(64), count);
  const carryIn = i64.shl(i64.extend_i32_u(b.flags.carry()), rest);
  const high = i64.shl(i64.shl(value, i64.const(1)), rest);
  const result = i64.or(i64.or(i64.shr_u(value, count), carryIn), high);
  const carry = i64.and(i64.shr_u(value, i64.sub(count, i64.const(1))), i64.const(1));
  return { result, carry, overflow: i64.xor(bitOf(b, result, 63), bitOf(b, result, 62)) };
}

/** A rotation, which sets CF and OF. */
const rotating =
  (rotate: Shift, from: Count) =>
  (b: X86Builder): void => {
    const bytes = b.bytes(0);
    const { i64, i32, ir } = b;
    const mask = Flag.CF | Flag.OF;
    if (from !== "cl") {
      const count = from === "one" ? 1 : b.immediate & countMask(bytes);
      if (count === 0) return b.write(0, b.raw(0, true));
      const shifted = rotate(b, bytes, i64.const(count));
      b.write(0, shifted.result);
      return b.flags.replace(mask, flagBits(b, shifted));
    }
    const count = variableCount(b);
    const some = i32.eqz(i64.eqz(count));
    const shifted = rotate(b, bytes, count);
    b.write(0, ir.select(some, shifted.result, b.raw(0)));
    b.flags.replaceIf(some, mask, flagBits(b, shifted));
  };

/** SHLD and SHRD: bits of the second operand come in. */
const doubleShift =
  (left: boolean, from: Count) =>
  (b: X86Builder): void => {
    const { i64, i32, ir } = b;
    const bytes = b.bytes(0);
    const count = from === "cl" ? variableCount(b) : i64.const(b.immediate & countMask(bytes));
    const first = b.unsigned(0, true);
    const second = b.unsigned(1);
    const some = i32.eqz(i64.eqz(count));
    const before = i64.sub(count, i64.const(1));
    const bits = 8 * bytes;
    const shift = (by: Value): Value => {
      const rest = i64.sub(i64.const(64), by);
      if (bytes === 8 && left) return i64.or(i64.shl(first, by), i64.shr_u(second, rest));
      if (bytes === 8) return i64.or(i64.shr_u(first, by), i64.shl(second, rest));
      // Behind the second comes the first again, which shows with counts beyond 16.
      const at = (value: Value, to: number) => i64.shl(value, i64.const(to));
      if (!left) {
        const joined = bytes === 4 ? at(second, 32) : i64.or(at(second, 16), at(first, 32));
        return i64.shr_u(i64.or(joined, first), by);
      }
      const joined = bytes === 4 ? second : i64.or(at(second, 16), first);
      return i64.shr_u(i64.shl(i64.or(at(first, 32), joined), by), i64.const(32));
    };
    const result = shift(count);
    // A count of one: nothing was shifted before.
    const last = ir.select(i64.eqz(before), first, shift(before));
    const carry = left ? bitOf(b, last, bits - 1) : i64.and(last, i64.const(1));
    const overflow = bitOf(b, i64.xor(first, result), bits - 1);
    b.write(0, ir.select(some, result, first));
    b.flags.partialIf(some, b.signExtended(bytes, result), flagBits(b, { result, carry, overflow }));
  };

type Group = readonly [
  name: string,
  lifting: (from: Count) => (b: X86Builder) => void,
  undefinedFlags: number,
];

const shifts: readonly Group[] = [
  ["rol", (from) => rotating(rotateLeft, from), 0],
  ["ror", (from) => rotating(rotateRight, from), 0],
  ["rcl", (from) => rotating(rotateLeftCarry, from), 0],
  ["rcr", (from) => rotating(rotateRightCarry, from), 0],
  ["shl", (from) => shifting("shl", from), Flag.AF],
  ["shr", (from) => shifting("shr_u", from), Flag.AF],
  ["shl", (from) => shifting("shl", from), Flag.AF],
  ["sar", (from) => shifting("shr_s", from), Flag.AF],
];

const groups = shifts.flatMap(([name, lifting, undefinedFlags], number): X86Declaration<X86Builder>[] => {
  // CF is left open where more bits are shifted out of a byte or word than there are.
  const open = undefinedFlags === 0 ? Flag.OF : Flag.OF | Flag.AF | Flag.CF;
  const second = number === 6;
  const options = (text: string, flags: number): InstructionOptions => ({
    undefinedFlags: flags,
    ...(second && { name: `${text} (/6)` }),
  });
  const form = (operands: string, opcode: string, from: Count) => {
    const text = `${name} ${operands}`;
    return insn(
      text,
      `${opcode} /${number}`,
      lifting(from),
      options(text, from === "one" ? undefinedFlags : open),
    );
  };
  return [
    form("Eb, Ib", "C0", "immediate"),
    form("Ev, Ib", "C1", "immediate"),
    form("Eb, 1", "D0", "one"),
    form("Ev, 1", "D1", "one"),
    form("Eb, cl", "D2", "cl"),
    form("Ev, cl", "D3", "cl"),
  ];
});

const DOUBLE: InstructionOptions = { undefinedFlags: Flag.OF | Flag.AF | Flag.CF };

export const shiftInstructions: readonly X86Declaration<X86Builder>[] = [
  ...groups,
  insn("shld Ev, Gv, Ib", "0F A4 /r", doubleShift(true, "immediate"), DOUBLE),
  insn("shld Ev, Gv, cl", "0F A5 /r", doubleShift(true, "cl"), DOUBLE),
  insn("shrd Ev, Gv, Ib", "0F AC /r", doubleShift(false, "immediate"), DOUBLE),
  insn("shrd Ev, Gv, cl", "0F AD /r", doubleShift(false, "cl"), DOUBLE),
];
