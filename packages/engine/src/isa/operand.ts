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
  /** Values the encoding allows; others are another instruction or reserved. All when absent. */
  allows?(value: number, bits: number): boolean;
  /**
   * For names that stand in texts and conditions only, in no pattern: the value, computed from the instruction. What
   * an alias shows is often not what the encoding holds (a shift to the left is encoded as a rotation to the right).
   */
  derive?(bits: number): number;
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

/** One closure for each case, and none calls another: this runs for every operand that is lifted. */
function extractor(slices: readonly Slice[], kind: OperandKind): (bits: number) => number {
  const bias = kind.bias ?? 0;
  const highest = Math.max(...slices.map(({ low, width }) => low + width));
  const unused = kind.signed ? 32 - highest : 0;
  const [first, second] = slices;
  if (slices.length === 1 && first !== undefined) {
    const { shift, width, low } = first;
    const left = 32 - shift - width;
    const right = 32 - width;
    if (kind.signed) return (bits) => (((bits << left) >> right) << low) + bias;
    return (bits) => (((bits << left) >>> right) << low) + bias;
  }
  if (slices.length === 2 && first !== undefined && second !== undefined) {
    const [shift1, mask1, low1] = [first.shift, lowBits(first.width), first.low];
    const [shift2, mask2, low2] = [second.shift, lowBits(second.width), second.low];
    return (bits) => {
      const value = (((bits >>> shift1) & mask1) << low1) | (((bits >>> shift2) & mask2) << low2);
      return ((value << unused) >> unused) + bias;
    };
  }
  const flat = Int32Array.from(slices.flatMap(({ shift, width, low }) => [shift, lowBits(width), low]));
  return (bits) => {
    let value = 0;
    for (let i = 0; i < flat.length; i += 3)
      value |= ((bits >>> (flat[i] as number)) & (flat[i + 1] as number)) << (flat[i + 2] as number);
    return ((value << unused) >> unused) + bias;
  };
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
