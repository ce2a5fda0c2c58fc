import { type Expr, type FunctionBuilder, f64, i32, i64, type Local, ret, seq, when } from "../wasm/index.js";
import { addSlow64 } from "./add.js";
import type { Context } from "./context.js";
import { exponentOf, F64, fromF64, isInfinite, isNormal, isSafe, isZero, signOf, toF64 } from "./format.js";
import { FRACTION, HIDDEN, mulHigh, unpack64 } from "./multiply.js";
import { fusedOperands } from "./nan.js";
import { FLOAT_FLAGS, ROUNDING } from "./policy.js";
import { round, signBits } from "./round.js";
import { roundToOdd, sumError } from "./small.js";

/**
 * Without a fused instruction to lean on: the product as head plus exact rest (by the low 64 bits of the
 * significands' product), then Boldo and Melquiond's sum of three with a rounding to odd in the middle
 * ("Emulation of FMA and correctly rounded sums", 2008). To nearest even only, and where nothing can
 * underflow in the product.
 */
export function fma64(context: Context): FunctionBuilder {
  return context.define("f64.fma", ["i64", "i64", "i64", "i32"], "i64", (f) => {
    const [a, b, c, rm] = [f.arg(0), f.arg(1), f.arg(2), f.arg(3)];
    const [head, rest, addend] = [f.local("f64"), f.local("f64"), f.local("f64")];
    const [middle, middleLost, top, topLost] = [
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
    ];
    const [tail, tailLost, back, sum, sumLost] = [
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
      f.local("f64"),
    ];
    const [bits, r] = [f.local("i64"), f.local("i64")];
    const exponents = f.local("i32");
    const slow = fmaSlow64(context).call(a, b, c, rm);
    const significand = (v: Expr): Expr => i64.or(i64.and(v, FRACTION), HIDDEN);
    const inRange = i32.lt_u(i32.sub(exponents, 1150), 1850);
    // The head's significand stands 52 or 53 bits above the product's lowest.
    const headShift = i64.extend_i32_u(i32.sub(i32.add(exponentOf(F64, bits), F64.bias + 52), exponents));
    const unit = i64.or(
      i64.shl(i64.extend_i32_u(i32.sub(exponents, 1127)), 52),
      i64.and(i64.xor(a, b), F64.sign),
    );
    return [
      ...context.guardDenormals(F64, [a, b, c], slow),
      exponents.set(i32.add(exponentOf(F64, a), exponentOf(F64, b))),
      when(i32.and(i32.and(i32.eqz(rm), inRange), i32.and(isNormal(F64, a), isNormal(F64, b))), [
        bits.set(fromF64(head.tee(f64.mul(toF64(a), toF64(b))))),
        rest.set(
          f64.mul(
            f64.convert_i64_s(
              i64.sub(i64.mul(significand(a), significand(b)), i64.shl(significand(bits), headShift)),
            ),
            toF64(unit),
          ),
        ),
        addend.set(toF64(c)),
        middle.set(f64.add(addend, rest)),
        ...sumError(addend, rest, middle, back, middleLost),
        top.set(f64.add(head, middle)),
        ...sumError(head, middle, top, back, topLost),
        tail.set(f64.add(middleLost, topLost)),
        ...sumError(middleLost, topLost, tail, back, tailLost),
        bits.set(fromF64(tail)),
        roundToOdd(bits, tailLost),
        tail.set(toF64(bits)),
        r.set(fromF64(sum.tee(f64.add(top, tail)))),
        when(isSafe(F64, r), [
          when(i32.and(context.flags, FLOAT_FLAGS.inexact), [ret(r)]),
          ...sumError(top, tail, sum, back, sumLost),
          when(f64.ne(sumLost, 0), [context.raise("inexact"), ret(r)]),
          when(f64.eq(tailLost, 0), [ret(r)]),
        ]),
      ]),
      // Zero times a finite number leaves the addend, or a zero of the right sign.
      when(i32.and(i32.eqz(rm), i32.or(isZero(F64, a), isZero(F64, b))), [
        sum.set(f64.add(f64.mul(toF64(a), toF64(b)), toF64(c))),
        when(f64.eq(sum, sum), [ret(fromF64(sum))]),
      ]),
      slow,
    ];
  });
}

function fmaSlow64(context: Context): FunctionBuilder {
  return context.define("f64.fmaSlow", ["i64", "i64", "i64", "i32"], "i64", (f) => {
    const [a, b, c, rm] = [f.arg(0), f.arg(1), f.arg(2), f.arg(3)];
    const [e, ec, sign] = [f.local("i32"), f.local("i32"), f.local("i32")];
    // The product and the addend as 128-bit numbers.
    const [high, low, highC, lowC] = [f.local("i64"), f.local("i64"), f.local("i64"), f.local("i64")];
    const [product, sum] = [f.local("f64"), f.local("f64")];
    const shift = f.local("i64");
    const opposite = i32.ne(sign, signOf(F64, c));
    const borrow = i64.extend_i32_u(i64.lt_u(low, lowC));
    return [
      ...fusedOperands(context, F64, [a, b, c], product, toF64),
      when(i32.or(isInfinite(F64, a), isInfinite(F64, b)), [
        sum.set(f64.add(product, toF64(c))),
        context.returnInvalid(F64, f64.ne(sum, sum)),
        ...context.noteDenormals(F64, [a, b, c]),
        ret(fromF64(product)),
      ]),
      ...context.noteDenormals(F64, [a, b, c]),
      when(isInfinite(F64, c), [ret(c)]),
      when(i32.or(isZero(F64, a), isZero(F64, b)), [ret(addSlow64(context).call(fromF64(product), c, rm))]),
      sign.set(signOf(F64, i64.xor(a, b))),
      unpack64(a, e, high),
      unpack64(b, ec, highC),
      e.set(i32.sub(i32.add(e, ec), F64.bias - 2)),
      low.set(i64.mul(high.tee(i64.shl(high, 10)), highC.tee(i64.shl(highC, 10)))),
      high.set(mulHigh(context).call(high, highC)),
      // Leading bits: the product's at 60 or 61 of the high half, the addend's at 60.
      when(
        isZero(F64, c),
        [highC.set(0)],
        [
          unpack64(c, ec, highC),
          highC.set(i64.shl(highC, 8)),
          ec.set(i32.add(ec, 2)),
          when(
            i32.gt_s(ec, e),
            [shiftRightJam128(high, low, i32.sub(ec, e), shift), e.set(ec)],
            [when(i32.gt_s(e, ec), [shiftRightJam128(highC, lowC, i32.sub(e, ec), shift)])],
          ),
        ],
      ),
      when(
        i32.and(opposite, i32.eqz(isZero(F64, c))),
        [
          when(i32.or(i64.lt_u(high, highC), i32.and(i64.eq(high, highC), i64.lt_u(low, lowC))), [
            swap(high, highC, shift),
            swap(low, lowC, shift),
            sign.set(i32.xor(sign, 1)),
          ]),
          high.set(i64.sub(i64.sub(high, highC), borrow)),
          low.set(i64.sub(low, lowC)),
          when(i64.eqz(i64.or(high, low)), [ret(signBits(F64, i32.eq(rm, ROUNDING.down)))]),
        ],
        [
          low.set(i64.add(low, lowC)),
          high.set(i64.add(i64.add(high, highC), i64.extend_i32_u(i64.lt_u(low, lowC)))),
        ],
      ),
      // What is left in the low half alone moves up; its lowest bit may have to be sticky then.
      when(i64.eqz(high), [
        high.set(i64.or(i64.shr_u(low, 1), i64.and(low, 1))),
        low.set(0),
        e.set(i32.sub(e, 63)),
      ]),
      shift.set(i64.sub(i64.clz(high), 1)),
      when(i64.ne(shift, 0), [
        high.set(i64.or(i64.shl(high, shift), i64.shr_u(low, i64.sub(64, shift)))),
        low.set(i64.shl(low, shift)),
      ]),
      round(context, F64).call(
        sign,
        i32.sub(e, i32.wrap_i64(shift)),
        i64.or(high, i64.extend_i32_u(i64.ne(low, 0))),
        rm,
      ),
    ];
  });
}

function swap(a: Local, b: Local, spare: Local): Expr {
  return seq(spare.set(a), a.set(b), b.set(spare));
}

/** Statements: high:low >> distance (above 0) with the lost bits jammed into the lowest; `n` is spare. */
function shiftRightJam128(high: Local, low: Local, distance: Expr, n: Local): Expr {
  const jammed = i64.extend_i32_u(i64.ne(low, 0));
  const lost = i64.extend_i32_u(i64.ne(i64.shl(low, i64.sub(64, n)), 0));
  return seq(
    n.set(i64.extend_i32_u(distance)),
    when(i64.gt_u(n, 63), [
      low.set(i64.or(high, jammed)),
      high.set(0),
      n.set(i64.sub(n, 64)),
      when(i64.gt_u(n, 63), [low.set(jammed), n.set(0)]),
    ]),
    when(i64.ne(n, 0), [
      low.set(i64.or(i64.or(i64.shr_u(low, n), i64.shl(high, i64.sub(64, n))), lost)),
      high.set(i64.shr_u(high, n)),
    ]),
  );
}
