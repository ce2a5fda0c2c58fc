import { Lanes, type Value } from "@hypercraft/engine";
import { X87, XMM } from "../cpu/state.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { Vector, type X86Builder, x86 } from "./lifter.js";

// What the instructions on MMX and XMM registers share: when they may be executed, and how they get at operands.
// MMX registers are handled as XMM registers with zeros in their upper half.

export type Lift = (b: X86Builder) => void;

/** Declares one instruction. */
export type Declare = (
  text: string,
  encoding: string,
  lift: Lift,
  options?: InstructionOptions,
) => X86Declaration<X86Builder>;

/** The registers an instruction works on, which decides what can keep it from being executed. */
export type Registers = "xmm" | "mmx" | "both";

const TOP = 0x3800;
/** The x87 status word's summary of unmasked exceptions. */
const ERROR_SUMMARY = 0x80;

/** SDM volume 2, 2.6 and volume 3, 24.25.3: raise what keeps the instruction from being executed; false if it is certain. */
function available(b: X86Builder, registers: Registers): boolean {
  const { mode, ir, i32 } = b;
  if (mode.emulated || (registers !== "mmx" && !mode.sse)) b.undefined();
  else if (mode.taskSwitched) b.raise(Vector.NM);
  else {
    if (registers !== "xmm") b.raiseIf(i32.and(ir.get(X87.status), i32.const(ERROR_SUMMARY)), Vector.MF);
    return true;
  }
  return false;
}

/** Every MMX instruction makes the x87 registers MMX registers: TOP is 0 and all are in use. */
function enterMmx({ ir, i32 }: X86Builder): void {
  ir.set(X87.status, i32.and(ir.get(X87.status), i32.const(~TOP)));
  ir.set(X87.used, i32.const(0xff));
}

/** EMMS: MMX registers are x87 registers again, and free. */
export function leaveMmx(b: X86Builder): void {
  enterMmx(b);
  b.ir.set(X87.used, b.i32.const(0));
}

/** Declares instructions of a CPUID feature on such registers. */
export const simd =
  (feature: string, registers: Registers = "xmm"): Declare =>
  (text, encoding, lift, options = {}) =>
    x86(feature)(
      text,
      encoding,
      (b) => {
        if (!available(b, registers)) return;
        lift(b);
        if (registers !== "xmm") enterMmx(b);
      },
      options,
    );

/** The same where the transition to MMX is the instruction's own business. */
export const simdWithoutEntry =
  (feature: string): Declare =>
  (text, encoding, lift, options = {}) =>
    x86(feature)(text, encoding, (b) => available(b, "mmx") && lift(b), options);

/** The lanes an instruction works on: 0 to 3 for bytes to quadwords. */
export type VectorLanes = Lanes<X86Builder>;

const isMmx = (b: X86Builder, index: number): boolean =>
  b.d.instruction?.operands[index]?.place.startsWith("mmx") === true;

/** Lanes as wide as the register that an operand is. */
export const lanesOf = (b: X86Builder, size: number, index = 0): VectorLanes =>
  new Lanes(b, size, isMmx(b, index) ? 64 : 128);

export const zeroVector = (b: X86Builder): Value => b.ir.v128.const(0, 0, 0, 0);

/** An i64 in the low half of a vector, and zeros. */
const fromLow = (b: X86Builder, low: Value): Value => b.ir.i64x2.replace_lane(zeroVector(b), 0, low);

/** A vector operand: a register, or memory of at most 16 bytes with zeros above. */
export function read(b: X86Builder, index: number): Value {
  const number = b.register(index);
  if (b.isMemory(index)) {
    const bytes = b.bytes(index);
    return bytes === 16 ? b.vector(index, isAligned(b)) : fromLow(b, b.raw(index));
  }
  return isMmx(b, index) ? fromLow(b, b.ir.get(X87.significand[number]!)) : b.ir.get(XMM[number]!);
}

const isAligned = (b: X86Builder): boolean => b.d.instruction?.options.unaligned !== true;

/** The low half of a vector operand. */
export function readLow(b: X86Builder, index: number): Value {
  if (b.isMemory(index) && b.bytes(index) < 16) return b.raw(index);
  if (isMmx(b, index) && !b.isMemory(index)) return b.ir.get(X87.significand[b.register(index)]!);
  return b.ir.i64x2.extract_lane(read(b, index), 0);
}

const EXPONENT_OF_MMX = 0xffff;

/** Write an i64 to a MMX register. */
export function setMmx(b: X86Builder, number: number, value: Value): void {
  b.ir.set(X87.significand[number]!, value);
  b.ir.set(X87.exponent[number]!, b.i32.const(EXPONENT_OF_MMX));
}

/** Write a vector operand: as much of the vector as it has. */
export function write(b: X86Builder, index: number, value: Value): void {
  if (b.isMemory(index) && b.bytes(index) === 16) b.writeVector(index, value, isAligned(b));
  else if (b.isMemory(index)) b.write(index, b.ir.i64x2.extract_lane(value, 0));
  else if (isMmx(b, index)) setMmx(b, b.register(index), b.ir.i64x2.extract_lane(value, 0));
  else b.ir.set(XMM[b.register(index)]!, value);
}

/** Bytes of two vectors by their numbers; from 16 on they are y's. */
export const shuffle = (b: X86Builder, x: Value, y: Value, byteAt: (i: number) => number): Value =>
  b.ir.i8x16.shuffle(
    x,
    y,
    Array.from({ length: 16 }, (_, i) => byteAt(i)),
  );

/** x's low half and y's. */
export const lowHalves = (b: X86Builder, x: Value, y: Value): Value =>
  b.ir.i64x2.replace_lane(x, 1, b.ir.i64x2.extract_lane(y, 0));
