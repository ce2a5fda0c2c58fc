import type { Value } from "@hypercraft/engine";
import { GPR, Gpr, XMM } from "../cpu/state.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import type { X86Builder } from "./lifter.js";
import { type Lift, lanesOf, read, shuffle, simd, type VectorLanes } from "./vector-lifter.js";

// PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM: SDM volume 2, 4.1. Strings lie in the first operand (a set, ranges, or
// what is looked for) and in the second; results are a bit for each element of the second one.

/** A string operand: its elements, and which of them are part of the string, as lanes and as bits. */
interface Text {
  readonly lanes: Value;
  readonly valid: Value;
  readonly validBits: Value;
}

/** The immediate byte taken apart. */
interface Control {
  readonly signed: boolean;
  /** 0 equal any, 1 ranges, 2 equal each, 3 equal ordered. */
  readonly aggregation: number;
  /** 1: the result is inverted; 3: where the second string is valid. */
  readonly polarity: number;
  /** The most significant element, or a mask of elements instead of bits. */
  readonly upper: boolean;
}

class StringComparison {
  readonly b: X86Builder;
  readonly l: VectorLanes;
  readonly count: number;
  readonly control: Control;

  constructor(b: X86Builder) {
    const { immediate } = b;
    this.b = b;
    this.l = lanesOf(b, immediate & 1);
    this.count = 16 >> this.l.size;
    this.control = {
      signed: (immediate & 2) !== 0,
      aggregation: (immediate >> 2) & 3,
      polarity: (immediate >> 4) & 3,
      upper: (immediate & 0x40) !== 0,
    };
  }

  /** All bits of a result. */
  get all(): Value {
    return this.b.i32.const((1 << this.count) - 1);
  }

  bits(mask: Value): Value {
    const { i8x16, i16x8 } = this.b.ir;
    return this.l.size === 0 ? i8x16.bitmask(mask) : i16x8.bitmask(mask);
  }

  /** Element `j` in all lanes. */
  private element(x: Value, j: number): Value {
    const { size } = this.l;
    return shuffle(this.b, x, x, (i) => (j << size) + (i % (1 << size)));
  }

  /** 0, 1 and so on. */
  private get numbers(): Value {
    const lane = (i: number) => (this.l.size === 0 ? i : i & 1 ? 0 : i >> 1);
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => lane(i));
    return this.b.ir.v128.const(
      ...(new Int32Array(bytes.buffer) as unknown as [number, number, number, number]),
    );
  }

  /** A string that ends before its first zero. */
  endedByZero(lanes: Value): Text {
    const { i32, i64 } = this.b;
    const zeros = this.bits(this.l.op("eq", lanes, this.l.zero));
    const end = i32.ctz(i32.or(zeros, i32.const(1 << this.count)));
    return this.ofLength(lanes, i64.extend_i32_u(end));
  }

  /** A string whose length is in a register of some bytes, signed; its magnitude counts. */
  ofRegister(lanes: Value, register: number, bytes: number): Text {
    const { b } = this;
    const { i64 } = b;
    const length = b.signExtended(bytes, b.ir.get(GPR[register]!));
    const sign = i64.shr_s(length, i64.const(63));
    const magnitude = i64.sub(i64.xor(length, sign), sign);
    const most = i64.const(this.count);
    return this.ofLength(lanes, b.ir.select(i64.lt_u(magnitude, most), magnitude, most));
  }

  private ofLength(lanes: Value, length: Value): Text {
    const { l, b } = this;
    const valid = l.op("gt_s", l.splat(length), this.numbers);
    const { i32 } = b;
    const validBits = i32.sub(i32.shl(i32.const(1), b.i32.wrap_i64(length)), i32.const(1));
    return { lanes, valid, validBits };
  }

  /** A bit for each element of the second string, before the polarity. */
  private aggregated(x: Text, y: Text): Value {
    switch (this.control.aggregation) {
      case 0:
        return this.equalAny(x, y);
      case 1:
        return this.inRanges(x, y);
      case 2:
        return this.equalEach(x, y);
      default:
        return this.equalOrdered(x, y);
    }
  }

  private equalAny(x: Text, y: Text): Value {
    const { l } = this;
    const found = Array.from({ length: this.count }, (_, j) =>
      l.and(l.op("eq", this.element(x.lanes, j), y.lanes), this.element(x.valid, j)),
    );
    return this.bits(
      l.and(
        found.reduce((any, one) => l.or(any, one)),
        y.valid,
      ),
    );
  }

  private inRanges(x: Text, y: Text): Value {
    const { l, control } = this;
    const found = Array.from({ length: this.count / 2 }, (_, j) => {
      const [low, high] = [this.element(x.lanes, 2 * j), this.element(x.lanes, 2 * j + 1)];
      const within = l.and(
        l.compare("ge", y.lanes, low, control.signed),
        l.compare("ge", high, y.lanes, control.signed),
      );
      // Where the second is valid the first is, too.
      return l.and(within, this.element(x.valid, 2 * j + 1));
    });
    return this.bits(
      l.and(
        found.reduce((any, one) => l.or(any, one)),
        y.valid,
      ),
    );
  }

  /** Behind both ends they are equal, behind one they are not. */
  private equalEach(x: Text, y: Text): Value {
    const { l } = this;
    const neither = l.not(l.or(x.valid, y.valid));
    const equal = l.and(l.op("eq", x.lanes, y.lanes), l.and(x.valid, y.valid));
    return this.bits(l.or(equal, neither));
  }

  /** Where the first string is a part of the second, as far as the register goes. */
  private equalOrdered(x: Text, y: Text): Value {
    const { l } = this;
    const { i32 } = this.b;
    const beyond = i32.const(-1 << this.count);
    const steps = Array.from({ length: this.count }, (_, j) => {
      const equal = l.and(l.op("eq", this.element(x.lanes, j), y.lanes), y.valid);
      const matches = l.or(equal, l.not(this.element(x.valid, j)));
      return i32.shr_s(i32.or(this.bits(matches), beyond), i32.const(j));
    });
    return i32.and(
      steps.reduce((all, one) => i32.and(all, one)),
      this.all,
    );
  }

  /** The result's bits, with the polarity. */
  result(x: Text, y: Text): Value {
    const { i32 } = this.b;
    const found = this.aggregated(x, y);
    if (this.control.polarity === 1) return i32.xor(found, this.all);
    return this.control.polarity === 3 ? i32.xor(found, y.validBits) : found;
  }

  /** To rCX: the number of the first or last element found, or how many a register holds. */
  writeIndex(result: Value): void {
    const { b, count, control } = this;
    const { i32, i64 } = b;
    const index = control.upper
      ? b.ir.select(result, i32.sub(i32.const(31), i32.clz(result)), i32.const(count))
      : i32.ctz(i32.or(result, i32.const(1 << count)));
    b.setGpr(Gpr.rcx, 4, i64.extend_i32_u(index));
  }

  /** To XMM0: the bits as they are, or a mask of elements. */
  writeMask(result: Value): void {
    const { b, l, control } = this;
    const { ir } = b;
    if (!control.upper) return ir.set(XMM[0]!, ir.i64x2.replace_lane(l.zero, 0, b.i64.extend_i32_u(result)));
    // Each lane looks at its own bit of the result.
    const all = ir.i16x8.splat(result);
    const halves = l.size === 0 ? shuffle(b, all, all, (i) => (i < 8 ? 0 : 1)) : all;
    const bit = l.size === 0 ? ir.v128.const(...BYTE_BITS) : ir.v128.const(...WORD_BITS);
    ir.set(XMM[0]!, l.op("eq", l.and(halves, bit), bit));
  }

  /** CF: anything found; ZF and SF: the second and the first string end here; OF: the first element is found. */
  setFlags(result: Value, x: Text, y: Text): void {
    const { i32, i64 } = this.b;
    const ends = ({ validBits }: Text, bit: number) => i32.shl(i32.ne(validBits, this.all), i32.const(bit));
    const carry = i32.ne(result, i32.const(0));
    const first = i32.shl(i32.and(result, i32.const(1)), i32.const(11));
    const flags = i32.or(i32.or(carry, first), i32.or(ends(y, 6), ends(x, 7)));
    this.b.flags.explicit(i64.extend_i32_u(flags));
  }
}

/** A lane's own bit, in bytes and in words. */
const BYTE_BITS = [0x8040_2010_0804_0201n, 0x8040_2010_0804_0201n] as const;
const WORD_BITS = [0x0008_0004_0002_0001n, 0x0080_0040_0020_0010n] as const;

const comparing =
  (explicit: boolean, gives: "index" | "mask"): Lift =>
  (b) => {
    const comparison = new StringComparison(b);
    const [first, second] = [read(b, 0), read(b, 1)];
    const bytes = b.d.wide ? 8 : 4;
    const [x, y] = explicit
      ? [comparison.ofRegister(first, Gpr.rax, bytes), comparison.ofRegister(second, Gpr.rdx, bytes)]
      : [comparison.endedByZero(first), comparison.endedByZero(second)];
    const result = comparison.result(x, y);
    if (gives === "index") comparison.writeIndex(result);
    else comparison.writeMask(result);
    comparison.setFlags(result, x, y);
  };

const insn = simd("SSE4.2");
const UNALIGNED: InstructionOptions = { unaligned: true };

export const sseStrings: readonly X86Declaration<X86Builder>[] = [
  insn("pcmpestrm Vdq, Wdq, Ib", "66 0F 3A 60 /r", comparing(true, "mask"), UNALIGNED),
  insn("pcmpestri Vdq, Wdq, Ib", "66 0F 3A 61 /r", comparing(true, "index"), UNALIGNED),
  insn("pcmpistrm Vdq, Wdq, Ib", "66 0F 3A 62 /r", comparing(false, "mask"), UNALIGNED),
  insn("pcmpistri Vdq, Wdq, Ib", "66 0F 3A 63 /r", comparing(false, "index"), UNALIGNED),
];
