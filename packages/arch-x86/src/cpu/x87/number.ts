// Numbers in the double extended-precision format: SDM volume 1, 4.2.2 and 8.2.2.

/** A number as a register holds it. */
export interface Float80 {
  readonly sign: 0 | 1;
  /** Biased, 0..0x7fff. */
  readonly exponent: number;
  /** 64 bits; the integer bit is bit 63. */
  readonly significand: bigint;
}

export const BIAS = 16383;
export const MAX_EXPONENT = 0x7fff;
export const INTEGER_BIT = 1n << 63n;
const QUIET_BIT = 1n << 62n;

/**
 * What a number is. Denormal ones include pseudo-denormals; unsupported ones (pseudo-NaNs, pseudo-infinities,
 * unnormals) lack the integer bit that their exponent asks for.
 */
export type Kind = "zero" | "denormal" | "normal" | "infinity" | "quiet" | "signaling" | "unsupported";

export function kindOf({ exponent, significand }: Float80): Kind {
  if (exponent === 0) return significand === 0n ? "zero" : "denormal";
  if (significand < INTEGER_BIT) return "unsupported";
  if (exponent < MAX_EXPONENT) return "normal";
  if (significand === INTEGER_BIT) return "infinity";
  return (significand & QUIET_BIT) !== 0n ? "quiet" : "signaling";
}

export const isNaN80 = (kind: Kind): boolean => kind === "quiet" || kind === "signaling";

/** The answer to invalid operations. */
export const INDEFINITE: Float80 = { sign: 1, exponent: MAX_EXPONENT, significand: 3n << 62n };
export const ZERO: Float80 = { sign: 0, exponent: 0, significand: 0n };
export const ONE: Float80 = { sign: 0, exponent: BIAS, significand: INTEGER_BIT };

export const zero = (sign: 0 | 1): Float80 => ({ sign, exponent: 0, significand: 0n });
export const infinity = (sign: 0 | 1): Float80 => ({
  sign,
  exponent: MAX_EXPONENT,
  significand: INTEGER_BIT,
});
export const quieted = (x: Float80): Float80 => ({ ...x, significand: x.significand | QUIET_BIT });
export const negated = (x: Float80): Float80 => ({ ...x, sign: x.sign === 0 ? 1 : 0 });
export const withSign = (x: Float80, sign: 0 | 1): Float80 => ({ ...x, sign });

/** The sign of a product. */
export const signOf = (x: Float80, y: Float80): 0 | 1 => (x.sign === y.sign ? 0 : 1);

/** A finite number exactly: magnitude `m` times 2 to the `q`. */
export interface Exact {
  readonly m: bigint;
  readonly q: number;
}

/** A finite number; one that is not zero has 64 significant bits. */
export function exact({ exponent, significand }: Float80): Exact {
  const q = Math.max(exponent, 1) - BIAS - 63;
  if (significand >= INTEGER_BIT || significand === 0n) return { m: significand, q };
  const shift = 64 - bitLength(significand);
  return { m: significand << BigInt(shift), q: q - shift };
}

const LIMIT_64 = 1n << 64n;
const LIMIT_128 = 1n << 128n;

/** Number of bits up to the highest that is set. */
export function bitLength(value: bigint): number {
  if (value < LIMIT_64) return bitLength64(value);
  if (value < LIMIT_128) return 64 + bitLength64(value >> 64n);
  const digits = value.toString(16);
  return 4 * digits.length - (Math.clz32(Number.parseInt(digits[0] as string, 16)) - 28);
}

function bitLength64(value: bigint): number {
  const high = Number(value >> 32n);
  return high === 0 ? 32 - Math.clz32(Number(value)) : 64 - Math.clz32(high);
}
