import { wasm } from "@hypercraft/engine";
import { X87 } from "../../state.js";
import { BIAS, DONE, exponentOf, type Frame, giveUpIf, isZero, type Operand, SIGN } from "./frame.js";
import { isInexact, raisedBy, upToInteger } from "./rounding.js";
import { align, newWide, type Wide } from "./wide.js";

// Stores of ST(0): one function gives the value (X87.result) and notes in X87.storing what the other does when memory
// has it. Nothing else changes before.

const { i32, i64, seq, when } = wasm;
type Expr = wasm.Expr;

/** Bit of X87.storing: a shortcut has given the value. Above it is what is raised, in the status word's places. */
const STORING = 1;

/** Give what is to be stored. */
function give(frame: Frame, value: Expr, raised: Expr | number): Expr {
  return seq(frame.set64(X87.result, value), frame.set32(X87.storing, i32.or(raised, STORING)), DONE);
}

/** It is stored. */
export function stored(frame: Frame): Expr {
  const storing = frame.f.local("i32");
  return seq(
    storing.set(frame.get32(X87.storing)),
    giveUpIf(i32.eqz(storing)),
    frame.set32(X87.storing, 0),
    frame.finish(i32.xor(storing, STORING)),
  );
}

export function storeExtended(frame: Frame): Expr {
  const x = frame.operand();
  return seq(
    frame.readTop(frame.f.local("i32"), x),
    frame.set64(X87.resultHigh, i64.extend_i32_u(x.word)),
    give(frame, x.significand, 0),
  );
}

/** A single or double: bits that it has less than a register, the largest exponent, bits of the fraction. */
interface Narrow {
  readonly drop: bigint;
  readonly largest: number;
  readonly fraction: bigint;
}
export const SINGLE: Narrow = { drop: 40n, largest: 0xfe, fraction: 23n };
export const DOUBLE: Narrow = { drop: 11n, largest: 0x7fe, fraction: 52n };

export const storeFloat =
  ({ drop, largest, fraction }: Narrow) =>
  (frame: Frame): Expr => {
    const { f } = frame;
    const x = frame.operand();
    const [control, exponent] = [f.local("i32"), f.local("i32")];
    const [up, sign] = [f.local("i64"), f.local("i64")];
    const wide = newWide(frame.f);
    const { high, low } = wide;
    const bias = BIAS - (largest >> 1);
    return seq(
      frame.readTop(f.local("i32"), x),
      frame.requireOrdered(x),
      sign.set(i64.shl(i64.extend_i32_u(i32.shr_u(x.word, 15)), fraction === 52n ? 63 : 31)),
      when(isZero(x), [give(frame, sign, 0)]),
      when(frame.isInfinite(x), [give(frame, i64.or(sign, BigInt(largest + 1) << fraction), 0)]),
      control.set(frame.get32(X87.control)),
      frame.requireMasks(control),
      exponent.set(i32.sub(exponentOf(x), bias)),
      high.set(i64.shr_u(x.significand, drop)),
      low.set(i64.shl(x.significand, 64n - drop)),
      up.set(upToInteger(i32.and(control, 0xc00), i32.shr_u(x.word, 15), wide)),
      high.set(i64.add(high, up)),
      when(i32.wrap_i64(i64.shr_u(high, fraction + 1n)), [
        high.set(i64.shr_u(high, 1)),
        exponent.set(i32.add(exponent, 1)),
      ]),
      giveUpIf(i32.ge_u(i32.sub(exponent, 1), largest)),
      // The integer bit counts as one in the exponent.
      give(
        frame,
        i64.or(sign, i64.add(i64.shl(i64.extend_i32_u(i32.sub(exponent, 1)), fraction), high)),
        raisedBy(isInexact(wide), up),
      ),
    );
  };

/** The magnitude of a normal number or zero as an integer: `wide.high`, with what was cut off behind it. */
function toInteger({ f }: Frame, x: Operand, wide: Wide): Expr {
  const behindPoint = f.local("i32");
  return seq(behindPoint.set(i32.sub(BIAS + 63, exponentOf(x))), align(f, x.significand, behindPoint, wide));
}

/** Control word by which is rounded: to zero, or the unit's. */
const controlOf = (frame: Frame, truncate: boolean): Expr =>
  truncate ? i32.const(0xc00) : i32.and(frame.get32(X87.control), 0xc00);

/** An integer of some bits. */
export const storeInteger =
  (bits: 16 | 32 | 64, truncate: boolean) =>
  (frame: Frame): Expr => {
    const { f } = frame;
    const x = frame.operand();
    const wide = newWide(frame.f);
    const [up, sign] = [f.local("i64"), f.local("i64")];
    const negative = i32.shr_u(x.word, 15);
    const largest = (1n << BigInt(bits - 1)) - 1n;
    return seq(
      frame.readTop(f.local("i32"), x),
      frame.requireUsual(x),
      frame.requireMasks(frame.get32(X87.control)),
      giveUpIf(i32.gt_u(exponentOf(x), BIAS + 63)),
      toInteger(frame, x, wide),
      up.set(upToInteger(controlOf(frame, truncate), negative, wide)),
      wide.high.set(i64.add(wide.high, up)),
      sign.set(i64.extend_i32_u(negative)),
      giveUpIf(i64.gt_u(wide.high, i64.add(sign, largest))),
      give(
        frame,
        i64.and(i64.sub(i64.xor(wide.high, i64.sub(0, sign)), i64.sub(0, sign)), 2n * largest + 1n),
        raisedBy(isInexact(wide), up),
      ),
    );
  };

/** FRNDINT. */
export function roundToInteger(frame: Frame): Expr {
  const { f } = frame;
  const place = f.local("i32");
  const x = frame.operand();
  const wide = newWide(frame.f);
  const [up, by] = [f.local("i64"), f.local("i64")];
  const sign = i32.and(x.word, SIGN);
  const raised = raisedBy(isInexact(wide), up);
  const exponent = i32.sub(BIAS + 63, i32.wrap_i64(by));
  return seq(
    frame.readTop(place, x),
    frame.requireUsual(x),
    when(i32.or(isZero(x), i32.ge_u(exponentOf(x), BIAS + 63)), [frame.finish(0)]),
    frame.requireMasks(frame.get32(X87.control)),
    toInteger(frame, x, wide),
    up.set(upToInteger(controlOf(frame, false), i32.shr_u(x.word, 15), wide)),
    wide.high.set(i64.add(wide.high, up)),
    when(i64.eqz(wide.high), [frame.write(place, sign, i64.const(0)), frame.finish(raised)]),
    by.set(i64.clz(wide.high)),
    frame.write(place, i32.or(sign, exponent), i64.shl(wide.high, by)),
    frame.finish(raised),
  );
}
