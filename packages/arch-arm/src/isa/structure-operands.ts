import type { OperandKind } from "@hypercraft/engine";
import { field, flag, isWide, plain, register, shape } from "./operand-kinds.js";
import { xName } from "./registers.js";

// What the encodings of LD1 to LD4 and ST1 to ST4 say, and how it is written.

/** Some registers from a number on, as `{ v31.8b, v0.8b }`. */
export function registerList(first: number, count: number, suffix: string): string {
  const names = Array.from({ length: count }, (_, i) => `v${(first + i) % 32}.${suffix}`);
  return `{ ${names.join(", ")} }`;
}

/** How many registers those of whole registers access, by the opcode. */
const REGISTERS: ReadonlyMap<number, number> = new Map([
  [0b0000, 4],
  [0b0010, 4],
  [0b0100, 3],
  [0b0110, 3],
  [0b0111, 1],
  [0b1000, 2],
  [0b1010, 2],
]);
const registersOf = (bits: number): number => REGISTERS.get(field(bits, 12, 4)) ?? 0;

const sizeOf = (bits: number): number => field(bits, 10, 2);

/** What those of one element of each register access. */
export interface StructureLane {
  /** 0 to 3: bytes to doublewords. */
  readonly size: number;
  readonly registers: number;
  /** Number of the lane. */
  readonly index: number;
  /** One element goes to all lanes. */
  readonly replicates: boolean;
  /** Is the encoding allocated? */
  readonly allowed: boolean;
}

export function structureLane(bits: number): StructureLane {
  const scale = field(bits, 14, 2);
  const [s, low] = [field(bits, 12, 1), field(bits, 10, 2)];
  const registers = 2 * field(bits, 13, 1) + field(bits, 21, 1) + 1;
  const index = (isWide(bits) << 3) | (s << 2) | low;
  const lane = (size: number, allowed: boolean): StructureLane => ({
    ...{ size, registers, allowed },
    index: index >> size,
    replicates: false,
  });
  if (scale === 0) return lane(0, true);
  if (scale === 1) return lane(1, (low & 1) === 0);
  if (scale === 2) return low === 1 ? lane(3, s === 0) : lane(2, low === 0);
  return { ...lane(low, s === 0 && field(bits, 22, 1) === 1), replicates: true };
}

/** Bytes accessed in all, by which a base is moved. */
export function structureBytes(bits: number): number {
  if (field(bits, 24, 1) === 0) return registersOf(bits) * (8 << isWide(bits));
  const { size, registers } = structureLane(bits);
  return registers << size;
}

export const STRUCTURE_OPERANDS: Readonly<Record<string, OperandKind>> = {
  vt: plain,
  structureSize: plain,
  scale: plain,
  laneBit: plain,
  structure: register(0, (value, bits) =>
    registerList(value, registersOf(bits), shape(sizeOf(bits), isWide(bits))),
  ),
  structureShape: flag((bits) => sizeOf(bits) < 3 || isWide(bits) === 1),
  postRm: {
    format: (value, { bits }) => (value === 31 ? `#${structureBytes(bits)}` : xName(value)),
  },
  structureLanes: register(0, (value, bits) => {
    const { size, registers, index, replicates } = structureLane(bits);
    if (replicates) return registerList(value, registers, shape(size, isWide(bits)));
    return `${registerList(value, registers, "bhsd"[size] as string)}[${index}]`;
  }),
  oneLane: flag((bits) => structureLane(bits).allowed && !structureLane(bits).replicates),
};
