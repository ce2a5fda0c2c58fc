import type { OperandKind } from "@hypercraft/engine";
import { xName } from "./registers.js";

// What the operand names of Advanced SIMD's declarations mean, in addition to those of `operands.ts`.

const field = (bits: number, low: number, width: number): number => (bits >>> low) & ((1 << width) - 1);
const flag = (test: (bits: number) => boolean): OperandKind => ({ derive: (bits) => (test(bits) ? 1 : 0) });
const plain: OperandKind = {};

type SizeOf = (bits: number) => number;

const q = (bits: number): number => field(bits, 30, 1);
const vsize: SizeOf = (bits) => field(bits, 22, 2);
/** Size of the lanes of a shift by an immediate. */
const shiftSize: SizeOf = (bits) => 31 - Math.clz32(field(bits, 19, 4));
/** Size of the lanes of LD1 to LD4 of whole registers. */
const structureSize: SizeOf = (bits) => field(bits, 10, 2);

const shape = (size: number, q: number): string => `${(8 << q) >> size}${"bhsdq"[size]}`;

/** A register of a field as a single lane. */
const single = (low: number, size: SizeOf, more = 0): OperandKind => ({
  derive: (bits) => field(bits, low, 5),
  format: (value, { bits }) => `${"bhsd"[size(bits) + more]}${value}`,
});
const letter = (name: string, low: number): OperandKind => ({
  derive: (bits) => field(bits, low, 5),
  format: (value) => `${name}${value}`,
});
const words = (low: number): OperandKind => ({
  derive: (bits) => field(bits, low, 5),
  format: (value, { bits }) => `v${value}.${shape(2, q(bits))}`,
});
/** A register of a field with lanes of twice the size, all 128 bits of it. */
const doubled = (low: number): OperandKind => ({
  derive: (bits) => field(bits, low, 5),
  format: (value, { bits }) => `v${value}.${shape(vsize(bits) + 1, 1)}`,
});

/** Some registers from a number on, as `{ v31.8b, v0.8b }`. */
function list(first: number, count: number, suffix: string): string {
  const names = Array.from({ length: count }, (_, i) => `v${(first + i) % 32}.${suffix}`);
  return `{ ${names.join(", ")} }`;
}

/** How many registers LD1 to LD4 of whole registers access, by the opcode. */
export const STRUCTURE_REGISTERS: ReadonlyMap<number, number> = new Map([
  [0b0000, 4],
  [0b0010, 4],
  [0b0100, 3],
  [0b0110, 3],
  [0b0111, 1],
  [0b1000, 2],
  [0b1010, 2],
]);
const structureRegisters = (bits: number): number => STRUCTURE_REGISTERS.get(field(bits, 12, 4)) ?? 0;

/** A lane of LD1 to LD4 (single structure): size 3 and more registers by the opcode, number of the lane. */
export interface StructureLane {
  readonly size: number;
  readonly registers: number;
  readonly index: number;
  /** One element for all lanes. */
  readonly replicates: boolean;
  readonly allowed: boolean;
}

export function structureLane(bits: number): StructureLane {
  const scale = field(bits, 14, 2);
  const [s, low] = [field(bits, 12, 1), field(bits, 10, 2)];
  const registers = 2 * field(bits, 13, 1) + field(bits, 21, 1) + 1;
  const all = (q(bits) << 3) | (s << 2) | low;
  const lane = (size: number, index: number, allowed: boolean): StructureLane => ({
    ...{ size, registers, index, allowed },
    replicates: false,
  });
  if (scale === 0) return lane(0, all, true);
  if (scale === 1) return lane(1, all >> 1, (low & 1) === 0);
  if (scale === 2) return low === 1 ? lane(3, all >> 3, s === 0) : lane(2, all >> 2, low === 0);
  return { ...lane(low, 0, s === 0 && field(bits, 22, 1) === 1), replicates: true };
}

/** Bytes that LD1 to LD4 and ST1 to ST4 access. */
export function structureBytes(bits: number): number {
  if (field(bits, 24, 1) === 0) return structureRegisters(bits) * (8 << q(bits));
  const { size, registers } = structureLane(bits);
  return registers << size;
}

/** The lane that instructions by element name: register and number. Bits 11, 21 and 20, as many as the size asks for. */
export function elementOf(bits: number): { readonly register: number; readonly index: number } {
  const [h, l, m] = [field(bits, 11, 1), field(bits, 21, 1), field(bits, 20, 1)];
  if (vsize(bits) === 1) return { register: field(bits, 16, 4), index: (h << 2) | (l << 1) | m };
  return { register: field(bits, 16, 5), index: (h << 1) | l };
}

export const VECTOR_OPERANDS: Readonly<Record<string, OperandKind>> = {
  /** In mnemonics of instructions that work with the other half of a register if Q = 1. */
  second: { derive: q, format: (value) => (value === 1 ? "2" : "") },
  scalarD: single(0, vsize),
  scalarN: single(5, vsize),
  scalarM: single(16, vsize),
  longScalarD: single(0, vsize, 1),
  longScalarN: single(5, vsize, 1),
  doubledD: doubled(0),
  doubledN: doubled(5),
  doubledM: doubled(16),
  /** As many bits, in lanes of twice the size. */
  pairedD: {
    derive: (bits) => field(bits, 0, 5),
    format: (value, { bits }) => `v${value}.${shape(vsize(bits) + 1, q(bits))}`,
  },
  pairN: { derive: (bits) => field(bits, 5, 5), format: (value) => `v${value}.2d` },
  doubleD: letter("d", 0),
  pairD: { derive: (bits) => field(bits, 0, 5), format: (value) => `v${value}.2d` },
  // Words and whole registers, of the instructions for cryptography.
  wordD: letter("s", 0),
  wordN: letter("s", 5),
  quadD: letter("q", 0),
  quadN: letter("q", 5),
  wordsN: words(5),
  wordsM: words(16),
  /** More than two lanes, none of doublewords. */
  severalLanes: flag((bits) => vsize(bits) < 2 || (vsize(bits) === 2 && q(bits) === 1)),
  shiftScalarD: single(0, shiftSize),
  shiftScalarN: single(5, shiftSize),
  shiftScalarWideN: single(5, shiftSize, 1),
  /** Is there a size to shift at all? Without it this is the encoding of an immediate. */
  shiftSize: { derive: shiftSize },
  tableCount: plain,
  tableN: {
    derive: (bits) => field(bits, 5, 5),
    format: (value, { bits }) => list(value, field(bits, 13, 2) + 1, "16b"),
  },
  laneBits: { derive: (bits) => 8 << vsize(bits), format: (value) => `#${value}` },
  /** Of copies. */
  copyScalarD: single(0, (bits) => 31 - Math.clz32(field(bits, 16, 5) & -field(bits, 16, 5))),
  // By element.
  elementRm: plain,
  elementHigh: plain,
  elementM: {
    derive: (bits) => elementOf(bits).register,
    format: (value, { bits }) => `v${value}.${"bhsd"[vsize(bits)]}[${elementOf(bits).index}]`,
  },
  // Immediates.
  wordsD: words(0),
  halvesD: {
    derive: (bits) => field(bits, 0, 5),
    format: (value, { bits }) => `v${value}.${shape(1, q(bits))}`,
  },
  immFill: { derive: (bits) => 8 << field(bits, 12, 1), format: (value) => `msl #${value}` },
  immBytes: {
    derive: (bits) => (field(bits, 16, 3) << 5) | field(bits, 5, 5),
    format: (value) => {
      const bytes = Array.from({ length: 8 }, (_, i) => ((value >> (7 - i)) & 1 ? "ff" : "00"));
      return `#0x${bytes.join("")}`;
    },
  },
  // Structures.
  structure: {
    derive: (bits) => field(bits, 0, 5),
    format: (value, { bits }) => list(value, structureRegisters(bits), shape(structureSize(bits), q(bits))),
  },
  structureSize: plain,
  structureShape: flag((bits) => structureSize(bits) < 3 || q(bits) === 1),
  vt: plain,
  postRm: {
    format: (value, { bits }) => (value === 31 ? `#${structureBytes(bits)}` : xName(value)),
  },
  scale: plain,
  laneBit: plain,
  structureLanes: {
    derive: (bits) => field(bits, 0, 5),
    format: (value, { bits }) => {
      const { size, registers, index, replicates } = structureLane(bits);
      if (replicates) return list(value, registers, shape(size, q(bits)));
      return `${list(value, registers, "bhsd"[size] as string)}[${index}]`;
    },
  },
  oneLane: flag((bits) => structureLane(bits).allowed && !structureLane(bits).replicates),
  everyLane: flag((bits) => structureLane(bits).allowed && structureLane(bits).replicates),
};
