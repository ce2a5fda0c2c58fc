import type { Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { setVector, vector, vectorInstructions } from "./vector-lifter.js";

// PMULL and PMULL2 of doublewords (FEAT_PMULL): products of 128 bits of polynomials over {0, 1}.

const insn = vectorInstructions("PMULL");

/** Every fourth bit. */
const classes = ({ ir }: A64Builder, x: Value): readonly Value[] =>
  [0, 1, 2, 3].map((i) => {
    const mask = (0x11111111 << i) | 0;
    return ir.v128.and(x, ir.v128.const(mask, mask, mask, mask));
  });

/**
 * Products of the two words of one half, 64 bits each. Of factors that have only every fourth bit, integer products have
 * sums of at most 8 in every fourth place, which leave the next of these places alone: their lowest bits are those of the
 * polynomials' product.
 */
function products(b: A64Builder, xs: readonly Value[], ys: readonly Value[], half: "low" | "high"): Value {
  const { v128, i64x2 } = b.ir;
  const sums: Value[] = [];
  for (const [i, x] of xs.entries()) {
    for (const [k, y] of ys.entries()) {
      const product = i64x2[`extmul_${half}_i32x4_u`](x, y);
      const sum = sums[(i + k) % 4];
      sums[(i + k) % 4] = sum === undefined ? product : v128.xor(sum, product);
    }
  }
  return sums.map((sum, i) => classes(b, sum)[i] as Value).reduce((all, some) => v128.or(all, some));
}

function product(b: A64Builder, x: Value, y: Value, half: "low" | "high"): Value {
  const { i8x16, v128 } = b.ir;
  const bytes = (...words: readonly number[]): number[] =>
    words.flatMap((word) => [4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3]);
  const xs = classes(b, x);
  const straight = products(b, xs, classes(b, y), half);
  const crossed = products(b, xs, classes(b, i8x16.shuffle(y, y, bytes(1, 0, 3, 2))), half);
  // Both crossed products count from bit 32 on.
  const middle = v128.xor(crossed, i8x16.shuffle(crossed, crossed, bytes(2, 3, 0, 1)));
  const zero = v128.const(0, 0, 0, 0);
  return v128.xor(straight, i8x16.shuffle(middle, zero, bytes(4, 0, 1, 4)));
}

export const polynomial = [
  insn(
    "0 q:1 0 01110 vsize:2 1 vm:5 1110 00 vn:5 vd:5",
    "pmull{second} doubledD, vn, vm",
    (b, o) => setVector(b, o.vd, product(b, vector(b, o.vn), vector(b, o.vm), o.q === 1 ? "high" : "low")),
    { name: "pmull.d.v", where: "vsize == 3" },
  ),
];
