import type { Value } from "@hypercraft/engine";
import { arrangedLanes } from "./vector-lanes.js";
import { vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD table lookup: bytes of one to four registers by number. Beyond them, TBL gives zero and TBX leaves what
// there is.

interface Fields {
  readonly q: number;
  readonly vm: number;
  readonly vn: number;
  readonly vd: number;
  readonly tableCount: number;
}

const insn = vectorInstructions<Fields>("AdvSIMD");

export const vectorTable = (["tbl", "tbx"] as const).map((name, extends_) =>
  insn(
    `0 q:1 001110 00 0 vm:5 0 tableCount:2 ${extends_} 00 vn:5 vd:5`,
    `${name} bytesD, tableN, bytesM`,
    (b, o) => {
      const l = arrangedLanes(b, 0, o.q);
      const numbers = vector(b, o.vm);
      let found: Value | null = null;
      for (let i = 0; i <= o.tableCount; i++) {
        const relative = i === 0 ? numbers : l.sub(numbers, l.constant(16 * i));
        const bytes = l.op("swizzle", vector(b, (o.vn + i) % 32), relative);
        found = found === null ? bytes : l.or(found, bytes);
      }
      const inside = () => l.compare("gt", l.constant(16 * (o.tableCount + 1)), numbers, false);
      l.set(o.vd, extends_ === 0 ? (found as Value) : l.choose(inside(), found as Value, vector(b, o.vd)));
    },
    { name: `${name}.v` },
  ),
);
