import type { OperandKind } from "@hypercraft/engine";
import { csrName } from "./csr-names.js";
import { F_NAMES, X_NAMES } from "./registers.js";

const x: OperandKind = { format: (value) => X_NAMES[value] };
const f: OperandKind = { format: (value) => F_NAMES[value] };
/** Three bits that name registers 8 to 15. */
const compressedX: OperandKind = { ...x, bias: 8 };
const compressedF: OperandKind = { ...f, bias: 8 };

const hex = (value: number): string => `0x${value.toString(16)}`;
const signed: OperandKind = { signed: true };
const unsigned: OperandKind = {};
const shiftAmount: OperandKind = { format: hex };
/** Bits 31 to 12, shown as the manual counts them: 0..0xfffff. */
const upper: OperandKind = { signed: true, format: (value) => hex((value >>> 12) & 0xfffff) };
const target: OperandKind = {
  signed: true,
  format: (value, { pc }) => `0x${BigInt.asUintN(64, pc + BigInt(value)).toString(16)}`,
};

/** The default, rounding by frm, is not written. */
const ROUNDING = ["rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown", undefined];
const ORDERING = ["", ".rl", ".aq", ".aqrl"];

function fenceSet(value: number): string {
  const letters = [..."iorw"].filter((_, i) => (value & (8 >> i)) !== 0);
  return letters.join("") || "unknown";
}

/** What the operand names of the declarations mean. Names with a prime are the compressed registers x8..x15, f8..f15. */
export const OPERANDS: Readonly<Record<string, OperandKind>> = {
  rd: x,
  rs1: x,
  rs2: x,
  "rd'": compressedX,
  "rs1'": compressedX,
  "rs2'": compressedX,
  fd: f,
  fs1: f,
  fs2: f,
  fs3: f,
  "fd'": compressedF,
  "fs2'": compressedF,
  imm: signed,
  nzimm: signed,
  uimm: unsigned,
  nzuimm: unsigned,
  shamt: shiftAmount,
  upper,
  nzupper: upper,
  offset: target,
  csr: { format: csrName },
  rm: { format: (value) => ROUNDING[value] },
  aqrl: { format: (value) => ORDERING[value] },
  fm: unsigned,
  pred: { format: fenceSet },
  succ: { format: fenceSet },
};
