import { FLOAT_MODES, floatEnvironment, ROUNDING, type SoftName, type Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { XMM, x86Layout } from "../cpu/state.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import type { X86Builder } from "./lifter.js";
import { type Registers, simd, zeroVector } from "./vector-lifter.js";

// What the floating-point instructions of SSE share: numbers in lanes, arithmetic under MXCSR, and its exceptions.

export type Float = "f32" | "f64";

/** MXCSR.RC: nearest, down, up, zero. */
const ROUNDINGS = [ROUNDING.nearestEven, ROUNDING.down, ROUNDING.up, ROUNDING.towardZero] as const;

/** Arithmetic of one instruction, as MXCSR says. */
export class FloatUnit {
  readonly b: X86Builder;

  /** The flags from before this step, an i32. */
  private before: Value | null = null;

  constructor(b: X86Builder) {
    this.b = b;
  }

  /**
   * Begin a step of the instruction. Where some exceptions are not masked, the flags of each step alone tell whether the
   * instruction faults there.
   */
  begin(): void {
    const { ir, i32, mode } = this.b;
    if (!mode.unmasked) return;
    this.before = ir.get(x86Layout.fpFlags);
    ir.set(x86Layout.fpFlags, i32.const(0));
  }

  /** End it: fault, or go on. */
  end(): void {
    const { ir, i64 } = this.b;
    if (this.before !== null) ir.call(Helper.simdExceptions, 0, i64.extend_i32_u(this.before));
  }

  /** A function of the engine on numbers of a format. */
  op(f: Float, name: string, ...args: readonly Value[]): Value {
    return this.rounded(this.b.mode.rounding, f, name, ...args);
  }

  /** The same with another rounding control. */
  rounded(control: number, f: Float, name: string, ...args: readonly Value[]): Value {
    const { ir, mode } = this.b;
    const flushes = mode.flushToZero ? FLOAT_MODES.flushResults : 0;
    const zeros = mode.denormalsAreZero ? FLOAT_MODES.flushInputs : 0;
    const overflow = mode.trapOverflow ? FLOAT_MODES.trapOverflow : 0;
    const underflow = mode.trapUnderflow ? FLOAT_MODES.trapUnderflow : 0;
    const modes = flushes | zeros | overflow | underflow;
    const environment = floatEnvironment(ROUNDINGS[control & 3] as number, modes);
    return ir.fp(`${f}.${name}` as SoftName, environment, ...args);
  }
}

/** An instruction in the steps that exceptions ask for. */
export interface FloatSteps<T, R> {
  /** Read the operands: whatever can fault. */
  readonly read: (b: X86Builder) => T;
  /** Compute, which raises flags. */
  readonly compute: (unit: FloatUnit, operands: T) => R;
  /** Write registers. */
  readonly write: (b: X86Builder, result: R) => void;
}

function lift<T, R>(b: X86Builder, { read, compute, write }: FloatSteps<T, R>): void {
  const operands = read(b);
  const unit = new FloatUnit(b);
  unit.begin();
  const result = compute(unit, operands);
  unit.end();
  write(b, result);
}

/** Declares floating-point instructions of a CPUID feature. */
export const floats =
  (feature: string, registers: Registers = "xmm") =>
  <T, R>(
    text: string,
    encoding: string,
    steps: FloatSteps<T, R>,
    options?: InstructionOptions,
  ): X86Declaration<X86Builder> =>
    simd(feature, registers)(text, encoding, (b) => lift(b, steps), options);

// Numbers in lanes

export const laneOf = (b: X86Builder, f: Float, x: Value, index: number): Value =>
  f === "f64" ? b.ir.i64x2.extract_lane(x, index) : b.ir.i32x4.extract_lane(x, index);

const withLane = (b: X86Builder, f: Float, x: Value, index: number, value: Value): Value =>
  f === "f64" ? b.ir.i64x2.replace_lane(x, index, value) : b.ir.i32x4.replace_lane(x, index, value);

/** A vector made lane by lane; the others are those of `rest`, or zero. */
export function makeLanes(
  b: X86Builder,
  f: Float,
  count: number,
  lane: (index: number) => Value,
  rest = zeroVector(b),
): Value {
  let all = rest;
  for (let i = 0; i < count; i++) all = withLane(b, f, all, i, lane(i));
  return all;
}

export const laneCount = (f: Float): number => (f === "f64" ? 2 : 4);

/** A scalar operand: the lowest lane, or memory. */
export function readScalar(b: X86Builder, f: Float, index: number): Value {
  if (!b.isMemory(index)) return laneOf(b, f, b.ir.get(XMM[b.register(index)]!), 0);
  const bits = b.raw(index);
  return f === "f64" ? bits : b.i32.wrap_i64(bits);
}

/** Write the lowest lane of an XMM register, the first operand; the rest stays. */
export function writeScalar(b: X86Builder, f: Float, value: Value): void {
  const field = XMM[b.register(0)]!;
  b.ir.set(field, withLane(b, f, b.ir.get(field), 0, value));
}

/** An i32 of 0 or 1 as a lane of zeros or ones. */
export const maskOf = ({ i32, i64 }: X86Builder, f: Float, condition: Value): Value =>
  f === "f64" ? i64.sub(i64.const(0), i64.extend_i32_u(condition)) : i32.sub(i32.const(0), condition);
