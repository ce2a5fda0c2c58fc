import type { Value } from "@hypercraft/engine";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { type X86Builder, x86 } from "./lifter.js";

// The eight two-operand instructions of the opcodes 00 to 3F, and those with one operand that go with them.

const insn = x86("base");

const LOCK: InstructionOptions = { lock: true };

/**
 * Compute from two sign-extended operands. Gives the result, right in its low bytes, and what sets the flags: that
 * comes after the result is stored, as the store can fault.
 */
type Operation = (
  b: X86Builder,
  bytes: number,
  x: Value,
  y: Value,
) => { readonly result: Value; readonly setFlags: () => void };

const add: Operation = (b, bytes, x, y) => {
  const result = b.i64.add(x, y);
  return { result, setFlags: () => b.flags.add(bytes, x, y, b.signExtended(bytes, result)) };
};

const subtract: Operation = (b, bytes, x, y) => {
  const result = b.i64.sub(x, y);
  return { result, setFlags: () => b.flags.subtract(bytes, x, y, b.signExtended(bytes, result)) };
};

const logic =
  (name: "and" | "or" | "xor"): Operation =>
  (b, bytes, x, y) => {
    const result = b.i64[name](x, y);
    return { result, setFlags: () => b.flags.logic(bytes, result) };
  };

/** CF, AF and OF where RFLAGS has them, from the bits that were carried into and out of each place. */
function carriedFlags(b: X86Builder, bytes: number, carries: Value): Value {
  const { i64 } = b;
  const at = (from: number) => i64.shr_u(carries, i64.const(from));
  const top = 8 * bytes - 1;
  const carry = i64.and(at(top), i64.const(1));
  const overflow = i64.and(i64.xor(at(top), at(top - 1)), i64.const(1));
  const adjust = i64.and(i64.shl(carries, i64.const(1)), i64.const(0x10));
  return i64.or(i64.or(carry, adjust), i64.shl(overflow, i64.const(11)));
}

/** x + y + CF, or x - y - CF. */
const withCarry =
  (borrow: boolean): Operation =>
  (b, bytes, x, y) => {
    const { i64 } = b;
    const carry = i64.extend_i32_u(b.flags.carry());
    const ones = i64.const(-1);
    const result = borrow ? i64.sub(i64.sub(x, y), carry) : i64.add(i64.add(x, y), carry);
    // Carried out of a place: both operands have it, or one has and the sum has not. Borrowed: the same with x inverted.
    const first = borrow ? i64.xor(x, ones) : x;
    const open = borrow ? result : i64.xor(result, ones);
    const carries = i64.or(i64.and(first, y), i64.and(i64.or(first, y), open));
    const bits = carriedFlags(b, bytes, carries);
    return { result, setFlags: () => b.flags.partial(b.signExtended(bytes, result), bits) };
  };

const OPERATIONS: readonly (readonly [string, Operation])[] = [
  ["add", add],
  ["or", logic("or")],
  ["adc", withCarry(false)],
  ["sbb", withCarry(true)],
  ["and", logic("and")],
  ["sub", subtract],
  ["xor", logic("xor")],
  ["cmp", subtract],
];

/** Operations on four bytes, as i32: in registers their results need no more to be done. */
type NarrowOperation = (b: X86Builder, x: Value, y: Value) => ReturnType<Operation>;

const addNarrow: NarrowOperation = (b, x, y) => {
  const { i32, i64 } = b;
  const result = i32.add(x, y);
  const wide = (value: Value) => i64.extend_i32_s(value);
  return { result, setFlags: () => b.flags.add(4, wide(x), wide(y), wide(result)) };
};

const subtractNarrow: NarrowOperation = (b, x, y) => {
  const result = b.i32.sub(x, y);
  return { result, setFlags: () => b.flags.subtractNarrow(x, y, result) };
};

const logicNarrow =
  (name: "and" | "or" | "xor"): NarrowOperation =>
  (b, x, y) => {
    const result = b.i32[name](x, y);
    return { result, setFlags: () => b.flags.logic(4, b.i64.extend_i32_s(result)) };
  };

/** ADC and SBB have none: they need more than 32 bits to see what was carried. */
const NARROW: Readonly<Record<string, NarrowOperation>> = {
  add: addNarrow,
  or: logicNarrow("or"),
  and: logicNarrow("and"),
  sub: subtractNarrow,
  xor: logicNarrow("xor"),
  cmp: subtractNarrow,
};

/** XOR and SUB of a register and itself: compilers' way of writing 0. */
function clears(b: X86Builder, name: string): boolean {
  if ((name !== "xor" && name !== "sub") || b.bytes(0) < 4 || b.isMemory(0) || b.isMemory(1)) return false;
  return !b.isImmediate(1) && b.register(0) === b.register(1);
}

/** `x op= y` for the first two operands; CMP only sets flags. */
const lifting =
  (name: string, operation: Operation, compares: boolean) =>
  (b: X86Builder): void => {
    if (clears(b, name)) {
      b.write(0, b.i64.const(0));
      return b.flags.logic(8, b.i64.const(0));
    }
    const narrow = b.bytes(0) === 4 ? NARROW[name] : undefined;
    if (narrow !== undefined) {
      const { result, setFlags } = narrow(b, b.narrow(0, !compares), b.narrow(1));
      if (!compares) b.writeNarrow(0, result);
      return setFlags();
    }
    const x = b.signed(0, !compares);
    const { result, setFlags } = operation(b, b.bytes(0), x, b.signed(1));
    if (!compares) b.write(0, result);
    setFlags();
  };

const pairs = OPERATIONS.flatMap(([name, operation], number): X86Declaration<X86Builder>[] => {
  const compares = name === "cmp";
  const lift = lifting(name, operation, compares);
  const options = compares ? {} : LOCK;
  const code = (low: number) => (number * 8 + low).toString(16).toUpperCase().padStart(2, "0");
  return [
    insn(`${name} Eb, Gb`, `${code(0)} /r`, lift, options),
    insn(`${name} Ev, Gv`, `${code(1)} /r`, lift, options),
    insn(`${name} Gb, Eb`, `${code(2)} /r`, lift),
    insn(`${name} Gv, Ev`, `${code(3)} /r`, lift),
    insn(`${name} al, Ib`, code(4), lift),
    insn(`${name} rAX, Iz`, code(5), lift),
    insn(`${name} Eb, Ib`, `80 /${number}`, lift, options),
    insn(`${name} Ev, Iz`, `81 /${number}`, lift, options),
    insn(`${name} Eb, Ib`, `82 /${number}`, lift, { ...options, in64: "not", name: `${name} Eb, Ib (82)` }),
    insn(`${name} Ev, sIb`, `83 /${number}`, lift, options),
  ];
});

const test = (b: X86Builder): void => {
  const { i32, i64 } = b;
  const bytes = b.bytes(0);
  // Most are of a register and itself.
  if (b.raw(0) === b.raw(1)) b.flags.logic(bytes, b.signed(0));
  else if (bytes === 4) b.flags.logic(4, i64.extend_i32_s(i32.and(b.narrow(0), b.narrow(1))));
  else b.flags.logic(bytes, i64.and(b.signed(0), b.signed(1)));
};

/** INC and DEC leave CF as it is. */
const step =
  (operation: Operation) =>
  (b: X86Builder): void => {
    const { i64 } = b;
    const bytes = b.bytes(0);
    const carry = b.flags.carry();
    const x = b.signed(0, true);
    const { result } = operation(b, bytes, x, i64.const(1));
    b.write(0, result);
    const extended = b.signExtended(bytes, result);
    // Overflow: into the most negative number, or out of it. Carried from bit 3: it came to, or was, 0.
    const [edge, low] = operation === add ? [extended, result] : [x, x];
    const least = i64.pair(...leastOf(bytes));
    const overflow = i64.extend_i32_u(i64.eq(edge, least));
    const adjust = i64.extend_i32_u(i64.eqz(i64.and(low, i64.const(15))));
    const bits = i64.or(i64.shl(overflow, i64.const(11)), i64.shl(adjust, i64.const(4)));
    b.flags.partial(extended, i64.or(bits, i64.extend_i32_u(carry)));
  };

/** The most negative number of some bytes, in halves. */
function leastOf(bytes: number): [low: number, high: number] {
  if (bytes === 8) return [0, -0x8000_0000];
  return [-(2 ** (8 * bytes - 1)), -1];
}

const negate = (b: X86Builder): void => {
  const x = b.signed(0, true);
  const { result, setFlags } = subtract(b, b.bytes(0), b.i64.const(0), x);
  b.write(0, result);
  setFlags();
};

const invert = (b: X86Builder): void => b.write(0, b.i64.xor(b.raw(0, true), b.i64.const(-1)));

const single: readonly X86Declaration<X86Builder>[] = [
  insn("inc Eb", "FE /0", step(add), LOCK),
  insn("inc Ev", "FF /0", step(add), LOCK),
  insn("inc Zv", "40+r", step(add), { in64: "not" }),
  insn("dec Eb", "FE /1", step(subtract), LOCK),
  insn("dec Ev", "FF /1", step(subtract), LOCK),
  insn("dec Zv", "48+r", step(subtract), { in64: "not" }),
  insn("neg Eb", "F6 /3", negate, LOCK),
  insn("neg Ev", "F7 /3", negate, LOCK),
  insn("not Eb", "F6 /2", invert, LOCK),
  insn("not Ev", "F7 /2", invert, LOCK),
  insn("test Eb, Gb", "84 /r", test),
  insn("test Ev, Gv", "85 /r", test),
  insn("test al, Ib", "A8", test),
  insn("test rAX, Iz", "A9", test),
  insn("test Eb, Ib", "F6 /0", test),
  insn("test Ev, Iz", "F7 /0", test),
  insn("test Eb, Ib", "F6 /1", test, { name: "test Eb, Ib (F6 /1)" }),
  insn("test Ev, Iz", "F7 /1", test, { name: "test Ev, Iz (F7 /1)" }),
];

export const arithmetic = [...pairs, ...single];
