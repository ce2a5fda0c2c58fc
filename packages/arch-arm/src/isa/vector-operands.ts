import type { OperandKind } from "@hypercraft/engine";
import { field, flag, hex, isWide, plain, register, shape } from "./operand-kinds.js";
import { wName, xName } from "./registers.js";
import { registerList, STRUCTURE_OPERANDS } from "./structure-operands.js";

// What the operand names of Advanced SIMD's declarations mean. A size is 0 to 3, bytes to doublewords.

type SizeOf = (bits: number) => number;

const vsize: SizeOf = (bits) => field(bits, 22, 2);
/** Of a shift by an immediate; -1: it is none. */
const shiftSize: SizeOf = (bits) => 31 - Math.clz32(field(bits, 19, 4));
/** Of the lane that copies name: the lowest bit set of imm5. -1: none. */
const copySize: SizeOf = (bits) => 31 - Math.clz32(field(bits, 16, 5) & -field(bits, 16, 5) & 15);

/** There is no vector of one doubleword. */
const isShape = (size: number, bits: number): boolean => size < 3 || isWide(bits) === 1;

const letter = (name: string): OperandKind => ({ format: (value) => `${name}${value}` });
const vector = (low: number, size: SizeOf): OperandKind =>
  register(low, (value, bits) => `v${value}.${shape(size(bits), isWide(bits))}`);
/** Lanes of twice the size, all 128 bits of them. */
const doubled = (low: number, size: SizeOf): OperandKind =>
  register(low, (value, bits) => `v${value}.${shape(size(bits) + 1, 1)}`);
/** A single lane. */
const scalar = (low: number, size: SizeOf): OperandKind =>
  register(low, (value, bits) => `${"bhsd"[size(bits)]}${value}`);
const named = (low: number, name: string): OperandKind => register(low, (value) => `${name}${value}`);

const arranged: OperandKind = {
  format: (value, { bits }) => `v${value}.${shape(vsize(bits), isWide(bits))}`,
};
const bytes: SizeOf = () => 0;
const halves: SizeOf = () => 1;
const words: SizeOf = () => 2;
const longer =
  (size: SizeOf): SizeOf =>
  (bits) =>
    size(bits) + 1;

const lane = (low: number, indexOf: (bits: number) => number): OperandKind =>
  register(low, (value, bits) => `v${value}.${"bhsd"[copySize(bits)]}[${indexOf(bits)}]`);
const namedLane = (bits: number): number => field(bits, 16, 5) >> (copySize(bits) + 1);
const upper: OperandKind = { format: (value) => `v${value}.d[1]` };

/** The lane that instructions by element name: register and number. Bits 11, 21 and 20, as many as the size asks for. */
export function elementOf(bits: number): { readonly register: number; readonly index: number } {
  const [h, l, m] = [field(bits, 11, 1), field(bits, 21, 1), field(bits, 20, 1)];
  if (vsize(bits) === 1) return { register: field(bits, 16, 4), index: (h << 2) | (l << 1) | m };
  return { register: field(bits, 16, 5), index: (h << 1) | l };
}

const immediateByte = (bits: number): number => (field(bits, 16, 3) << 5) | field(bits, 5, 5);
const amount = (derive: (bits: number) => number): OperandKind => ({
  derive,
  format: (value) => `#${value}`,
});

export const VECTOR_OPERANDS: Readonly<Record<string, OperandKind>> = {
  ...STRUCTURE_OPERANDS,
  // Registers of one size.
  vbt: letter("b"),
  vht: letter("h"),
  vst: letter("s"),
  vdt: letter("d"),
  vqt: letter("q"),
  vst2: letter("s"),
  vdt2: letter("d"),
  vqt2: letter("q"),
  vsn: letter("s"),
  vsm: letter("s"),
  vsa: letter("s"),
  vda: letter("d"),
  vdn: letter("d"),
  vdm: letter("d"),
  upperN: upper,
  upperD: upper,
  doubleD: named(0, "d"),
  wordD: named(0, "s"),
  wordN: named(5, "s"),
  quadD: named(0, "q"),
  quadN: named(5, "q"),
  pairD: register(0, (value) => `v${value}.2d`),
  pairN: register(5, (value) => `v${value}.2d`),
  bytesD: vector(0, bytes),
  bytesN: vector(5, bytes),
  bytesM: vector(16, bytes),
  halvesD: vector(0, halves),
  wordsD: vector(0, words),
  wordsN: vector(5, words),
  wordsM: vector(16, words),
  sameSources: flag((bits) => field(bits, 16, 5) === field(bits, 5, 5)),
  // By the size in bits 23:22.
  q: plain,
  vsize: plain,
  vd: arranged,
  vn: arranged,
  vm: arranged,
  /** In mnemonics of instructions that work with the other half of a register if Q = 1. */
  second: { derive: isWide, format: (value) => (value === 1 ? "2" : "") },
  scalarD: scalar(0, vsize),
  scalarN: scalar(5, vsize),
  scalarM: scalar(16, vsize),
  longScalarD: scalar(0, longer(vsize)),
  longScalarN: scalar(5, longer(vsize)),
  doubledD: doubled(0, vsize),
  doubledN: doubled(5, vsize),
  doubledM: doubled(16, vsize),
  /** As many bits, in lanes of twice the size. */
  pairedD: vector(0, longer(vsize)),
  laneBits: amount((bits) => 8 << vsize(bits)),
  arranged: flag((bits) => isShape(vsize(bits), bits)),
  /** More than two lanes, none of doublewords. */
  severalLanes: flag((bits) => vsize(bits) < 2 || (vsize(bits) === 2 && isWide(bits) === 1)),
  // By element.
  elementRm: plain,
  elementHigh: plain,
  elementM: {
    derive: (bits) => elementOf(bits).register,
    format: (value, { bits }) => `v${value}.${"bhsd"[vsize(bits)]}[${elementOf(bits).index}]`,
  },
  // Permutations and tables.
  imm4: { format: (value) => `#${value}` },
  shortExtract: flag((bits) => isWide(bits) === 1 || field(bits, 14, 1) === 0),
  tableCount: plain,
  tableN: register(5, (value, bits) => registerList(value, field(bits, 13, 2) + 1, "16b")),
  // Immediates.
  immHigh: plain,
  immLow: plain,
  immByte: { derive: immediateByte, format: (value) => hex(value) },
  immShift: { format: (value) => (value === 0 ? undefined : `lsl #${8 * value}`) },
  immFill: { derive: (bits) => 8 << field(bits, 12, 1), format: (value) => `msl #${value}` },
  immBytes: {
    derive: immediateByte,
    format: (value) => {
      const bytes = Array.from({ length: 8 }, (_, i) => ((value >> (7 - i)) & 1 ? "ff" : "00"));
      return `#0x${bytes.join("")}`;
    },
  },
  // Copies.
  imm5: plain,
  copyScalarD: scalar(0, copySize),
  laneD: vector(0, copySize),
  laneN: lane(5, namedLane),
  laneOfD: lane(0, namedLane),
  laneOfN: lane(5, (bits) => field(bits, 11, 4) >> copySize(bits)),
  laneX: register(5, (value, bits) => (copySize(bits) === 3 ? xName(value) : wName(value))),
  moveX: register(0, (value, bits) => (isWide(bits) === 1 ? xName(value) : wName(value))),
  anyLane: flag((bits) => copySize(bits) >= 0),
  laneShape: flag((bits) => copySize(bits) >= 0 && isShape(copySize(bits), bits)),
  laneSize: { derive: copySize },
  // Shifts by an immediate.
  immhb: plain,
  shiftSize: { derive: shiftSize },
  shiftD: vector(0, shiftSize),
  shiftN: vector(5, shiftSize),
  shiftWideD: doubled(0, shiftSize),
  shiftWideN: doubled(5, shiftSize),
  shiftScalarD: scalar(0, shiftSize),
  shiftScalarN: scalar(5, shiftSize),
  shiftScalarWideN: scalar(5, longer(shiftSize)),
  shiftShape: flag((bits) => shiftSize(bits) >= 0 && isShape(shiftSize(bits), bits)),
  resizable: flag((bits) => shiftSize(bits) >= 0 && shiftSize(bits) < 3),
  unshifted: flag((bits) => field(bits, 16, 7) === 8 << shiftSize(bits)),
  rightBy: amount((bits) => (16 << shiftSize(bits)) - field(bits, 16, 7)),
  leftBy: amount((bits) => field(bits, 16, 7) - (8 << shiftSize(bits))),
};
