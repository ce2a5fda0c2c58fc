import type { DeviceWidth } from "./contracts.js";

// Values of a few bytes, unsigned and little-endian, as registers and tables have them.

/** What reads where nothing answers. */
export const allOnes = (width: DeviceWidth): number => 2 ** (8 * width) - 1;

/** A number below 2^53 in so many bytes. */
export const le = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);

/** A value of a view. Throws RangeError where it is not all in it. */
export function readValue(view: DataView, offset: number, width: DeviceWidth): number {
  if (width === 1) return view.getUint8(offset);
  return width === 2 ? view.getUint16(offset, true) : view.getUint32(offset, true);
}
