import { wasm } from "@hypercraft/engine";
import { BIAS, EXPONENT, type Frame, giveUpIf, type Operand, SIGN, TOP_BIT } from "./frame.js";

// Memory operands as registers have them.

const { f32, f64, i32, i64, seq, when } = wasm;
type Expr = wasm.Expr;

const DOUBLE_BIAS = 1023;
const [SINGLE_EXPONENT, SINGLE_FRACTION] = [0x7f80_0000, 0x7f_ffff];

/** Where an operand comes from: brings it into `out`, or gives up if it is no normal number, zero or infinite. */
export type Source = (frame: Frame, out: Operand) => Expr;

/** The bits of a double. */
function fromDouble({ f }: Frame, bits: Expr, { word, significand }: Operand): Expr {
  const exponent = f.local("i32");
  return seq(
    exponent.set(i32.and(i32.wrap_i64(i64.shr_u(bits, 52)), 0x7ff)),
    word.set(i32.and(i32.wrap_i64(i64.shr_u(bits, 48)), SIGN)),
    significand.set(i64.shl(bits, 11)),
    when(
      i32.lt_u(i32.sub(exponent, 1), 0x7fe),
      [
        significand.set(i64.or(significand, TOP_BIT)),
        word.set(i32.or(word, i32.add(exponent, BIAS - DOUBLE_BIAS))),
      ],
      [
        // No zero and not infinite: the sign was shifted out.
        giveUpIf(i64.ne(significand, 0)),
        when(exponent, [significand.set(i64.const(TOP_BIT)), word.set(i32.or(word, EXPONENT))]),
      ],
    ),
  );
}

const asDouble = (value: Expr): Expr => i64.reinterpret_f64(value);

export const double: Source = (frame, out) => fromDouble(frame, frame.a, out);

export const single: Source = (frame, out) => {
  const { f } = frame;
  const [bits, wide] = [f.local("i32"), f.local("i64")];
  const noExponent = i32.eqz(i32.and(bits, SINGLE_EXPONENT));
  return seq(
    bits.set(i32.wrap_i64(frame.a)),
    // As doubles, denormal numbers would be normal.
    giveUpIf(i32.and(noExponent, i32.ne(i32.and(bits, SINGLE_FRACTION), 0))),
    wide.set(asDouble(f64.promote_f32(f32.reinterpret_i32(bits)))),
    fromDouble(frame, wide, out),
  );
};

/** An integer as the bits of a double. */
export type Whole = (frame: Frame) => Expr;
export const int32: Whole = ({ a }) => asDouble(f64.convert_i32_s(i32.wrap_i64(a)));
export const int16: Whole = ({ a }) =>
  asDouble(f64.convert_i32_s(i32.shr_s(i32.shl(i32.wrap_i64(a), 16), 16)));

export const int64: Source = ({ f, a }, { word, significand }) => {
  const by = f.local("i64");
  return seq(
    word.set(i32.and(i32.wrap_i64(i64.shr_u(a, 48)), SIGN)),
    significand.set(i64.sub(i64.xor(a, i64.shr_s(a, 63)), i64.shr_s(a, 63))),
    when(i64.ne(a, 0), [
      by.set(i64.clz(significand)),
      significand.set(i64.shl(significand, by)),
      word.set(i32.or(word, i32.sub(BIAS + 63, i32.wrap_i64(by)))),
    ]),
  );
};
