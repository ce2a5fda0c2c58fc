import type { Value } from "@hypercraft/engine";
import type { Unary } from "./vector-arithmetic.js";
import type { Lanes } from "./vector-lanes.js";

// URECPE and URSQRTE: estimates of 8 bits for fixed-point numbers below 1, as the Arm ARM's functions RecipEstimate and
// RecipSqrtEstimate compute them. Numbers too small for a result are given as all ones.

/** Nine bits of a result, below the point. */
const placed = (l: Lanes, estimate: Value): Value => l.shl(estimate, 23);

export const reciprocalEstimate: Unary = (l, x) => {
  const { i32, ir } = l.b;
  // The midpoint of 256 to 511 in halves: 2^19 divided by it, halved and rounded.
  const odd = l.or(l.shl(l.shr(x, 23, false), 1), l.constant(1));
  let quotients = odd;
  for (let i = 0; i < 4; i++) {
    const quotient = i32.div_u(i32.const(1 << 19), ir.i32x4.extract_lane(odd, i));
    quotients = ir.i32x4.replace_lane(quotients, i, quotient);
  }
  const estimate = l.shr(l.add(quotients, l.constant(1)), 1, false);
  return l.choose(l.negative(x), placed(l, estimate), l.ones(l.bits));
};

export const reciprocalRootEstimate: Unary = (l, x) => {
  const top = l.shr(x, 23, false);
  // 128 to 255 stand for a quarter to a half, 256 to 511 for the rest: midpoints in 1/1024.
  const small = l.add(l.add(top, top), l.constant(1));
  const large = l.add(l.andNot(top, l.constant(1)), l.constant(1));
  const a = l.choose(l.negative(x), l.add(large, large), small);
  // The largest root from 512 on for which a * root^2 is below 2^28, bit by bit.
  let root = l.constant(512);
  for (let step = 256; step >= 1; step /= 2) {
    const more = l.add(root, l.constant(step));
    const product = l.op("mul", a, l.op("mul", more, more));
    root = l.choose(l.op("lt_u", product, l.constant(1 << 28)), more, root);
  }
  const estimate = l.shr(l.add(root, l.constant(1)), 1, false);
  const tooSmall = l.op("eq", l.shr(x, 30, false), l.zero);
  return l.or(tooSmall, placed(l, estimate));
};
