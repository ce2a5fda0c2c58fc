import type { DeclareInstructions } from "@hypercraft/engine";
import {
  arithmetic,
  classify,
  comparison,
  exactRounding,
  type Format,
  fromInteger,
  fused,
  minMax,
  signInjection,
  squareRoot,
  toInteger,
  validRounding,
} from "./float.js";
import type { RiscvBuilder } from "./lifter.js";

// The instructions that every floating-point format has, unprivileged manual, chapters "F" and "D". Loads and stores
// are not among them, nor is what tells of two formats or of the bits of one.

/** Name, opcode, and what is negated: the product, the addend. */
const FUSED = [
  ["fmadd", "1000011", false, false],
  ["fmsub", "1000111", false, true],
  ["fnmsub", "1001011", true, false],
  ["fnmadd", "1001111", true, true],
] as const;

/** Name and funct5. */
const ARITHMETIC = [
  ["add", "00000"],
  ["sub", "00001"],
  ["mul", "00010"],
  ["div", "00011"],
] as const;

/** Name, funct3, where the sign comes from, and the pseudo-instruction for one operand. */
const SIGNS = [
  ["fsgnj", "000", "copy", "fmv"],
  ["fsgnjn", "001", "negated", "fneg"],
  ["fsgnjx", "010", "xor", "fabs"],
] as const;

const EXTREMES = [
  ["fmin", "000", "minimumNumber"],
  ["fmax", "001", "maximumNumber"],
] as const;

const COMPARISONS = [
  ["eq", "010"],
  ["lt", "001"],
  ["le", "000"],
] as const;

/** Suffix, code in the place of rs2, the IR's name, and whether every value is exact in double precision. */
const INTEGERS = [
  ["w", "00000", "I32", true],
  ["wu", "00001", "U32", true],
  ["l", "00010", "I64", false],
  ["lu", "00011", "U64", false],
] as const;

/** @param letter ends the names, @param fmt is the format's code in the encodings. */
export function floatInstructions(
  { insn }: DeclareInstructions<RiscvBuilder>,
  f: Format,
  letter: "s" | "d",
  fmt: "00" | "01",
) {
  const exact = (text: string, isExact: boolean) =>
    isExact && f.size === 8 ? exactRounding(text) : validRounding;
  return [
    ...FUSED.map(([name, opcode, negateProduct, negateAddend]) =>
      insn(
        `fs3:5 ${fmt} fs2:5 fs1:5 rm:3 fd:5 ${opcode}`,
        `${name}.${letter} fd, fs1, fs2, fs3, rm`,
        fused(f, negateProduct, negateAddend),
        validRounding,
      ),
    ),
    ...ARITHMETIC.map(([operation, funct5]) =>
      insn(
        `${funct5} ${fmt} fs2:5 fs1:5 rm:3 fd:5 1010011`,
        `f${operation}.${letter} fd, fs1, fs2, rm`,
        arithmetic(f, operation),
        validRounding,
      ),
    ),
    insn(
      `01011 ${fmt} 00000 fs1:5 rm:3 fd:5 1010011`,
      `fsqrt.${letter} fd, fs1, rm`,
      squareRoot(f),
      validRounding,
    ),
    ...SIGNS.map(([name, funct3, how, alias]) =>
      insn(
        `00100 ${fmt} fs2:5 fs1:5 ${funct3} fd:5 1010011`,
        `${name}.${letter} fd, fs1, fs2`,
        signInjection(f, how),
        { aliases: [[`${alias}.${letter} fd, fs1`, "fs1 == fs2"]] },
      ),
    ),
    ...EXTREMES.map(([name, funct3, operation]) =>
      insn(
        `00101 ${fmt} fs2:5 fs1:5 ${funct3} fd:5 1010011`,
        `${name}.${letter} fd, fs1, fs2`,
        minMax(f, operation),
      ),
    ),
    ...COMPARISONS.map(([operation, funct3]) =>
      insn(
        `10100 ${fmt} fs2:5 fs1:5 ${funct3} rd:5 1010011`,
        `f${operation}.${letter} rd, fs1, fs2`,
        comparison(f, operation),
      ),
    ),
    insn(`11100 ${fmt} 00000 fs1:5 001 rd:5 1010011`, `fclass.${letter} rd, fs1`, classify(f)),
    ...INTEGERS.map(([suffix, code, to]) =>
      insn(
        `11000 ${fmt} ${code} fs1:5 rm:3 rd:5 1010011`,
        `fcvt.${suffix}.${letter} rd, fs1, rm`,
        toInteger(f, to),
        validRounding,
      ),
    ),
    ...INTEGERS.map(([suffix, code, from, isExact]) =>
      insn(
        `11010 ${fmt} ${code} rs1:5 rm:3 fd:5 1010011`,
        `fcvt.${letter}.${suffix} fd, rs1, rm`,
        fromInteger(f, from),
        exact(`fcvt.${letter}.${suffix} fd, rs1`, isExact),
      ),
    ),
  ];
}
