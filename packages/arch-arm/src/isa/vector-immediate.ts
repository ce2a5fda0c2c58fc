import { setArranged, vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD modified immediate: bytes, and 32-bit lanes with the byte shifted in (MOVI, MVNI, ORR, BIC).

const insn = vectorInstructions("AdvSIMD");

const byteOf = (o: { readonly immHigh: number; readonly immLow: number }): number =>
  (o.immHigh << 5) | o.immLow;

const bytes = insn(
  "0 q:1 0 0111100000 immHigh:3 1110 01 immLow:5 vd:5",
  "movi bytesD, immByte",
  (b, o) => {
    const word = Math.imul(byteOf(o), 0x01010101);
    setArranged(b, o.q, o.vd, b.ir.v128.const(word, word, word, word));
  },
  { name: "movi.b.v" },
);

const WORDS = [
  ["movi", "0", "0"],
  ["mvni", "1", "0"],
  ["orr", "0", "1"],
  ["bic", "1", "1"],
] as const;

const words = WORDS.map(([name, op, combines]) =>
  insn(
    `0 q:1 ${op} 0111100000 immHigh:3 0 immShift:2 ${combines} 01 immLow:5 vd:5`,
    `${name} wordsD, immByte, immShift`,
    (b, o) => {
      const { v128 } = b.ir;
      const word = (byteOf(o) << (8 * o.immShift)) | 0;
      const value = name === "mvni" ? ~word : word;
      const immediate = v128.const(value, value, value, value);
      const combined = () =>
        name === "orr" ? v128.or(vector(b, o.vd), immediate) : v128.andnot(vector(b, o.vd), immediate);
      setArranged(b, o.q, o.vd, combines === "1" ? combined() : immediate);
    },
    { name: `${name}.imm.v` },
  ),
);

export const vectorImmediate = [bytes, ...words];
