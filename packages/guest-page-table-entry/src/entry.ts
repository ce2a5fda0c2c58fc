import type { DecodedField, GenericPte, PteField, PteKind } from "./pte.js";

/** The 64 bits of the entry at `words[index]`. For people and tests: bigint is slow. */
export function rawEntry(words: Uint32Array, index: number): bigint {
  return (BigInt(words[index + 1]!) << 32n) | BigInt(words[index]!);
}

/** Stores 64 raw bits as the entry at `words[index]`. */
export function setRawEntry(words: Uint32Array, index: number, raw: bigint): void {
  words[index] = Number(BigInt.asUintN(32, raw));
  words[index + 1] = Number(BigInt.asUintN(32, raw >> 32n));
}

/** The value of a field of up to 52 bits at any place in an entry. */
export function fieldValue(words: Uint32Array, index: number, bit: number, width: number): number {
  const mask = width < 32 ? (1 << width) - 1 : -1;
  if (bit + width <= 32) return ((words[index]! >>> bit) & mask) >>> 0;
  if (bit >= 32) return ((words[index + 1]! >>> (bit - 32)) & mask) >>> 0;
  return Number(BigInt.asUintN(width, rawEntry(words, index) >> BigInt(bit)));
}

/** Every named part of an entry with its value, lowest bit first. */
export function decodeFields(
  pte: GenericPte,
  words: Uint32Array,
  index: number,
  kind: PteKind,
): DecodedField[] {
  return pte.fields(kind).map((field) => {
    const value = fieldValue(words, index, field.bit, field.width);
    const meaning = field.values?.[value];
    return meaning === undefined ? { ...field, value } : { ...field, value, meaning };
  });
}

/** A field of one bit per name, in order from `bit` on. */
export function bits(bit: number, ...names: readonly string[]): PteField[] {
  return names.map((name, offset) => ({ name, bit: bit + offset, width: 1 }));
}
