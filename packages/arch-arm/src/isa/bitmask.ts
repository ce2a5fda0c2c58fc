// Logical immediates: a run of ones, rotated, repeated in elements of 2 to 64 bits. Arm ARM, DecodeBitMasks.

/** The immediate of N:immr:imms (13 bits) for 64 or 32 bits; undefined if the encoding is reserved. */
export function decodeBitmask(encoded: number, wide: boolean): bigint | undefined {
  const n = (encoded >> 12) & 1;
  const rotation = (encoded >> 6) & 0x3f;
  const ones = encoded & 0x3f;
  if (n === 1 && !wide) return undefined;
  const length = 31 - Math.clz32((n << 6) | (~ones & 0x3f));
  if (length < 1) return undefined;
  const size = 1 << length;
  const last = ones & (size - 1);
  if (last === size - 1) return undefined;
  const element = rotateRight((1n << BigInt(last + 1)) - 1n, rotation & (size - 1), size);
  let result = 0n;
  for (let at = 0; at < (wide ? 64 : 32); at += size) result |= element << BigInt(at);
  return result;
}

function rotateRight(value: bigint, by: number, size: number): bigint {
  const rotated = (value >> BigInt(by)) | (value << BigInt(size - by));
  return BigInt.asUintN(size, rotated);
}
