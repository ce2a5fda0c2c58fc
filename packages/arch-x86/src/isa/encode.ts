import type { X86Instruction } from "./declaration.js";
import { type Decoded, Decoded as DecodedRecord, operandBytes, RIP } from "./decoded.js";
import { RM_PLACES } from "./operand-type.js";

// Encodes instructions for 64-bit mode, from the same table that decodes them: for tests and assemblers.

/** A memory operand of 64-bit addresses. */
export interface MemoryChoice {
  /** Number of a register, or "rip". */
  readonly base: number | "rip";
  /** Any register but RSP. */
  readonly index?: number;
  /** log2 of what the index is multiplied by. */
  readonly scale?: number;
  /** Signed, 32 bits. */
  readonly displacement?: number;
}

/** What an encoding leaves open. Numbers of registers are 0..15. */
export interface OperandChoices {
  /** Bytes, for instructions of several sizes: 2, 4 (default) or 8. */
  readonly operandSize?: 2 | 4 | 8;
  readonly reg?: number;
  /** A register or memory. */
  readonly rm?: number | MemoryChoice;
  readonly opcodeRegister?: number;
  readonly vvvv?: number;
  /** Immediates in their order, each signed. */
  readonly immediates?: readonly (number | bigint)[];
  readonly lock?: boolean;
  readonly repeat?: 0xf2 | 0xf3;
  /** A REX prefix even where none is needed: SPL instead of AH. */
  readonly rex?: boolean;
  readonly segment?: 4 | 5;
}

const MANDATORY = [0, 0x66, 0xf3, 0xf2] as const;
const MAP_BYTES = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]] as const;
const SEGMENT_PREFIXES = { 4: 0x64, 5: 0x65 } as const;

/** A number in so many bytes, as immediates and displacements are. */
export function littleEndian(value: number | bigint, bytes: number): number[] {
  const bits = BigInt(value);
  return Array.from({ length: bytes }, (_, i) => Number((bits >> BigInt(8 * i)) & 0xffn));
}

/** ModRM (without reg), SIB and displacement. */
function address({ base, index, scale = 0, displacement = 0 }: MemoryChoice): number[] {
  if (base === "rip") return [0x05, ...littleEndian(displacement, 4)];
  const short = displacement >= -128 && displacement <= 127;
  const mod = displacement === 0 && (base & 7) !== 5 ? 0 : short ? 1 : 2;
  const tail = mod === 0 ? [] : littleEndian(displacement, mod === 1 ? 1 : 4);
  if (index === undefined && (base & 7) !== 4) return [(mod << 6) | (base & 7), ...tail];
  const sib = (scale << 6) | (((index ?? 4) & 7) << 3) | (base & 7);
  return [(mod << 6) | 4, sib, ...tail];
}

/** The bytes of an instruction. Missing choices are zero. */
export function encode<B>(row: X86Instruction<B>, choices: OperandChoices = {}): number[] {
  const { encoding, options, operands } = row;
  const { operandSize = 4, reg = 0, rm = 0, opcodeRegister = 0 } = choices;
  // Where it names no operand, it has to be 1111, which is what 0 is written as.
  const vvvv = operands.some(({ place }) => place === "vvvv") ? (choices.vvvv ?? 0) : 0;
  const vex = encoding.map >= MAP_BYTES.length;
  const default64 = options.size64 !== undefined;
  const wide = encoding.w === 1 || (encoding.w < 0 && operandSize === 8 && !default64);
  const memory = typeof rm === "object" ? rm : undefined;
  const rmHigh = memory === undefined ? (rm as number) >> 3 : memory.base === "rip" ? 0 : memory.base >> 3;
  const extension = encoding.extension >= 0 ? encoding.extension : reg;
  const high = {
    r: (extension >> 3) & 1,
    x: ((memory?.index ?? 0) >> 3) & 1,
    b: encoding.plusRegister ? opcodeRegister >> 3 : rmHigh,
  };
  const bytes: number[] = [];
  if (choices.lock) bytes.push(0xf0);
  if (choices.segment !== undefined) bytes.push(SEGMENT_PREFIXES[choices.segment]);
  if (choices.repeat !== undefined) bytes.push(choices.repeat);
  const mandatory = MANDATORY[Math.max(0, encoding.prefix)] as number;
  if (!vex) {
    const sized =
      operands.length === 0 ||
      operands.some(({ size, registerSize = size }) => registerSize === "v" || size === "z");
    if (operandSize === 2 && sized && mandatory !== 0x66 && encoding.prefix !== 0) bytes.push(0x66);
    if (mandatory !== 0) bytes.push(mandatory);
    const rex = (wide ? 8 : 0) | (high.r << 2) | (high.x << 1) | high.b;
    if (rex !== 0 || choices.rex) bytes.push(0x40 | rex);
    bytes.push(...MAP_BYTES[encoding.map as 0]);
  } else {
    const map = encoding.map - 3;
    const inverted = ((high.r ^ 1) << 7) | ((high.x ^ 1) << 6) | ((high.b ^ 1) << 5);
    const last =
      ((~vvvv & 15) << 3) | (Math.max(0, encoding.vectorLength) << 2) | Math.max(0, encoding.prefix);
    bytes.push(0xc4, inverted | map, ((wide ? 1 : 0) << 7) | last);
  }
  bytes.push(encoding.opcode + (encoding.plusRegister ? opcodeRegister & 7 : 0));
  if (encoding.modrmByte >= 0) bytes.push(encoding.modrmByte);
  else if (encoding.modrm) {
    const [first, ...rest] = memory === undefined ? [0xc0 | ((rm as number) & 7)] : address(memory);
    bytes.push((first as number) | ((extension & 7) << 3), ...rest);
  }
  return [...bytes, ...immediates(row, choices, operandSize, wide)];
}

const scratch: Decoded = new DecodedRecord();

function immediates<B>(
  { operands, options }: X86Instruction<B>,
  { immediates: values = [] }: OperandChoices,
  operandSize: 2 | 4 | 8,
  wide: boolean,
): number[] {
  scratch.operandSize = options.size64 === undefined ? operandSize : operandSize === 2 ? 2 : 8;
  scratch.wide = wide;
  const kept = operands.filter(({ place }) => /mmediate$|^relative$/.test(place));
  return kept.flatMap((type, i) =>
    littleEndian(values[i] ?? 0, Math.min(operandBytes(scratch, type), type.size === "v" ? 8 : 4)),
  );
}

/** Can the instruction have a memory operand, and a register in its place? */
export function rmKind<B>(row: X86Instruction<B>): "none" | "both" | "memory" | "register" {
  const places = row.operands.map(({ place }) => RM_PLACES.get(place)).find((which) => which !== undefined);
  return places ?? "none";
}

export { RIP };
