import { type Expr, expr, f32, f64, i32, i64 } from "../wasm/index.js";
import { VECTOR, VECTOR_PREFIX } from "../wasm/opcodes.js";
import { type Fast, type FastWriter, type Float, requireNormal, type Variable } from "./float-writer.js";

// a * b + c with one rounding: by the host's own instruction where `hostFuses`, or by doubles.

/** Splits a double into halves of 26 bits (Veltkamp, 1968). */
const SPLITTER = 2 ** 27 + 1;
/** A good deal more than the error of one rounding. */
const MARGIN = 2 ** -50;

/**
 * The product is p + e exactly (Dekker, 1971), the sum p + c is s + t exactly (Knuth), so the result is s + t + e
 * rounded. t + e is known up to one rounding, d; if s + d(1 - m) and s + d(1 + m) round to the same number,
 * that is it (Ziv's test), because rounding is monotonic. Where it fails, half way cases for one, and where s
 * all but cancels, is for the exact function.
 *
 * Overflow on the way makes infinities and then NaNs, which fail. Underflow errs by a few units of the
 * smallest subnormal, which is nothing for a result above 2^-959: either d is large enough for the margin to
 * contain it, or both d and what it should be are too small to change s.
 */
export const fusedDouble: Pick<Fast, "write" | "rescue"> = {
  write: writeDouble,
  /** Zero times a finite number leaves the addend, or a zero of the right sign. */
  rescue(f) {
    const [a, b, c] = f.args as [Variable, Variable, Variable];
    f.set(f.result, f64.add(f64.mul(a, b), c));
    f.accept(i32.and(i32.or(f64.eq(a, 0), f64.eq(b, 0)), f64.eq(f.result, f.result)));
  },
};

/** The relaxed multiply-add of WebAssembly's vectors, which rounds once or twice, always the same on one host. */
export function relaxedMultiplyAdd(format: Float, operands: readonly Expr[]): Expr {
  const shape = format === "f32" ? "f32x4" : "f64x2";
  return expr(format, (sink) => {
    const vector = (name: keyof typeof VECTOR): void => {
      sink.out.u8(VECTOR_PREFIX);
      sink.out.u32(VECTOR[name][0]);
    };
    for (const operand of operands) {
      operand.write(sink);
      vector(`${shape}.splat`);
    }
    vector(`${shape}.relaxed_madd`);
    vector(`${shape}.extract_lane`);
    sink.out.u8(0);
  });
}

/** For hosts whose relaxed multiply-add rounds once. */
export function fusedByHost(format: Float): Pick<Fast, "write" | "rescue"> {
  return {
    ...(format === "f64" ? fusedDouble : fusedSingle),
    write(f) {
      f.set(f.result, relaxedMultiplyAdd(format, f.args));
      requireNormal(f, format);
    },
  };
}

function writeDouble(f: FastWriter): void {
  const [a, b, c] = f.args as [Variable, Variable, Variable];
  const { result } = f;
  const define = (value: Expr): Variable => {
    const v = f.scratch();
    f.set(v, value);
    return v;
  };
  const split = (x: Variable): [Variable, Variable] => {
    const scaled = define(f64.mul(x, SPLITTER));
    const high = define(f64.sub(scaled, f64.sub(scaled, x)));
    return [high, define(f64.sub(x, high))];
  };
  const p = define(f64.mul(a, b));
  const [ah, al] = split(a);
  const [bh, bl] = a.index === b.index ? [ah, al] : split(b);
  const high = f64.sub(f64.mul(ah, bh), p);
  const middle = f64.add(f64.add(high, f64.mul(ah, bl)), f64.mul(al, bh));
  const e = define(f64.add(middle, f64.mul(al, bl)));
  const s = define(f64.add(p, c));
  const back = define(f64.sub(s, p));
  const t = f64.add(f64.sub(p, f64.sub(s, back)), f64.sub(c, back));
  const d = define(f64.add(t, e));
  f.set(result, f64.add(s, d));
  f.require(f64.eq(f64.add(s, f64.mul(d, 1 - MARGIN)), f64.add(s, f64.mul(d, 1 + MARGIN))));
  requireNormal(f, "f64");
}

/**
 * The product of two singles is exact as a double. The sum is rounded to a double first; a second rounding
 * goes wrong only if the first one ended exactly half way between two singles.
 */
export const fusedSingle: Pick<Fast, "write" | "rescue"> = {
  write(f) {
    const sum = f.scratch();
    f.set(sum, sumOfSingles(f));
    f.set(f.result, f32.demote_f64(sum));
    f.require(i32.ne(i32.and(i32.wrap_i64(i64.reinterpret_f64(sum)), 0x1fffffff), 0x10000000));
    requireNormal(f, "f32");
  },
  /** It cancels, or zero was multiplied. */
  rescue(f) {
    const sum = f.scratch();
    f.set(sum, sumOfSingles(f));
    f.set(f.result, f32.demote_f64(sum));
    f.accept(f64.eq(sum, 0));
  },
};

function sumOfSingles(f: FastWriter): Expr {
  const [a, b, c] = f.args as [Variable, Variable, Variable];
  return f64.add(f64.mul(f64.promote_f32(a), f64.promote_f32(b)), f64.promote_f32(c));
}
