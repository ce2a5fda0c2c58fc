import type { FormatName, SoftFloatOptions } from "../index.js";

// IEEE 754-2019 by exact arithmetic on BigInt, written for being obvious and sharing nothing with the code
// under test: every operation computes its exact rational result, and one function rounds it.

const INEXACT = 1;
const UNDERFLOW = 2;
const OVERFLOW = 4;
const DIVIDE_BY_ZERO = 8;
const INVALID = 16;
const DENORMAL = 32;
const DAZ = 1;
const FTZ = 2;
const DEFAULT_NAN = 4;
const FZ16 = 8;

export interface Outcome {
  readonly bits: bigint;
  readonly flags: number;
}

interface Shape {
  readonly name: FormatName;
  readonly width: bigint;
  /** Precision, counting the leading bit. */
  readonly p: bigint;
  readonly emax: bigint;
}

export const SHAPES: Record<FormatName, Shape> = {
  f16: { name: "f16", width: 16n, p: 11n, emax: 15n },
  f32: { name: "f32", width: 32n, p: 24n, emax: 127n },
  f64: { name: "f64", width: 64n, p: 53n, emax: 1023n },
};

/** A decoded operand; the value of a number is (-1)^negative * integer * 2^exponent. */
interface Decoded {
  readonly bits: bigint;
  readonly negative: boolean;
  readonly kind: "nan" | "infinity" | "number";
  readonly signaling: boolean;
  readonly denormal: boolean;
  readonly integer: bigint;
  readonly exponent: bigint;
}

const bias = (s: Shape): bigint => s.emax;
const fractionBits = (s: Shape): bigint => s.p - 1n;
const infinityBits = (s: Shape): bigint => (2n * s.emax + 1n) << fractionBits(s);
const signBit = (s: Shape, negative: boolean): bigint => (negative ? 1n << (s.width - 1n) : 0n);
const quietBit = (s: Shape): bigint => 1n << (s.p - 2n);

function decode(s: Shape, bits: bigint): Decoded {
  const negative = bits >> (s.width - 1n) === 1n;
  const fraction = bits & ((1n << fractionBits(s)) - 1n);
  const e = (bits >> fractionBits(s)) & (2n * s.emax + 1n);
  const base = { bits, negative, signaling: false, denormal: false, integer: 0n, exponent: 0n };
  if (e === 2n * s.emax + 1n) {
    if (fraction === 0n) return { ...base, kind: "infinity" };
    return { ...base, kind: "nan", signaling: (bits & quietBit(s)) === 0n };
  }
  if (e === 0n) {
    return {
      ...base,
      kind: "number",
      denormal: fraction !== 0n,
      integer: fraction,
      exponent: 1n - bias(s) - fractionBits(s),
    };
  }
  return {
    ...base,
    kind: "number",
    integer: fraction | (1n << fractionBits(s)),
    exponent: e - bias(s) - fractionBits(s),
  };
}

/** numerator / denominator * 2^exponent, all but the sign positive. */
interface Exact {
  readonly negative: boolean;
  readonly numerator: bigint;
  readonly denominator: bigint;
  readonly exponent: bigint;
}

const bitLength = (n: bigint): bigint => BigInt(n.toString(2).length);

/** The rounded quotient numerator / denominator as an integer. */
function roundInteger(
  negative: boolean,
  numerator: bigint,
  denominator: bigint,
  rm: number,
): { value: bigint; inexact: boolean } {
  const floor = numerator / denominator;
  const rest = numerator % denominator;
  if (rest === 0n) return { value: floor, inexact: false };
  const half = 2n * rest - denominator;
  const odd = (floor & 1n) === 1n;
  const up = [
    half > 0n || (half === 0n && odd), // nearest even
    false, // toward zero
    negative, // down
    !negative, // up
    half >= 0n, // nearest, ties away
    !odd, // to odd
  ][rm] as boolean;
  return { value: up ? floor + 1n : floor, inexact: true };
}

/** value / 2^quantum rounded to an integer. */
function roundAt(x: Exact, quantum: bigint, rm: number) {
  const shift = x.exponent - quantum;
  return shift >= 0n
    ? roundInteger(x.negative, x.numerator << shift, x.denominator, rm)
    : roundInteger(x.negative, x.numerator, x.denominator << -shift, rm);
}

/** The policy, and the modes in force. */
export class Reference {
  private readonly options: SoftFloatOptions;
  private readonly modes: number;
  private flags = 0;
  private readonly x86: boolean;
  private readonly arm: boolean;

  constructor(options: SoftFloatOptions, modes = 0) {
    this.options = options;
    this.modes = modes;
    this.x86 = options.nan === "propagate-x86";
    this.arm = options.nan === "propagate-arm";
  }

  private round(s: Shape, x: Exact, rm: number, flushable = true): bigint {
    const sign = signBit(s, x.negative);
    const emin = 1n - s.emax;
    // e with 2^e <= x < 2^(e + 1)
    let e = bitLength(x.numerator) - bitLength(x.denominator) + x.exponent;
    if (roundAt(x, e, 1).value < 1n) e -= 1n;
    const unbounded = roundAt(x, e - s.p + 1n, rm).value;
    const below = (value: bigint, quantum: bigint, power: bigint): boolean => value < 1n << (power - quantum);
    const tiny =
      e < emin - 1n ||
      (e < emin && (this.options.tininess === "before" || below(unbounded, e - s.p + 1n, emin)));
    const flushes =
      (this.modes & (s.name === "f16" ? FZ16 : FTZ)) !== 0 && flushable && (this.x86 || this.arm);
    if (tiny && flushes) {
      this.flags |= this.arm ? UNDERFLOW : UNDERFLOW | INEXACT;
      return sign;
    }
    const quantum = e < emin ? emin - s.p + 1n : e - s.p + 1n;
    const { value, inexact } = roundAt(x, quantum, rm);
    if (inexact) this.flags |= INEXACT;
    if (tiny && inexact) this.flags |= UNDERFLOW;
    if (quantum + bitLength(value) - 1n > s.emax) {
      this.flags |= OVERFLOW | INEXACT;
      const toInfinity = rm === 0 || rm === 4 || (rm === 2 && x.negative) || (rm === 3 && !x.negative);
      return sign | (infinityBits(s) - (toInfinity ? 0n : 1n));
    }
    return sign | this.encode(s, value, quantum);
  }

  /** The pattern of integer * 2^exponent, which the format has. */
  private encode(s: Shape, integer: bigint, exponent: bigint): bigint {
    if (integer === 0n) return 0n;
    const e = bitLength(integer) - 1n + exponent;
    const emin = 1n - s.emax;
    const quantum = (e < emin ? emin : e) - s.p + 1n;
    const significand =
      exponent >= quantum ? integer << (exponent - quantum) : integer >> (quantum - exponent);
    if (e < emin) return significand;
    return ((e + bias(s)) << fractionBits(s)) | (significand - (1n << fractionBits(s)));
  }

  private defaultNan(s: Shape): bigint {
    return signBit(s, this.x86) | infinityBits(s) | quietBit(s);
  }

  private invalid(s: Shape): bigint {
    this.flags |= INVALID;
    return this.defaultNan(s);
  }

  /** Operands in the order a, b, c; the last of three is the addend. */
  private nan(s: Shape, operands: readonly Decoded[]): bigint {
    const nans = operands.filter((x) => x.kind === "nan");
    if (nans.some((x) => x.signaling)) this.flags |= INVALID;
    if (this.options.nan === "canonical" || (this.arm && this.modes & DEFAULT_NAN)) return this.defaultNan(s);
    if (this.x86) return (nans[0] as Decoded).bits | quietBit(s);
    const addendFirst = operands.length === 3 ? [operands[2], operands[0], operands[1]] : operands;
    const inOrder = addendFirst.filter((x): x is Decoded => x?.kind === "nan");
    return ((inOrder.find((x) => x.signaling) ?? inOrder[0]) as Decoded).bits | quietBit(s);
  }

  private flush(s: Shape, bits: readonly bigint[]): Decoded[] {
    return bits.map((v) => {
      const x = decode(s, v);
      const on = (this.modes & (s.name === "f16" ? FZ16 : DAZ)) !== 0 && (this.x86 || this.arm);
      if (!x.denormal || !on) return x;
      if (this.arm && s.name !== "f16") this.flags |= DENORMAL;
      return decode(s, signBit(s, x.negative));
    });
  }

  private note(operands: readonly Decoded[]): void {
    if (this.x86 && operands.some((x) => x.denormal)) this.flags |= DENORMAL;
  }

  private done(bits: bigint): Outcome {
    const flags = this.flags;
    this.flags = 0;
    return { bits, flags };
  }

  add(s: Shape, a: bigint, b: bigint, rm: number): Outcome {
    const [x, y] = this.flush(s, [a, b]) as [Decoded, Decoded];
    if (x.kind === "nan" || y.kind === "nan") return this.done(this.nan(s, [x, y]));
    return this.done(this.sum(s, [x, y], x, y, rm));
  }

  sub(s: Shape, a: bigint, b: bigint, rm: number): Outcome {
    const y = decode(s, b);
    return this.add(s, a, y.kind === "nan" ? b : b ^ signBit(s, true), rm);
  }

  private sum(s: Shape, operands: readonly Decoded[], x: Decoded, y: Decoded, rm: number): bigint {
    if (x.kind === "infinity" && y.kind === "infinity" && x.negative !== y.negative) return this.invalid(s);
    this.note(operands);
    const infinite = [x, y].find((v) => v.kind === "infinity");
    if (infinite) return signBit(s, infinite.negative) | infinityBits(s);
    const exponent = lesser(x.exponent, y.exponent);
    const signed = (v: Decoded): bigint => (v.negative ? -1n : 1n) * (v.integer << (v.exponent - exponent));
    const total = signed(x) + signed(y);
    if (total !== 0n) {
      const magnitude = total < 0n ? -total : total;
      return this.round(s, { negative: total < 0n, numerator: magnitude, denominator: 1n, exponent }, rm);
    }
    const sameSigns = x.negative === y.negative;
    return signBit(s, sameSigns ? x.negative : rm === 2);
  }

  mul(s: Shape, a: bigint, b: bigint, rm: number): Outcome {
    const [x, y] = this.flush(s, [a, b]) as [Decoded, Decoded];
    if (x.kind === "nan" || y.kind === "nan") return this.done(this.nan(s, [x, y]));
    const negative = x.negative !== y.negative;
    const zero = [x, y].some((v) => v.kind === "number" && v.integer === 0n);
    const infinite = [x, y].some((v) => v.kind === "infinity");
    if (zero && infinite) return this.done(this.invalid(s));
    this.note([x, y]);
    if (infinite) return this.done(signBit(s, negative) | infinityBits(s));
    if (zero) return this.done(signBit(s, negative));
    const exponent = x.exponent + y.exponent;
    return this.done(
      this.round(s, { negative, numerator: x.integer * y.integer, denominator: 1n, exponent }, rm),
    );
  }

  div(s: Shape, a: bigint, b: bigint, rm: number): Outcome {
    const [x, y] = this.flush(s, [a, b]) as [Decoded, Decoded];
    if (x.kind === "nan" || y.kind === "nan") return this.done(this.nan(s, [x, y]));
    const negative = x.negative !== y.negative;
    const zero = (v: Decoded) => v.kind === "number" && v.integer === 0n;
    if ((zero(x) && zero(y)) || (x.kind === "infinity" && y.kind === "infinity"))
      return this.done(this.invalid(s));
    if (zero(y) && x.kind === "number") {
      this.flags |= DIVIDE_BY_ZERO;
      return this.done(signBit(s, negative) | infinityBits(s));
    }
    this.note([x, y]);
    if (x.kind === "infinity") return this.done(signBit(s, negative) | infinityBits(s));
    if (zero(x) || y.kind === "infinity") return this.done(signBit(s, negative));
    const exponent = x.exponent - y.exponent;
    return this.done(this.round(s, { negative, numerator: x.integer, denominator: y.integer, exponent }, rm));
  }

  sqrt(s: Shape, a: bigint, rm: number): Outcome {
    const [x] = this.flush(s, [a]) as [Decoded];
    if (x.kind === "nan") return this.done(this.nan(s, [x]));
    if (x.kind === "number" && x.integer === 0n) return this.done(x.bits);
    if (x.negative) return this.done(this.invalid(s));
    this.note([x]);
    if (x.kind === "infinity") return this.done(x.bits);
    // 128 bits and, if that is not all, one more that says so.
    const exponent = x.exponent - 256n - (((x.exponent % 2n) + 2n) % 2n);
    const radicand = x.integer << (x.exponent - exponent);
    const root = integerRoot(radicand);
    const numerator = 2n * root + (root * root === radicand ? 0n : 1n);
    return this.done(
      this.round(s, { negative: false, numerator, denominator: 2n, exponent: exponent / 2n }, rm),
    );
  }

  fma(s: Shape, a: bigint, b: bigint, c: bigint, rm: number): Outcome {
    const [x, y, z] = this.flush(s, [a, b, c]) as [Decoded, Decoded, Decoded];
    const negative = x.negative !== y.negative;
    const zero = [x, y].some((v) => v.kind === "number" && v.integer === 0n);
    const infinite = [x, y].some((v) => v.kind === "infinity");
    if (x.kind === "nan" || y.kind === "nan") return this.done(this.nan(s, [x, y, z]));
    if (z.kind === "nan") {
      if (!(zero && infinite)) return this.done(this.nan(s, [x, y, z]));
      if (this.options.fmaInvalid ?? !this.x86) this.flags |= INVALID;
      if (this.arm && !z.signaling) return this.done(this.defaultNan(s));
      return this.done(this.nan(s, [x, y, z]));
    }
    if (zero && infinite) return this.done(this.invalid(s));
    const product: Decoded = {
      bits: 0n,
      negative,
      kind: infinite ? "infinity" : "number",
      signaling: false,
      denormal: false,
      integer: x.integer * y.integer,
      exponent: x.exponent + y.exponent,
    };
    return this.done(this.sum(s, [x, y, z], product, z, rm));
  }

  /** -1, 0, 1 or undefined. */
  private compared(x: Decoded, y: Decoded): number | undefined {
    if (x.kind === "nan" || y.kind === "nan") return undefined;
    const key = (v: Decoded): bigint => {
      const magnitude = v.kind === "infinity" ? 1n << 5000n : v.integer << (v.exponent + 1200n);
      return v.negative ? -magnitude : magnitude;
    };
    return key(x) < key(y) ? -1 : key(x) > key(y) ? 1 : 0;
  }

  compare(s: Shape, name: string, a: bigint, b: bigint): Outcome {
    const [x, y] = this.flush(s, [a, b]) as [Decoded, Decoded];
    const r = this.compared(x, y);
    const signaling = ["eqSignaling", "lt", "le", "orderSignaling"].includes(name);
    if (r === undefined) {
      if (signaling || x.signaling || y.signaling) this.flags |= INVALID;
    } else this.note([x, y]);
    const yes = {
      eq: r === 0,
      eqSignaling: r === 0,
      lt: r === -1,
      ltQuiet: r === -1,
      le: r !== undefined && r <= 0,
      leQuiet: r !== undefined && r <= 0,
      unordered: r === undefined,
    }[name];
    if (yes !== undefined) return this.done(yes ? 1n : 0n);
    return this.done(r === undefined ? 3n : BigInt(r + 1));
  }

  /** minimumNumber, maximumNumber, minNum, maxNum, minimum, maximum, minSecond, maxSecond. */
  extreme(s: Shape, name: string, a: bigint, b: bigint): Outcome {
    const [x, y] = this.flush(s, [a, b]) as [Decoded, Decoded];
    const less = name.startsWith("min");
    const isNan = (v: Decoded) => v.kind === "nan";
    if (name.endsWith("Second")) {
      if (isNan(x) || isNan(y)) {
        this.flags |= INVALID;
        return this.done(y.bits);
      }
      this.note([x, y]);
      return this.done((this.compared(x, y) === (less ? -1 : 1) ? x : y).bits);
    }
    if (isNan(x) || isNan(y)) {
      const both = isNan(x) && isNan(y);
      const number = isNan(x) ? y : x;
      const signaling = x.signaling || y.signaling;
      if (name.endsWith("Number") && !both) {
        if (signaling) this.flags |= INVALID;
        return this.done(number.bits);
      }
      if (name.endsWith("Num") && !both && !signaling) return this.done(number.bits);
      return this.done(this.nan(s, [x, y]));
    }
    this.note([x, y]);
    const order = this.compared(x, y) || (x.negative ? -1 : 1) - (y.negative ? -1 : 1);
    return this.done((order <= 0 === less ? x : y).bits);
  }

  /** Out of the range of `bits`-bit integers: null. */
  toInteger(s: Shape, a: bigint, bits: bigint, signed: boolean, rm: number): Outcome {
    const [x] = this.flush(s, [a]) as [Decoded];
    const low = signed ? -(1n << (bits - 1n)) : 0n;
    const high = signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
    const wrap = (v: bigint) => BigInt.asUintN(Number(bits), v);
    if (x.kind === "number") {
      const { value, inexact } = roundAt({ ...x, numerator: x.integer, denominator: 1n }, 0n, rm);
      const integer = x.negative ? -value : value;
      if (integer >= low && integer <= high) {
        if (inexact) this.flags |= INEXACT;
        return this.done(wrap(integer));
      }
    }
    this.flags |= INVALID;
    if (this.x86) return this.done(wrap(signed ? low : high));
    if (x.kind === "nan") return this.done(this.arm ? 0n : wrap(high));
    return this.done(wrap(x.negative ? low : high));
  }

  fromInteger(s: Shape, value: bigint, rm: number): Outcome {
    if (value === 0n) return this.done(0n);
    const negative = value < 0n;
    return this.done(
      this.round(s, { negative, numerator: negative ? -value : value, denominator: 1n, exponent: 0n }, rm),
    );
  }

  roundToIntegral(s: Shape, a: bigint, rm: number, exact: boolean): Outcome {
    const [x] = this.flush(s, [a]) as [Decoded];
    if (x.kind === "nan") return this.done(this.nan(s, [x]));
    if (x.kind === "infinity") return this.done(x.bits);
    const { value, inexact } = roundAt({ ...x, numerator: x.integer, denominator: 1n }, 0n, rm);
    if (inexact && exact) this.flags |= INEXACT;
    return this.done(signBit(s, x.negative) | this.encode(s, value, 0n));
  }

  resize(from: Shape, to: Shape, a: bigint, rm: number): Outcome {
    const x = from.name === "f16" ? decode(from, a) : (this.flush(from, [a])[0] as Decoded);
    if (x.kind === "nan") {
      if (x.signaling) this.flags |= INVALID;
      if (this.options.nan === "canonical" || (this.arm && this.modes & DEFAULT_NAN))
        return this.done(this.defaultNan(to));
      const payload = x.bits & (quietBit(from) - 1n);
      const moved = to.p > from.p ? payload << (to.p - from.p) : payload >> (from.p - to.p);
      return this.done(signBit(to, x.negative) | infinityBits(to) | quietBit(to) | moved);
    }
    if (from.name !== "f16") this.note([x]);
    if (x.kind === "infinity") return this.done(signBit(to, x.negative) | infinityBits(to));
    if (x.integer === 0n) return this.done(signBit(to, x.negative));
    return this.done(this.round(to, { ...x, numerator: x.integer, denominator: 1n }, rm, to.name !== "f16"));
  }

  private static isZero(x: Decoded): boolean {
    return x.kind === "number" && x.integer === 0n;
  }

  private static infinityTimesZero(x: Decoded, y: Decoded): boolean {
    const { isZero } = Reference;
    return (x.kind === "infinity" && isZero(y)) || (isZero(x) && y.kind === "infinity");
  }

  fromHalf(to: Shape, a: bigint, alternative: boolean): Outcome {
    const x = decode(SHAPES.f16, a);
    if (!alternative || ((a >> 10n) & 31n) !== 31n) return this.resize(SHAPES.f16, to, a, 0);
    return this.done(signBit(to, x.negative) | this.encode(to, (a & 0x3ffn) | 0x400n, 6n));
  }

  toHalf(from: Shape, a: bigint, alternative: boolean, rm: number): Outcome {
    if (!alternative) return this.resize(from, SHAPES.f16, a, rm);
    const [x] = this.flush(from, [a]) as [Decoded];
    const sign = signBit(SHAPES.f16, x.negative);
    if (x.kind !== "number") {
      this.flags |= INVALID;
      return this.done(x.kind === "nan" ? sign : sign | 0x7fffn);
    }
    this.note([x]);
    if (x.integer === 0n) return this.done(sign);
    const exact = { ...x, numerator: x.integer, denominator: 1n };
    const e = bitLength(x.integer) - 1n + x.exponent;
    const quantum = (e < -14n ? -14n : e) - 10n;
    const { value, inexact } = roundAt(exact, quantum, rm);
    if (value << (quantum + 24n) >= 1n << 41n) {
      this.flags |= INVALID;
      return this.done(sign | 0x7fffn);
    }
    const rounded = roundAt(exact, e - 10n, rm).value;
    const staysTiny = this.options.tininess === "before" || e < -15n || rounded < 1n << 11n;
    if (inexact) this.flags |= e < -14n && staysTiny ? INEXACT | UNDERFLOW : INEXACT;
    // Biased exponents 1 to 31 are all numbers.
    const units = value << (quantum + 24n);
    if (units < 1024n) return this.done(sign | units);
    const top = bitLength(units) - 11n;
    return this.done(sign | ((top + 1n) << 10n) | ((units >> top) & 0x3ffn));
  }

  mulExtended(s: Shape, a: bigint, b: bigint, rm: number): Outcome {
    const [x, y] = this.flush(s, [a, b]) as [Decoded, Decoded];
    if (!Reference.infinityTimesZero(x, y)) return this.mul(s, a, b, rm);
    return this.done(signBit(s, x.negative !== y.negative) | this.encode(s, 2n, 0n));
  }

  /** 2 - a * b, or half of 3 - a * b. */
  step(s: Shape, root: boolean, a: bigint, b: bigint, rm: number): Outcome {
    const negated = a ^ signBit(s, true);
    const [x, y] = this.flush(s, [negated, b]) as [Decoded, Decoded];
    if (x.kind === "nan" || y.kind === "nan") return this.done(this.nan(s, [x, y]));
    const addend = root ? 3n : 2n;
    if (Reference.infinityTimesZero(x, y))
      return this.done(root ? this.encode(s, 3n, -1n) : this.encode(s, 2n, 0n));
    this.note([x, y]);
    const negative = x.negative !== y.negative;
    if (x.kind === "infinity" || y.kind === "infinity")
      return this.done(signBit(s, negative) | infinityBits(s));
    const exponent = lesser(x.exponent + y.exponent, 0n);
    const product = (x.integer * y.integer) << (x.exponent + y.exponent - exponent);
    const sum = (addend << -exponent) + (negative ? -product : product);
    if (sum === 0n) return this.done(signBit(s, rm === 2));
    const exact = { negative: sum < 0n, numerator: sum < 0n ? -sum : sum, denominator: 1n };
    return this.done(this.round(s, { ...exact, exponent: root ? exponent - 1n : exponent }, rm));
  }

  reciprocalEstimate8(s: Shape, a: bigint, rm: number): Outcome {
    const [x] = this.flush(s, [a]) as [Decoded];
    if (x.kind === "nan") return this.done(this.nan(s, [x]));
    const sign = signBit(s, x.negative);
    if (x.kind === "infinity") return this.done(sign);
    if (x.integer === 0n) {
      this.flags |= DIVIDE_BY_ZERO;
      return this.done(sign | infinityBits(s));
    }
    const length = bitLength(x.integer);
    const e = length - 1n + x.exponent;
    if (e < -s.emax - 1n) {
      this.flags |= OVERFLOW | INEXACT;
      const away = rm === 0 || (rm === 2 && x.negative) || (rm === 3 && !x.negative);
      return this.done(sign | (infinityBits(s) - (away ? 0n : 1n)));
    }
    if (e >= s.emax - 1n && (this.modes & FTZ) !== 0 && (this.x86 || this.arm)) {
      this.flags |= UNDERFLOW;
      return this.done(sign);
    }
    const leading = (x.integer << 9n) >> length;
    const estimate = ((1n << 19n) / (2n * leading + 1n) + 1n) / 2n;
    return this.done(sign | this.encode(s, estimate, -e - 9n));
  }

  reciprocalRootEstimate8(s: Shape, a: bigint): Outcome {
    const [x] = this.flush(s, [a]) as [Decoded];
    if (x.kind === "nan") return this.done(this.nan(s, [x]));
    if (Reference.isZero(x)) {
      this.flags |= DIVIDE_BY_ZERO;
      return this.done(signBit(s, x.negative) | infinityBits(s));
    }
    if (x.negative) return this.done(this.invalid(s));
    if (x.kind === "infinity") return this.done(0n);
    const length = bitLength(x.integer);
    const e = length - 1n + x.exponent;
    const odd = e % 2n !== 0n;
    const leading = (x.integer << 9n) >> length;
    const middle = odd ? (((leading >> 1n) << 1n) + 1n) * 2n : (leading >> 1n) * 2n + 1n;
    let root = 512n;
    while (middle * (root + 1n) * (root + 1n) < 1n << 28n) root++;
    return this.done(this.encode(s, (root + 1n) / 2n, -8n - (odd ? e + 1n : e + 2n) / 2n));
  }

  reciprocalExponent(s: Shape, a: bigint): Outcome {
    const [x] = this.flush(s, [a]) as [Decoded];
    if (x.kind === "nan") return this.done(this.nan(s, [x]));
    const top = 2n * s.emax + 1n;
    const e = (x.bits >> fractionBits(s)) & top;
    return this.done(signBit(s, x.negative) | ((e === 0n ? top - 1n : top - e) << fractionBits(s)));
  }

  /** x86's approximations, which are here the host's own numbers: of 1 / a, or of its root. */
  approximation(s: Shape, a: bigint, root: boolean): Outcome {
    const x = decode(s, a);
    if (x.kind === "nan") return this.done(a | quietBit(s));
    const zero = x.kind === "number" && (x.denormal || x.integer === 0n);
    if (root && x.negative && !zero) return this.done(this.defaultNan(s));
    const value = zero ? (x.negative ? -0 : 0) : hostNumber(s, a);
    const bits = hostBits(s, 1 / (root ? Math.sqrt(value) : value));
    return this.done(decode(s, bits).denormal ? signBit(s, x.negative) : bits);
  }

  classify(s: Shape, a: bigint): Outcome {
    const x = decode(s, a);
    if (x.kind === "nan") return this.done(x.signaling ? 0x100n : 0x200n);
    const position = x.kind === "infinity" ? 0 : x.denormal ? 2 : x.integer === 0n ? 3 : 1;
    return this.done(1n << BigInt(x.negative ? position : 7 - position));
  }
}

const scratch = new DataView(new ArrayBuffer(8));

/** A number of f32 or f64 as the host's, and back, rounded. */
function hostNumber(s: Shape, bits: bigint): number {
  if (s.name === "f32") scratch.setUint32(0, Number(bits));
  else scratch.setBigUint64(0, bits);
  return s.name === "f32" ? scratch.getFloat32(0) : scratch.getFloat64(0);
}

function hostBits(s: Shape, value: number): bigint {
  if (s.name === "f32") scratch.setFloat32(0, value);
  else scratch.setFloat64(0, value);
  return s.name === "f32" ? BigInt(scratch.getUint32(0)) : scratch.getBigUint64(0);
}

const lesser = (a: bigint, b: bigint): bigint => (b < a ? b : a);

function integerRoot(n: bigint): bigint {
  let x = 1n << ((bitLength(n) + 1n) / 2n);
  for (;;) {
    const next = (x + n / x) / 2n;
    if (next >= x) return x;
    x = next;
  }
}
