import type { Value } from "@hypercraft/engine";
import { arrangedLanes, type Lanes, scalarLane } from "./vector-lanes.js";
import { setLow64, type VectorFields, vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD across lanes, and scalar pairwise: one number of all lanes.

const insn = vectorInstructions("AdvSIMD");

/** Combine all lanes of the lowest `bytes` bytes in the lowest lane. */
function reduced(l: Lanes, name: string, x: Value, bytes: number): Value {
  let all = x;
  for (let step = bytes / 2; step >= 1 << l.size; step /= 2) {
    const upper = Array.from({ length: 16 }, (_, i) => (i + step) & 15);
    all = l.op(name, all, l.b.ir.i8x16.shuffle(all, all, upper));
  }
  return all;
}

/** Mnemonic, U, opcode, operation of the lanes. */
const ACROSS = [
  ["smaxv", 0, "01010", "max_s"],
  ["umaxv", 1, "01010", "max_u"],
  ["sminv", 0, "11010", "min_s"],
  ["uminv", 1, "11010", "min_u"],
  ["addv", 0, "11011", "add"],
] as const;

const across = ACROSS.map(([name, u, opcode, operation]) =>
  insn(
    `0 q:1 ${u} 01110 vsize:2 11000 ${opcode} 10 vn:5 vd:5`,
    `${name} scalarD, vn`,
    (b, o) => {
      const l = scalarLane(b, o.vsize);
      l.set(o.vd, reduced(l, operation, vector(b, o.vn), 8 << o.q));
    },
    { name: `${name}.v`, where: "severalLanes == 1" },
  ),
);

/** The sum with twice the bits of a lane. */
function longSum(b: Lanes["b"], o: VectorFields, signed: boolean): void {
  const l = arrangedLanes(b, o.vsize, o.q);
  const pairs = l.pairSums(l.cut(vector(b, o.vn)), signed);
  const result = scalarLane(b, o.vsize + 1);
  result.set(o.vd, reduced(result, "add", pairs, 8 << o.q));
}

const long = (["s", "u"] as const).map((sign, u) =>
  insn(
    `0 q:1 ${u} 01110 vsize:2 11000 00011 10 vn:5 vd:5`,
    `${sign}addlv longScalarD, vn`,
    (b, o) => longSum(b, o, sign === "s"),
    { name: `${sign}addlv.v`, where: "severalLanes == 1" },
  ),
);

const pair = insn(
  "01 0 11110 11 11000 11011 10 vn:5 vd:5",
  "addp doubleD, pairN",
  (b, o) => {
    const { i64x2 } = b.ir;
    const x = vector(b, o.vn);
    setLow64(b, o.vd, b.i64.add(i64x2.extract_lane(x, 0), i64x2.extract_lane(x, 1)));
  },
  { name: "addp.scalar.v" },
);

export const vectorAcross = [...across, ...long, pair];
