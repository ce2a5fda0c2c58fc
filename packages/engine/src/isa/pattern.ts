// Bit patterns in the notation of the manuals: fields from the most significant bit to the least,
// separated by spaces.
//
//   0110011         literal bits; `-` is a bit that does not matter
//   rs1:5           an operand of five bits
//   imm[12|10:5]    bits 12 and 10 to 5 of an operand whose other bits are elsewhere; bits that appear
//                   nowhere are zero, which is how scaled immediates are written

/** `width` bits at bit `shift` of the instruction that are the bits from `low` upwards of an operand. */
export interface Slice {
  readonly shift: number;
  readonly width: number;
  readonly low: number;
}

/** Lengths of an encoding that a pattern can describe, in bits. */
export type EncodingWidth = 16 | 32;

export interface Pattern {
  readonly width: EncodingWidth;
  /** Bits with a fixed value, as an int32. */
  readonly mask: number;
  /** Their value, as an int32. */
  readonly value: number;
  /** Operands in the order of their first appearance. */
  readonly operands: ReadonlyMap<string, readonly Slice[]>;
}

type NameInWord<W extends string> = W extends `${infer N}[${string}`
  ? N
  : W extends `${infer N}:${string}`
    ? N
    : never;

/** The operand names in a pattern, as a type, so that a misspelt operand is a compile error. */
export type OperandNames<P extends string> = string extends P
  ? string
  : P extends `${infer W} ${infer Rest}`
    ? NameInWord<W> | OperandNames<Rest>
    : NameInWord<P>;

/** A mask of `width` low bits, 1..32, as an int32. */
export function lowBits(width: number): number {
  return width >= 32 ? -1 : (1 << width) - 1;
}

const LITERAL = /^[01-]+$/;
const WHOLE = /^([a-z][A-Za-z0-9]*'?):(\d+)$/;
const SLICED = /^([a-z][A-Za-z0-9]*'?)\[([\d:|]+)\]$/;

/** The parts of one word, most significant first: literal text or a run of operand bits. */
type Part = { literal: string } | { operand: string; width: number; low: number };

function parseRange(text: string, word: string): { width: number; low: number } {
  const [high, low = high] = text.split(":").map(Number);
  if (high === undefined || low === undefined || Number.isNaN(high) || high < low || high > 31) {
    throw new Error(`bad bit range in pattern field ${word}`);
  }
  return { width: high - low + 1, low };
}

function parseWord(word: string): Part[] {
  if (LITERAL.test(word)) return [{ literal: word }];
  const whole = WHOLE.exec(word);
  if (whole) return [{ operand: whole[1] as string, width: Number(whole[2]), low: 0 }];
  const sliced = SLICED.exec(word);
  if (!sliced) throw new Error(`bad pattern field ${word}`);
  const ranges = (sliced[2] as string).split("|");
  return ranges.map((range) => ({ operand: sliced[1] as string, ...parseRange(range, word) }));
}

function checkDisjoint(name: string, slices: readonly Slice[]): void {
  let seen = 0;
  for (const { low, width } of slices) {
    const bits = lowBits(width) << low;
    if ((seen & bits) !== 0) throw new Error(`pattern gives a bit of ${name} twice`);
    seen |= bits;
  }
}

/** Parse a pattern. Throws an `Error` that names the offending field. */
export function parsePattern(text: string): Pattern {
  const parts = text.trim().split(/\s+/).flatMap(parseWord);
  const width = parts.reduce((sum, part) => sum + ("literal" in part ? part.literal.length : part.width), 0);
  if (width !== 16 && width !== 32) throw new Error(`pattern has ${width} bits: ${text}`);
  let mask = 0;
  let value = 0;
  let shift: number = width;
  const operands = new Map<string, Slice[]>();
  for (const part of parts) {
    if ("literal" in part) {
      for (const digit of part.literal) {
        shift--;
        if (digit !== "-") mask |= 1 << shift;
        if (digit === "1") value |= 1 << shift;
      }
      continue;
    }
    shift -= part.width;
    const slices = operands.get(part.operand) ?? [];
    slices.push({ shift, width: part.width, low: part.low });
    operands.set(part.operand, slices);
  }
  for (const [name, slices] of operands) checkDisjoint(name, slices);
  return { width, mask, value, operands };
}
