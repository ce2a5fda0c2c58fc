// How far numbers of 80 bits are apart.

const MAX_EXPONENT = 0x7fffn;
const INTEGER_BIT = 1n << 63n;

/** Finite, and with the integer bit that its exponent asks for. */
export function isNumber(bits: bigint): boolean {
  const exponent = (bits >> 64n) & MAX_EXPONENT;
  return exponent === 0n || (exponent !== MAX_EXPONENT && (bits & INTEGER_BIT) !== 0n);
}

/** Place among all numbers: one more for the next one. */
function ordinal(bits: bigint): bigint {
  const exponent = (bits >> 64n) & MAX_EXPONENT;
  const significand = bits & ((1n << 64n) - 1n);
  const magnitude = exponent === 0n ? significand : (exponent - 1n) * INTEGER_BIT + significand;
  return bits >> 79n === 1n ? -magnitude : magnitude;
}

/** Units in the last place between two finite numbers. */
export function distance(a: bigint, b: bigint): bigint {
  const difference = ordinal(a) - ordinal(b);
  return difference < 0n ? -difference : difference;
}
