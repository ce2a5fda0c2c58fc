import type { Value } from "../ir/builder.js";
import type { InstructionBuilder } from "./instruction-builder.js";

type Operation = (...operands: readonly Value[]) => Value;

const SHAPES = ["i8x16", "i16x8", "i32x4", "i64x2"] as const;

/**
 * The lanes an instruction works on: their size, and how much of the registers they fill. Operations are on whole
 * registers; what lies above is cut off at the end. Architectures extend it by how they write results.
 */
export class Lanes<B extends InstructionBuilder<unknown>> {
  readonly b: B;
  /** 0 to 3: bytes to doublewords. */
  readonly size: number;
  /** Bits of a lane. */
  readonly bits: number;
  /** Bits of the registers that count: those of one lane, 64 or 128. */
  readonly width: number;

  constructor(b: B, size: number, width: number) {
    this.b = b;
    this.size = size;
    this.bits = 8 << size;
    this.width = width;
  }

  /** Lanes of twice the size, and as many unless these are in a whole register. */
  get wider(): this {
    const Same = this.constructor as new (b: B, size: number, width: number) => this;
    return new Same(this.b, this.size + 1, Math.min(2 * this.width, 128));
  }

  get zero(): Value {
    return this.b.ir.v128.const(0, 0, 0, 0);
  }

  /** An operation of the IR on lanes of this size, by its name, which must exist. */
  op(name: string, ...operands: readonly Value[]): Value {
    const shape = this.b.ir[SHAPES[this.size] as "i16x8"] as unknown as Record<string, Operation | undefined>;
    const operation = shape[name];
    if (operation === undefined) throw new Error(`the IR has no ${name} of lanes of ${this.bits} bits`);
    return operation.call(shape, ...operands);
  }

  /** Every lane the same two's complement number; its upper half is of 64-bit lanes only. */
  constant(lo: number, hi: number = lo < 0 ? -1 : 0): Value {
    const { v128 } = this.b.ir;
    if (this.size === 3) return v128.const(lo, hi, lo, hi);
    const word = [Math.imul(lo & 0xff, 0x01010101), Math.imul(lo & 0xffff, 0x10001), lo][this.size] as number;
    return v128.const(word, word, word, word);
  }

  /** Lanes with the low `count` bits set: 0 to all of them. */
  ones(count: number): Value {
    const low = (n: number): number => (n >= 32 ? -1 : (1 << Math.max(n, 0)) - 1);
    return this.constant(low(count), low(count - 32));
  }

  /** The most negative number: the sign alone. */
  get sign(): Value {
    return this.size === 3 ? this.constant(0, 1 << 31) : this.constant(1 << (this.bits - 1));
  }

  and(x: Value, y: Value): Value {
    return this.b.ir.v128.and(x, y);
  }
  or(x: Value, y: Value): Value {
    return this.b.ir.v128.or(x, y);
  }
  xor(x: Value, y: Value): Value {
    return this.b.ir.v128.xor(x, y);
  }
  /** x without the bits of y. */
  andNot(x: Value, y: Value): Value {
    return this.b.ir.v128.andnot(x, y);
  }
  not(x: Value): Value {
    return this.b.ir.v128.not(x);
  }
  /** x where the mask is set, else y. */
  choose(mask: Value, x: Value, y: Value): Value {
    return this.b.ir.v128.bitselect(x, y, mask);
  }
  add(x: Value, y: Value): Value {
    return this.op("add", x, y);
  }
  sub(x: Value, y: Value): Value {
    return this.op("sub", x, y);
  }

  /** Shifted by 0 to all bits. */
  shl(x: Value, amount: number): Value {
    if (amount >= this.bits) return this.zero;
    return amount === 0 ? x : this.op("shl", x, this.b.i32.const(amount));
  }
  shr(x: Value, amount: number, signed: boolean): Value {
    const at = signed ? Math.min(amount, this.bits - 1) : amount;
    if (at >= this.bits) return this.zero;
    return at === 0 ? x : this.op(signed ? "shr_s" : "shr_u", x, this.b.i32.const(at));
  }
  /** All ones where the lane is negative: a comparison, since hosts lack shifts of bytes and signed ones of doublewords. */
  negative(x: Value): Value {
    return this.op("lt_s", x, this.zero);
  }

  /** Masks of x > y and x >= y. */
  compare(relation: "gt" | "ge", x: Value, y: Value, signed: boolean): Value {
    if (signed || this.size !== 3) return this.op(`${relation}_${signed ? "s" : "u"}`, x, y);
    return this.op(`${relation}_s`, this.xor(x, this.sign), this.xor(y, this.sign));
  }

  /** The lanes of one half (0, 1), extended to twice the size. */
  extended(x: Value, half: number, signed: boolean): Value {
    const shape = SHAPES[this.size] as string;
    return this.wider.op(`extend_${half === 1 ? "high" : "low"}_${shape}_${signed ? "s" : "u"}`, x);
  }

  /** Products of the lanes of one half, of twice the size. */
  products(x: Value, y: Value, half: number, signed: boolean): Value {
    const shape = SHAPES[this.size] as string;
    return this.wider.op(`extmul_${half === 1 ? "high" : "low"}_${shape}_${signed ? "s" : "u"}`, x, y);
  }

  /** Sums of the two neighbours, of twice the size. */
  pairSums(x: Value, signed: boolean): Value {
    const { wider } = this;
    const shape = SHAPES[this.size] as string;
    if (this.size < 2) return wider.op(`extadd_pairwise_${shape}_${signed ? "s" : "u"}`, x);
    const even = wider.shr(wider.shl(x, this.bits), this.bits, signed);
    return wider.add(even, wider.shr(x, this.bits, signed));
  }

  /** The even (0) or odd (1) lanes of x and then of y. */
  alternate(x: Value, y: Value, odd: number): Value {
    const bytes = 1 << this.size;
    const from = (i: number): number => (2 * (i >> this.size) + odd) * bytes + (i % bytes);
    return this.b.ir.i8x16.shuffle(
      x,
      y,
      Array.from({ length: 16 }, (_, i) => from(i)),
    );
  }

  /** A lane as an i64, extended. */
  lane(x: Value, index: number, signed = false): Value {
    const { ir, i64 } = this.b;
    if (this.size === 3) return ir.i64x2.extract_lane(x, index);
    const extend = (value: Value): Value => (signed ? i64.extend_i32_s(value) : i64.extend_i32_u(value));
    if (this.size === 2) return extend(ir.i32x4.extract_lane(x, index));
    const shape = this.size === 1 ? ir.i16x8 : ir.i8x16;
    return extend(signed ? shape.extract_lane_s(x, index) : shape.extract_lane_u(x, index));
  }

  /** x with a lane replaced by the low bits of an i64. */
  withLane(x: Value, index: number, value: Value): Value {
    return this.b.ir[SHAPES[this.size] as "i8x16"].replace_lane(x, index, this.#narrowed(value));
  }

  /** All lanes the low bits of an i64. */
  splat(value: Value): Value {
    return this.op("splat", this.#narrowed(value));
  }

  #narrowed(value: Value): Value {
    return this.size === 3 ? value : this.b.i32.wrap_i64(value);
  }

  /** Cut off what does not count. */
  cut(x: Value): Value {
    if (this.width === 128) return x;
    const words = [0, 32, 64, 96].map((at) => {
      const left = this.width - at;
      return left >= 32 ? -1 : left <= 0 ? 0 : (1 << left) - 1;
    }) as [number, number, number, number];
    return this.b.ir.v128.and(x, this.b.ir.v128.const(...words));
  }
}

/** 16 bytes chosen from several vectors side by side; any byte where it is undefined. */
export function gather(
  { ir }: Pick<InstructionBuilder<unknown>, "ir">,
  sources: readonly Value[],
  bytes: readonly (number | undefined)[],
): Value {
  const used = [...new Set(bytes.flatMap((byte) => (byte === undefined ? [] : [byte >> 4])))];
  const [first = 0, ...others] = used;
  const from = (n: number): Value => sources[n] as Value;
  const at = (byte: number | undefined, n: number, i: number, otherwise: number): number =>
    byte !== undefined && byte >> 4 === n ? 16 + (byte & 15) : otherwise === -1 ? i : otherwise;
  if (others.length === 0) {
    if (bytes.every((byte, i) => byte === undefined || (byte & 15) === i)) return from(first);
    return ir.i8x16.shuffle(
      from(first),
      from(first),
      bytes.map((byte) => (byte ?? 0) & 15),
    );
  }
  return others.reduce((all, n, step) => {
    const lanes = bytes.map((byte, i) => at(byte, n, i, step === 0 ? (byte ?? 0) & 15 : -1));
    return ir.i8x16.shuffle(all, from(n), lanes);
  }, from(first));
}
