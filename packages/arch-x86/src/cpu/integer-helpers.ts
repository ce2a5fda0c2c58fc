// What integer instructions leave to helpers. 64-bit values are bigints, unsigned.

const MASK_64 = (1n << 64n) - 1n;

/** PDEP: the low bits of `source` go, in order, to the places that `mask` has set. */
export function depositBits(source: bigint, mask: bigint): bigint {
  let result = 0n;
  let rest = source;
  for (let places = mask; places !== 0n; places &= places - 1n) {
    if ((rest & 1n) !== 0n) result |= places & -places;
    rest >>= 1n;
  }
  return result;
}

/** PEXT: the bits of `source` at the places that `mask` has set, side by side. */
export function extractBits(source: bigint, mask: bigint): bigint {
  let result = 0n;
  let bit = 1n;
  for (let places = mask; places !== 0n; places &= places - 1n) {
    if ((source & places & -places) !== 0n) result |= bit;
    bit <<= 1n;
  }
  return result;
}

/** DIV of 128 by 64 bits; undefined where the quotient does not fit (#DE). `divisor` is not 0. */
export function divideUnsigned(
  high: bigint,
  low: bigint,
  divisor: bigint,
): { readonly quotient: bigint; readonly remainder: bigint } | undefined {
  const dividend = (high << 64n) | low;
  const quotient = dividend / divisor;
  return quotient > MASK_64 ? undefined : { quotient, remainder: dividend % divisor };
}

/** IDIV of 128 by 64 bits, all of it as unsigned bit patterns; undefined where the quotient does not fit (#DE). */
export function divideSigned(
  high: bigint,
  low: bigint,
  divisor: bigint,
): { readonly quotient: bigint; readonly remainder: bigint } | undefined {
  const dividend = BigInt.asIntN(128, (high << 64n) | low);
  const by = BigInt.asIntN(64, divisor);
  const quotient = dividend / by;
  if (quotient !== BigInt.asIntN(64, quotient)) return undefined;
  return { quotient: quotient & MASK_64, remainder: (dividend % by) & MASK_64 };
}
