import type { A64Builder } from "./lifter.js";
import { setArranged, type VectorFields, vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD permute (ZIP, UZP, TRN) and extract (EXT): which bytes of the operands make the result.

const insn = vectorInstructions("AdvSIMD");

/** Which lane of both operands side by side is lane `i` of `count`; `part`: ZIP1 is 0, ZIP2 is 1. */
type Source = (i: number, count: number, part: number) => number;

const PERMUTATIONS: readonly (readonly [string, string, Source])[] = [
  ["uzp", "01", (i, _, part) => 2 * i + part],
  ["trn", "10", (i, count, part) => (i & ~1) + part + (i % 2) * count],
  ["zip", "11", (i, count, part) => (i >> 1) + (part * count) / 2 + (i % 2) * count],
];

/** Bytes of the second operand begin at 16 in a shuffle, at 8 in what 64-bit vectors are side by side. */
function shuffled(b: A64Builder, o: VectorFields, byteAt: (i: number) => number): void {
  const size = 8 << o.q;
  const bytes = Array.from({ length: 16 }, (_, i) => {
    const byte = i < size ? byteAt(i) : 0;
    return byte < size ? byte : byte - size + 16;
  });
  setArranged(b, o.q, o.vd, b.ir.i8x16.shuffle(vector(b, o.vn), vector(b, o.vm), bytes));
}

const permutations = PERMUTATIONS.flatMap(([name, opcode, source]) =>
  [0, 1].map((part) =>
    insn(
      `0 q:1 0 01110 vsize:2 0 vm:5 0 ${part}${opcode} 10 vn:5 vd:5`,
      `${name}${part + 1} vd, vn, vm`,
      (b, o) => {
        const count = (8 << o.q) >> o.vsize;
        shuffled(b, o, (i) => (source(i >> o.vsize, count, part) << o.vsize) + (i % (1 << o.vsize)));
      },
      { name: `${name}${part + 1}.v`, where: "arranged == 1" },
    ),
  ),
);

const extract = insn(
  "0 q:1 10 1110 00 0 vm:5 0 imm4:4 0 vn:5 vd:5",
  "ext bytesD, bytesN, bytesM, imm4",
  (b, o) => shuffled(b, o, (i) => i + o.imm4),
  { name: "ext.v", where: "shortExtract == 1" },
);

export const vectorPermute = [...permutations, extract];
