import type { Value } from "@hypercraft/engine";
import { arrangedLanes } from "./vector-lanes.js";
import { setLow64, type VectorFields, vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD modified immediate: MOVI, MVNI, ORR, BIC with a byte that is repeated, shifted, shifted with ones behind
// it, or whose bits are the bytes of a doubleword.

const insn = vectorInstructions("AdvSIMD");

type Immediate = Pick<VectorFields, "immHigh" | "immLow">;
const byteOf = (o: Immediate): number => (o.immHigh << 5) | o.immLow;

const USES = [
  ["movi", "0", "0"],
  ["mvni", "1", "0"],
  ["orr", "0", "1"],
  ["bic", "1", "1"],
] as const;

/** Size of the lanes, cmode less its lowest bit, name of the shift (in bytes), destination. */
const SHIFTED = [
  [2, "0 immShift:2", "wordsD"],
  [1, "10 immShift:1", "halvesD"],
] as const;

const shifted = SHIFTED.flatMap(([size, cmode, destination]) =>
  USES.map(([name, op, combines]) =>
    insn(
      `0 q:1 ${op} 0111100000 immHigh:3 ${cmode} ${combines} 01 immLow:5 vd:5`,
      `${name} ${destination}, immByte, immShift`,
      (b, o) => {
        const l = arrangedLanes(b, size, o.q);
        const number = byteOf(o) << (8 * o.immShift);
        const immediate = l.constant(name === "mvni" ? ~number : number);
        const combined = (d: Value) => (name === "orr" ? l.or(d, immediate) : l.andNot(d, immediate));
        l.set(o.vd, combines === "1" ? combined(vector(b, o.vd)) : immediate);
      },
      { name: `${name}.${destination}.v` },
    ),
  ),
);

/** Ones are shifted in (MSL). */
const filled = (["movi", "mvni"] as const).map((name, op) =>
  insn(
    `0 q:1 ${op} 0111100000 immHigh:3 110 immShift:1 01 immLow:5 vd:5`,
    `${name} wordsD, immByte, immFill`,
    (b, o) => {
      const l = arrangedLanes(b, 2, o.q);
      const amount = 8 << o.immShift;
      const number = (byteOf(o) << amount) | (2 ** amount - 1);
      l.set(o.vd, l.constant(op === 0 ? number : ~number));
    },
    { name: `${name}.msl.v` },
  ),
);

const bytes = insn(
  "0 q:1 0 0111100000 immHigh:3 1110 01 immLow:5 vd:5",
  "movi bytesD, immByte",
  (b, o) => {
    const l = arrangedLanes(b, 0, o.q);
    l.set(o.vd, l.constant(byteOf(o)));
  },
  { name: "movi.b.v" },
);

/** Each bit of four as a byte. */
const spread = (bits: number): number =>
  [0, 1, 2, 3].reduce((word, i) => word | ((bits >> i) & 1 ? 0xff << (8 * i) : 0), 0);

const doublewords = (["doubleD", "pairD"] as const).map((destination, q) =>
  insn(
    `0 ${q} 1 0111100000 immHigh:3 1110 01 immLow:5 vd:5`,
    `movi ${destination}, immBytes`,
    (b, o) => {
      const [low, high] = [spread(byteOf(o)), spread(byteOf(o) >> 4)];
      if (q === 0) setLow64(b, o.vd, b.i64.pair(low, high));
      else {
        const l = arrangedLanes(b, 3, q);
        l.set(o.vd, l.constant(low, high));
      }
    },
    { name: `movi.${destination}.v` },
  ),
);

export const vectorImmediate = [...shifted, ...filled, bytes, ...doublewords];
