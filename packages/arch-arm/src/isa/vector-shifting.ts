import type { Value } from "@hypercraft/engine";
import { type Binary, limited, signedLimit } from "./vector-arithmetic.js";
import type { Lanes } from "./vector-lanes.js";

// Shifts of lanes that round, saturate, narrow, or go by what another register says.

/** Shifted by 1 to all bits, rounded. */
export function roundedRight(l: Lanes, x: Value, amount: number, signed: boolean): Value {
  return halved(l, l.shr(x, amount - 1, signed), signed);
}

/** The last bit of a shift, rounded: no sum needs another bit. */
const halved = (l: Lanes, x: Value, signed: boolean): Value =>
  l.add(l.shr(x, 1, signed), l.and(x, l.constant(1)));

/** What saturating shifts take and give. */
export type Saturation = "signed" | "unsigned" | "signed to unsigned";

/** To the left by a constant, saturated. */
export function saturatedLeft(l: Lanes, x: Value, amount: number, kind: Saturation): Value {
  const shifted = l.shl(x, amount);
  const lost = l.op("ne", l.shr(shifted, amount, kind === "signed"), x);
  if (kind === "signed") return limited(l, lost, signedLimit(l, x), shifted);
  if (kind === "unsigned") return limited(l, lost, l.ones(l.bits), shifted);
  const negative = l.negative(x);
  return limited(l, l.or(lost, negative), l.not(negative), shifted);
}

/** Lanes of twice the size (of `l`'s) so that their low halves are the saturated results. */
export function saturatedForNarrow(l: Lanes, x: Value, kind: Saturation): Value {
  const { wider } = l;
  const sign = wider.negative(x);
  if (kind === "signed") {
    const lost = wider.op("ne", wider.shr(x, l.bits - 1, true), sign);
    return limited(wider, lost, wider.xor(sign, wider.ones(l.bits - 1)), x);
  }
  const lost = wider.op("ne", wider.shr(x, l.bits, false), wider.zero);
  return limited(wider, lost, kind === "unsigned" ? wider.ones(2 * l.bits) : wider.not(sign), x);
}

type Step = (x: Value, amount: number) => Value;

/** Shift by amounts below the bits of a lane, a power of two at a time. */
function byBits(l: Lanes, x: Value, amounts: Value, step: Step): Value {
  let shifted = x;
  for (let k = 0; 1 << k < l.bits; k++) {
    const applies = l.negative(l.shl(amounts, l.bits - 1 - k));
    shifted = l.choose(applies, step(shifted, 1 << k), shifted);
  }
  return shifted;
}

/** Which amounts (0 to 128, unsigned) leave nothing of a lane. */
const tooFar = (l: Lanes, amounts: Value): Value =>
  l.compare("gt", amounts, l.constant(l.bits - 1), l.size > 0);

function leftBy(l: Lanes, x: Value, amounts: Value): Value {
  const shifted = byBits(l, x, amounts, (v, n) => l.shl(v, n));
  return l.andNot(shifted, tooFar(l, amounts));
}

function rightBy(l: Lanes, x: Value, amounts: Value, signed: boolean): Value {
  const shifted = byBits(l, x, amounts, (v, n) => l.shr(v, n, signed));
  const far = tooFar(l, amounts);
  return signed ? l.choose(far, l.negative(x), shifted) : l.andNot(shifted, far);
}

/** Shift by the signed low byte of each lane of the second operand, to the right if it is negative. */
export const byRegister =
  (signed: boolean, rounding: boolean, saturating: boolean): Binary =>
  (l, x, y) => {
    const by = l.shr(l.shl(y, l.bits - 8), l.bits - 8, true);
    const isRight = l.negative(by);
    const left = l.andNot(by, isRight);
    const right = l.op("neg", by);
    const toRight = rounding
      ? halved(l, rightBy(l, x, l.sub(right, l.constant(1)), signed), signed)
      : rightBy(l, x, right, signed);
    const shifted = leftBy(l, x, left);
    if (!saturating) return l.choose(isRight, toRight, shifted);
    // By nothing where it goes to the right, so nothing is lost there.
    const lost = l.op("ne", rightBy(l, shifted, left, signed), x);
    const limit = signed ? signedLimit(l, x) : l.ones(l.bits);
    return l.choose(isRight, toRight, limited(l, lost, limit, shifted));
  };
