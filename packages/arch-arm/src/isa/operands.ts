import type { OperandKind } from "@hypercraft/engine";
import { decodeBitmask } from "./bitmask.js";
import { FLOAT_OPERANDS } from "./float-operands.js";
import { field, flag, hex, plain } from "./operand-kinds.js";
import { CONDITIONS, wName, wSpName, xName, xSpName } from "./registers.js";
import { operationName, PSTATE_FIELDS, systemRegisterName } from "./system-names.js";
import { VECTOR_OPERANDS } from "./vector-operands.js";

// What the operand names of the declarations mean. Registers: `x..` 64 bits, `w..` 32 bits, `r..` by bit 31 of the
// encoding; `..Sp`: 31 is the stack pointer.

/** The sf bit; encodings come signed and unsigned. */
const is64 = (bits: number): boolean => (bits | 0) < 0;

const x: OperandKind = { format: xName };
const w: OperandKind = { format: wName };
const r: OperandKind = { format: (value, { bits }) => (is64(bits) ? xName(value) : wName(value)) };
const rSp: OperandKind = { format: (value, { bits }) => (is64(bits) ? xSpName(value) : wSpName(value)) };
const xSp: OperandKind = { format: xSpName };

const unsigned: OperandKind = { format: (value) => hex(value) };
const signed: OperandKind = { signed: true, format: (value) => hex(value) };
/** A displacement that is not written when it is zero. */
const optional: OperandKind = { format: (value) => (value === 0 ? undefined : hex(value)) };
const address = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

const SHIFTS = ["lsl", "lsr", "asr", "ror"];
const EXTENSIONS = ["uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"];
const size = (bits: number): number => (is64(bits) ? 64 : 32);
const fits = (value: number, bits: number): boolean => value < size(bits);

const immr = (bits: number): number => field(bits, 16, 6);
const imms = (bits: number): number => field(bits, 10, 6);

/** The value MOVZ or MOVN makes; null if MOV would be read as another instruction. */
function wideMove(bits: number): bigint | null {
  const imm = BigInt(field(bits, 5, 16));
  const half = field(bits, 21, 2);
  const inverted = field(bits, 29, 2) === 0;
  if (imm === 0n && half !== 0) return null;
  if (inverted && !is64(bits) && imm === 0xffffn) return null;
  const value = imm << BigInt(16 * half);
  return BigInt.asIntN(size(bits), inverted ? ~value : value);
}

const logical = (bits: number): bigint => decodeBitmask(field(bits, 10, 13), is64(bits)) ?? 0n;

/** Could MOVZ or MOVN make it? Then ORR with the zero register is not shown as MOV. */
function isWideMove(bits: number): boolean {
  const value = logical(bits);
  const width = size(bits);
  const oneHalf = (v: bigint): boolean => {
    for (let at = 0n; at < width; at += 16n) if ((v & ~(0xffffn << at)) === 0n) return true;
    return false;
  };
  return oneHalf(value) || oneHalf(BigInt.asUintN(width, ~value));
}

/** Extension of an extended register; LSL where the stack pointer makes UXTX (or UXTW) the usual one. */
function extension(bits: number): string | undefined {
  const option = field(bits, 13, 3);
  const amount = field(bits, 10, 3);
  const usual = is64(bits) ? 3 : 2;
  const setsFlags = field(bits, 29, 1) === 1;
  const withSp = field(bits, 5, 5) === 31 || (field(bits, 0, 5) === 31 && !setsFlags);
  if (option === usual && withSp) return amount === 0 ? undefined : `lsl #${amount}`;
  return `${EXTENSIONS[option]}${amount === 0 ? "" : ` #${amount}`}`;
}

/** Extension of an index register in an address. */
function indexExtension(bits: number): string | undefined {
  const option = field(bits, 13, 3);
  const scaled = field(bits, 12, 1) === 1;
  const amount = field(bits, 26, 1) === 1 && field(bits, 23, 1) === 1 ? 4 : field(bits, 30, 2);
  if (option === 3) return scaled ? `lsl #${amount}` : undefined;
  return `${EXTENSIONS[option]}${scaled ? ` #${amount}` : ""}`;
}

const PREFETCH = ["pld", "pli", "pst"];
function prefetch(value: number): string {
  const [type, level, once] = [value >> 3, (value >> 1) & 3, value & 1];
  if (type === 3 || level === 3) return hex(value);
  return `${PREFETCH[type]}l${level + 1}${once === 1 ? "strm" : "keep"}`;
}

const BARRIERS: Readonly<Record<number, string>> = {
  1: "oshld",
  2: "oshst",
  3: "osh",
  5: "nshld",
  6: "nshst",
  7: "nsh",
  9: "ishld",
  10: "ishst",
  11: "ish",
  13: "ld",
  14: "st",
  15: "sy",
};

export const OPERANDS: Readonly<Record<string, OperandKind>> = {
  ...VECTOR_OPERANDS,
  ...FLOAT_OPERANDS,
  sf: plain,
  n: plain,
  rd: r,
  rn: r,
  rm: r,
  ra: r,
  rdSp: rSp,
  rnSp: rSp,
  xd: x,
  xn: x,
  xm: x,
  xa: x,
  xt: x,
  xt2: x,
  xs: x,
  wd: w,
  wn: w,
  wm: w,
  wa: w,
  wt: w,
  wt2: w,
  ws: w,
  // The second registers of CASP.
  xsNext: { derive: (bits) => field(bits, 16, 5) + 1, format: xName },
  xtNext: { derive: (bits) => field(bits, 0, 5) + 1, format: xName },
  wsNext: { derive: (bits) => field(bits, 16, 5) + 1, format: wName },
  wtNext: { derive: (bits) => field(bits, 0, 5) + 1, format: wName },
  xdSp: xSp,
  xnSp: xSp,
  // Immediates and displacements.
  imm: unsigned,
  simm: signed,
  sh: { format: (value) => (value === 0 ? undefined : "lsl #12") },
  shift: plain,
  amount: {
    allows: fits,
    format: (value, { bits }) => {
      const type = field(bits, 22, 2);
      return value === 0 && type === 0 ? undefined : `${SHIFTS[type]} #${value}`;
    },
  },
  option: plain,
  extend: { allows: (value) => value <= 4, format: (_, { bits }) => extension(bits) },
  bitmask: {
    allows: (value, bits) => decodeBitmask(value, is64(bits)) !== undefined,
    format: (_, { bits }) => hex(logical(bits)),
  },
  half: {
    allows: (value, bits) => is64(bits) || value < 2,
    format: (value) => (value === 0 ? undefined : `lsl #${16 * value}`),
  },
  immr: { allows: fits, format: (value) => `#${value}` },
  imms: { allows: fits, format: (value) => `#${value}` },
  lsb: { allows: fits, format: (value) => `#${value}` },
  bit: { format: (value) => `#${value}` },
  disp: optional,
  sdisp: { ...optional, signed: true },
  idisp: signed,
  opt: plain,
  scaled: { format: (_, { bits }) => indexExtension(bits) },
  prfop: { format: prefetch },
  offset: { signed: true, format: (value, { pc }) => address(pc + BigInt(value)) },
  page: { signed: true, format: (value, { pc }) => address((pc & ~0xfffn) + BigInt(value) * 4096n) },
  cond: { format: (value) => CONDITIONS[value] },
  nzcv: unsigned,
  // Of the system instructions.
  system: { format: (value) => systemRegisterName(value | 0x8000) },
  operation: plain,
  pstate: plain,
  crm: unsigned,
  barrier: { format: (value) => BARRIERS[value] ?? hex(value) },
  ignored: plain,
  // What aliases show.
  inverted: { derive: (bits) => field(bits, 12, 4) ^ 1, format: (value) => CONDITIONS[value] },
  conditional: flag((bits) => field(bits, 13, 3) !== 7),
  wideMove: {
    ...flag((bits) => wideMove(bits) !== null),
    format: (_, { bits }) => hex(wideMove(bits) ?? 0n),
  },
  notWideMove: flag((bits) => !isWideMove(bits)),
  toEnd: flag((bits) => imms(bits) === size(bits) - 1),
  toTop: flag((bits) => imms(bits) + 1 === immr(bits)),
  inserts: flag((bits) => imms(bits) < immr(bits)),
  position: { derive: (bits) => size(bits) - immr(bits), format: (value) => `#${value}` },
  inserted: { derive: (bits) => imms(bits) + 1, format: (value) => `#${value}` },
  extracted: { derive: (bits) => imms(bits) - immr(bits) + 1, format: (value) => `#${value}` },
  wordSource: { derive: (bits) => field(bits, 5, 5), format: wName },
  extendedRm: {
    derive: (bits) => field(bits, 16, 5),
    format: (value, { bits }) => (is64(bits) && (field(bits, 13, 2) & 3) === 3 ? xName(value) : wName(value)),
  },
  indexRm: {
    derive: (bits) => field(bits, 16, 5),
    format: (value, { bits }) => (field(bits, 13, 1) === 1 ? xName(value) : wName(value)),
  },
  operationName: {
    derive: (bits) => field(bits, 5, 14),
    format: (value, { bits }) => operationName(value, field(bits, 0, 5)),
  },
  knownOperation: flag((bits) => operationName(field(bits, 5, 14), field(bits, 0, 5)) !== undefined),
  pstateName: {
    derive: (bits) => (field(bits, 16, 3) << 3) | field(bits, 5, 3),
    format: (v) => PSTATE_FIELDS.get(v),
  },
  sysText: {
    derive: (bits) => field(bits, 5, 14),
    format: (v) => `#${(v >> 11) & 7}, c${(v >> 7) & 15}, c${(v >> 3) & 15}, #${v & 7}`,
  },
};
