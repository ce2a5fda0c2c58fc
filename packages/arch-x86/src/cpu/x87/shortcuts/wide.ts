import { wasm } from "@hypercraft/engine";

// Arithmetic on 128 bits.

const { block, brIf, either, i32, i64, loop, seq, when } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;
type FunctionBuilder = wasm.FunctionBuilder;

const HALF = 32n;
const LOW_HALF = 0xffff_ffffn;

/** A significand with 64 bits behind it, of which the lowest may stand for all below; or any other 128 bits. */
export interface Wide {
  readonly high: Local;
  readonly low: Local;
}

export const newWide = (f: FunctionBuilder): Wide => ({ high: f.local("i64"), low: f.local("i64") });

/** What goes out of a word that is shifted right by the low six bits of `by`: where the word behind it has it. */
const shiftedOut = (value: Expr, by: Expr): Expr => i64.shl(i64.shl(value, 1), i64.xor(i64.and(by, 63), 63));

/** A significand shifted right by any distance. */
export function align(f: FunctionBuilder, significand: Local, distance: Local, { high, low }: Wide): Expr {
  const by = f.local("i64");
  const lost = i64.extend_i32_u(i64.ne(shiftedOut(significand, by), 0));
  return seq(
    by.set(i64.extend_i32_u(distance)),
    when(
      i32.lt_u(distance, 64),
      [high.set(i64.shr_u(significand, by)), low.set(shiftedOut(significand, by))],
      [
        high.set(i64.const(0)),
        low.set(
          either(
            "i64",
            i32.lt_u(distance, 128),
            [i64.or(i64.shr_u(significand, by), lost)],
            [i64.extend_i32_u(i64.ne(significand, 0))],
          ),
        ),
      ],
    ),
  );
}

/** Shift left until the highest bit is set; it is not zero. */
export function normalize(f: FunctionBuilder, { high, low }: Wide, exponent: Local): Expr {
  const by = f.local("i64");
  return seq(
    when(i64.eqz(high), [high.set(low), low.set(i64.const(0)), exponent.set(i32.sub(exponent, 64))]),
    by.set(i64.clz(high)),
    high.set(i64.or(i64.shl(high, by), i64.shr_u(i64.shr_u(low, 1), i64.xor(by, 63)))),
    low.set(i64.shl(low, by)),
    exponent.set(i32.sub(exponent, i32.wrap_i64(by))),
  );
}

/** All 128 bits of x * y. */
export function multiplyWide(f: FunctionBuilder, x: Expr, y: Expr, { high, low }: Wide): Expr {
  const [a, b, c, d] = [f.local("i64"), f.local("i64"), f.local("i64"), f.local("i64")];
  const [lower, upper] = [(v: Expr) => i64.and(v, LOW_HALF), (v: Expr) => i64.shr_u(v, HALF)];
  return seq(
    a.set(i64.mul(lower(x), lower(y))),
    b.set(i64.mul(lower(x), upper(y))),
    c.set(i64.mul(upper(x), lower(y))),
    d.set(i64.add(i64.add(upper(a), lower(b)), lower(c))),
    high.set(i64.add(i64.add(i64.mul(upper(x), upper(y)), upper(d)), i64.add(upper(b), upper(c)))),
    low.set(i64.or(i64.shl(d, HALF), lower(a))),
  );
}

/**
 * One 32-bit digit of a quotient: `rest` * 2^32 + `next` divided by a divisor with its highest bit set, of which `rest`
 * is less. Leaves the new rest. (Knuth, volume 2, 4.3.1, algorithm D.)
 */
function digit(f: FunctionBuilder, divisor: Local, rest: Local, next: Expr, quotient: Local): Expr {
  const remainder = f.local("i64");
  const upper = i64.shr_u(divisor, HALF);
  const lower = i64.and(divisor, LOW_HALF);
  return seq(
    quotient.set(i64.div_u(rest, upper)),
    remainder.set(i64.sub(rest, i64.mul(quotient, upper))),
    block((right) => [
      loop((again) => [
        brIf(
          right,
          i32.and(
            i64.le_u(quotient, LOW_HALF),
            i64.le_u(i64.mul(quotient, lower), i64.or(i64.shl(remainder, HALF), next)),
          ),
        ),
        quotient.set(i64.sub(quotient, 1)),
        remainder.set(i64.add(remainder, upper)),
        brIf(again, i64.le_u(remainder, LOW_HALF)),
      ]),
    ]),
    rest.set(i64.sub(i64.or(i64.shl(rest, HALF), next), i64.mul(quotient, divisor))),
  );
}

/**
 * The quotient of 128 bits by 64, whose highest bit is set; the upper half of the dividend is less, and becomes the rest.
 */
export function divide(f: FunctionBuilder, { high, low }: Wide, divisor: Local, quotient: Local): Expr {
  const other = f.local("i64");
  return seq(
    digit(f, divisor, high, i64.shr_u(low, HALF), quotient),
    digit(f, divisor, high, i64.and(low, LOW_HALF), other),
    quotient.set(i64.or(i64.shl(quotient, HALF), other)),
  );
}

/** a < b, without a sign. */
export const isLessWide = (a: Wide, b: Wide): Expr =>
  i32.or(i64.lt_u(a.high, b.high), i32.and(i64.eq(a.high, b.high), i64.lt_u(a.low, b.low)));
export const isZeroWide = ({ high, low }: Wide): Expr => i64.eqz(i64.or(high, low));

export const setWide = (to: Wide, high: Expr, low: Expr): Expr => seq(to.high.set(high), to.low.set(low));
export const copy = (to: Wide, from: Wide): Expr => setWide(to, from.high, from.low);

/** A constant of 128 bits. */
export const setConstant = (to: Wide, value: bigint): Expr =>
  setWide(to, i64.const(BigInt.asIntN(64, value >> 64n)), i64.const(BigInt.asIntN(64, value)));

/** `to` += `value`; they are not the same. */
export const addTo = (to: Wide, value: Wide): Expr =>
  seq(
    to.low.set(i64.add(to.low, value.low)),
    to.high.set(i64.add(i64.add(to.high, value.high), i64.extend_i32_u(i64.lt_u(to.low, value.low)))),
  );

/** `to` = `from` - `value`; `to` may be either. */
export const setDifference = (to: Wide, from: Wide, value: Wide): Expr =>
  seq(
    to.high.set(i64.sub(i64.sub(from.high, value.high), i64.extend_i32_u(i64.lt_u(from.low, value.low)))),
    to.low.set(i64.sub(from.low, value.low)),
  );

/** `to` = 0 - `to`. */
export const negate = ({ high, low }: Wide): Expr =>
  seq(low.set(i64.sub(0, low)), high.set(i64.sub(i64.sub(0, high), i64.extend_i32_u(i64.ne(low, 0)))));

/** Shift by a constant, 1 to 63. */
export const shiftRight = ({ high, low }: Wide, by: number): Expr =>
  seq(low.set(i64.or(i64.shr_u(low, by), i64.shl(high, 64 - by))), high.set(i64.shr_u(high, by)));
export const shiftLeft = ({ high, low }: Wide, by: number): Expr =>
  seq(high.set(i64.or(i64.shl(high, by), i64.shr_u(low, 64 - by))), low.set(i64.shl(low, by)));

/** Shift right by 0 to 127, an i64. */
export function shiftRightBy({ high, low }: Wide, by: Expr): Expr {
  return when(
    i64.lt_u(by, 64),
    [low.set(i64.or(i64.shr_u(low, by), shiftedOut(high, by))), high.set(i64.shr_u(high, by))],
    [low.set(i64.shr_u(high, by)), high.set(i64.const(0))],
  );
}
