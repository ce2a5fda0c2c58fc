import type { Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { setArranged, setVector, vector, vectorInstructions, zeroVector } from "./vector-lifter.js";

// Advanced SIMD with one source: two-register miscellaneous (comparisons with zero, ABS, NEG, NOT, CNT, XTN), and the
// shifts that widen or narrow without rounding or saturation (SSHLL, USHLL, SHRN).

const insn = vectorInstructions("AdvSIMD");

const SHAPES = ["i8x16", "i16x8", "i32x4", "i64x2"] as const;
const shapeOf = (b: A64Builder, size: number) => b.ir[SHAPES[size] as "i16x8"];

type Unary = (b: A64Builder, x: Value, size: number) => Value;

const UNARY: readonly (readonly [string, 0 | 1, string, Unary])[] = [
  ["cmgt vd, vn, #0", 0, "01000", (b, x, size) => shapeOf(b, size).gt_s(x, zeroVector(b))],
  ["cmeq vd, vn, #0", 0, "01001", (b, x, size) => shapeOf(b, size).eq(x, zeroVector(b))],
  ["cmlt vd, vn, #0", 0, "01010", (b, x, size) => shapeOf(b, size).lt_s(x, zeroVector(b))],
  ["cmge vd, vn, #0", 1, "01000", (b, x, size) => shapeOf(b, size).ge_s(x, zeroVector(b))],
  ["cmle vd, vn, #0", 1, "01001", (b, x, size) => shapeOf(b, size).le_s(x, zeroVector(b))],
  ["abs vd, vn", 0, "01011", (b, x, size) => shapeOf(b, size).abs(x)],
  ["neg vd, vn", 1, "01011", (b, x, size) => shapeOf(b, size).neg(x)],
];

const unary = UNARY.map(([text, u, opcode, operation]) =>
  insn(
    `0 q:1 ${u} 01110 vsize:2 10000 ${opcode} 10 vn:5 vd:5`,
    text,
    (b, o) => setArranged(b, o.q, o.vd, operation(b, vector(b, o.vn), o.vsize)),
    { name: `${text.split(" ")[0]}${text.endsWith("#0") ? ".zero" : ""}.v`, where: "arranged == 1" },
  ),
);

const bytes = [
  insn(
    "0 q:1 0 01110 00 10000 00101 10 vn:5 vd:5",
    "cnt bytesD, bytesN",
    (b, o) => setArranged(b, o.q, o.vd, b.ir.i8x16.popcnt(vector(b, o.vn))),
    { name: "cnt.v" },
  ),
  insn(
    "0 q:1 1 01110 00 10000 00101 10 vn:5 vd:5",
    "mvn bytesD, bytesN",
    (b, o) => setArranged(b, o.q, o.vd, b.ir.v128.not(vector(b, o.vn))),
    { name: "not.v" },
  ),
];

/** The low halves of lanes of twice the size, in the low or (Q = 1) the high half of the result. */
function narrow(b: A64Builder, q: number, d: number, x: Value, size: number): void {
  const lanes = Array.from({ length: 8 }, (_, i) => ((i >> size) << (size + 1)) + (i % (1 << size)));
  const rest = [16, 17, 18, 19, 20, 21, 22, 23];
  const other = q === 1 ? vector(b, d) : zeroVector(b);
  setVector(b, d, b.ir.i8x16.shuffle(x, other, q === 1 ? [...rest, ...lanes] : [...lanes, ...rest]));
}

/** The lanes of one half, extended to twice the size. */
function widened(b: A64Builder, q: number, x: Value, size: number, sign: "s" | "u"): Value {
  const half = q === 1 ? "high" : "low";
  if (size === 0) return b.ir.i16x8[`extend_${half}_i8x16_${sign}`](x);
  if (size === 1) return b.ir.i32x4[`extend_${half}_i16x8_${sign}`](x);
  return b.ir.i64x2[`extend_${half}_i32x4_${sign}`](x);
}

const sizeOf = (immhb: number): number => 31 - Math.clz32(immhb >> 3);

const resizing = (["0", "1"] as const).flatMap((q) => {
  const second = q === "1" ? "2" : "";
  return [
    insn(
      `0 ${q} 0 01110 vsize:2 10000 10010 10 vn:5 vd:5`,
      `xtn${second} vd, doubledN`,
      (b, o) => narrow(b, Number(q), o.vd, vector(b, o.vn), o.vsize),
      { name: `xtn${second}.v`, where: "vsize != 3" },
    ),
    insn(
      `0 ${q} 0 011110 immhb:7 10000 1 vn:5 vd:5`,
      `shrn${second} shiftD, shiftWideN, rightBy`,
      (b, o) => {
        const size = sizeOf(o.immhb);
        const amount = b.i32.const((16 << size) - o.immhb);
        narrow(b, Number(q), o.vd, shapeOf(b, size + 1).shr_u(vector(b, o.vn), amount), size);
      },
      { name: `shrn${second}.v`, where: "resizable == 1" },
    ),
    ...(["s", "u"] as const).map((sign, u) =>
      insn(
        `0 ${q} ${u} 011110 immhb:7 10100 1 vn:5 vd:5`,
        `${sign}shll${second} shiftWideD, shiftN, leftBy`,
        (b, o) => {
          const size = sizeOf(o.immhb);
          const wide = widened(b, Number(q), vector(b, o.vn), size, sign);
          setVector(b, o.vd, shapeOf(b, size + 1).shl(wide, b.i32.const(o.immhb - (8 << size))));
        },
        {
          name: `${sign}shll${second}.v`,
          where: "resizable == 1",
          aliases: [[`${sign}xtl${second} shiftWideD, shiftN`, "unshifted == 1"]],
        },
      ),
    ),
  ];
});

export const vectorUnary = [...unary, ...bytes, ...resizing];
