import { formatOf, laneCount, makeLanes, number } from "./float-lifter.js";
import { expandImmediate } from "./float-operands.js";
import { setVector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD modified immediate that is a number: FMOV.

interface Fields {
  readonly q: number;
  readonly immHigh: number;
  readonly immLow: number;
  readonly vd: number;
}

const insn = vectorInstructions<Fields>("AdvSIMD", "FP");

/** Precision as the bit op, Q, destination. */
const FORMS = [
  [0, "q:1", "wordsD"],
  [1, "1", "pairD"],
] as const;

export const vectorFloatImmediate = FORMS.map(([double, q, destination]) =>
  insn(
    `0 ${q} ${double} 0111100000 immHigh:3 1111 01 immLow:5 vd:5`,
    `fmov ${destination}, floatByte`,
    (b, o) => {
      const f = formatOf(double);
      const value = number(b, f, expandImmediate((o.immHigh << 5) | o.immLow));
      setVector(
        b,
        o.vd,
        makeLanes(b, f, laneCount(f, double === 1 ? 1 : o.q), () => value),
      );
    },
    { name: `fmov.imm.${destination}.v` },
  ),
);
