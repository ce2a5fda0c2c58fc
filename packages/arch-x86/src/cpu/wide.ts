// Values of 64 bits: the engine and the state have them in halves of 32 bits with a sign.

/** A value of 64 bits from its halves, unsigned. */
export const wide = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);

export const lowHalf = (value: bigint): number => Number(BigInt.asIntN(32, value));
export const highHalf = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));
