import type { Prng } from "../index.js";

// What random programs of all architectures start from.

/** `first` to `last`, in steps. */
export const range = (first: number, last: number, step = 1): number[] =>
  Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step);

/** Numbers at which something changes in some size, in the lower half and in the upper one, and what they are negated. */
const CORNERS = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
].flatMap((v) => [v, BigInt.asUintN(64, -v), BigInt.asUintN(64, v << 32n), BigInt.asUintN(64, ~v << 31n)]);

/** An unsigned 64-bit value: a corner, a small number of either sign, a word, or anything. */
export function integerValue(prng: Prng): bigint {
  switch (prng.below(4)) {
    case 0:
      return prng.pick(CORNERS);
    case 1:
      return BigInt.asUintN(64, BigInt(prng.below(200) - 100));
    case 2:
      return BigInt.asUintN(64, BigInt(prng.bits()));
    default:
      return prng.bits64();
  }
}
