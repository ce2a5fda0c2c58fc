import type { Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { setArranged, vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD shifts by an immediate that neither round nor saturate: SHL, SSHR, USHR, SSRA, USRA.

const insn = vectorInstructions("AdvSIMD");

const SHAPES = ["i8x16", "i16x8", "i32x4", "i64x2"] as const;
const shapeOf = (b: A64Builder, size: number) => b.ir[SHAPES[size] as "i16x8"];

/** immh:immb is 8 << size plus the amount to the left, or twice that less the amount to the right. */
const sizeOf = (immhb: number): number => 31 - Math.clz32(immhb >> 3);
const leftOf = (immhb: number): number => immhb - (8 << sizeOf(immhb));
const rightOf = (immhb: number): number => (16 << sizeOf(immhb)) - immhb;

/** A shift by the size of a lane leaves its sign or nothing. */
function right(b: A64Builder, x: Value, immhb: number, signed: boolean): Value {
  const [shape, bits, amount] = [shapeOf(b, sizeOf(immhb)), 8 << sizeOf(immhb), rightOf(immhb)];
  if (signed) return shape.shr_s(x, b.i32.const(Math.min(amount, bits - 1)));
  return amount === bits ? b.ir.v128.const(0, 0, 0, 0) : shape.shr_u(x, b.i32.const(amount));
}

const rights = (["0", "1"] as const).flatMap((u) => [
  insn(
    `0 q:1 ${u} 011110 immhb:7 00000 1 vn:5 vd:5`,
    `${u === "0" ? "s" : "u"}shr shiftD, shiftN, rightBy`,
    (b, o) => setArranged(b, o.q, o.vd, right(b, vector(b, o.vn), o.immhb, u === "0")),
    { name: `${u === "0" ? "s" : "u"}shr.v`, where: "shiftShape == 1" },
  ),
  insn(
    `0 q:1 ${u} 011110 immhb:7 00010 1 vn:5 vd:5`,
    `${u === "0" ? "s" : "u"}sra shiftD, shiftN, rightBy`,
    (b, o) => {
      const shifted = right(b, vector(b, o.vn), o.immhb, u === "0");
      setArranged(b, o.q, o.vd, shapeOf(b, sizeOf(o.immhb)).add(vector(b, o.vd), shifted));
    },
    { name: `${u === "0" ? "s" : "u"}sra.v`, where: "shiftShape == 1" },
  ),
]);

const left = insn(
  "0 q:1 0 011110 immhb:7 01010 1 vn:5 vd:5",
  "shl shiftD, shiftN, leftBy",
  (b, o) => {
    const shifted = shapeOf(b, sizeOf(o.immhb)).shl(vector(b, o.vn), b.i32.const(leftOf(o.immhb)));
    setArranged(b, o.q, o.vd, shifted);
  },
  { name: "shl.v", where: "shiftShape == 1" },
);

export const vectorShift = [...rights, left];
