import { lowBits, type Slice } from "./pattern.js";

/** What formatting an operand may look at besides its own value. */
export interface FormatContext {
  /** Virtual address of the instruction. */
  readonly pc: bigint;
  /** The instruction. */
  readonly bits: number;
  /** Value of another operand of the same instruction. */
  operand(name: string): number;
}

/**
 * What an operand name means in one instruction set, said once for all its instructions: `rs1` is a
 * register, `imm` is signed, `offset` is relative to the instruction.
 */
export interface OperandKind {
  /** Sign-extend from the highest bit the pattern gives. */
  readonly signed?: boolean;
  /** Added to the encoded number: 8 where three bits name registers 8 to 15. */
  readonly bias?: number;
  /** Assembly text; `undefined` leaves the operand and the comma before it out. Decimal when absent. */
  format?(value: number, context: FormatContext): string | undefined;
}

/** One operand of one encoding. Values are int32. */
export interface Operand {
  readonly name: string;
  readonly kind: OperandKind;
  readonly slices: readonly Slice[];
  /** The operand's value in an instruction. */
  extract(bits: number): number;
  /** Can the encoding hold this value? */
  holds(value: number): boolean;
  /** The instruction with the operand replaced. Throws a `RangeError` if it cannot hold the value. */
  insert(bits: number, value: number): number;
}

function rawExtractor(slices: readonly Slice[]): (bits: number) => number {
  const [first] = slices;
  if (slices.length === 1 && first !== undefined) {
    const { shift, low } = first;
    const mask = lowBits(first.width);
    return low === 0 ? (bits) => (bits >>> shift) & mask : (bits) => ((bits >>> shift) & mask) << low;
  }
  const parts = slices.map(({ shift, width, low }) => ({ shift, mask: lowBits(width), low }));
  return (bits) => {
    let value = 0;
    for (const part of parts) value |= ((bits >>> part.shift) & part.mask) << part.low;
    return value;
  };
}

function extractor(slices: readonly Slice[], kind: OperandKind): (bits: number) => number {
  const raw = rawExtractor(slices);
  const bias = kind.bias ?? 0;
  if (kind.signed) {
    const unused = 32 - Math.max(...slices.map(({ low, width }) => low + width));
    return (bits) => ((raw(bits) << unused) >> unused) + bias;
  }
  return bias === 0 ? raw : (bits) => raw(bits) + bias;
}

export function makeOperand(name: string, slices: readonly Slice[], kind: OperandKind): Operand {
  const extract = extractor(slices, kind);
  const place = (bits: number, value: number): number => {
    const raw = value - (kind.bias ?? 0);
    let result = bits;
    for (const { shift, width, low } of slices) {
      const mask = lowBits(width);
      result = (result & ~(mask << shift)) | (((raw >> low) & mask) << shift);
    }
    return result;
  };
  const holds = (value: number): boolean => extract(place(0, value)) === (value | 0);
  const insert = (bits: number, value: number): number => {
    if (!holds(value)) throw new RangeError(`${name} cannot be ${value}`);
    return place(bits, value);
  };
  return { name, kind, slices, extract, holds, insert };
}
