/** SH of Device memory and of what is cached nowhere. */
export const OUTER_SHAREABLE = 2;
const INNER_SHAREABLE = 3;
/** A byte of MAIR, outer attributes above inner ones: Normal non-cacheable. */
const NON_CACHEABLE = 0x44;
/** Half a byte of it. */
const NON_CACHEABLE_HALF = 4;
/** MemAttr of the second stage, by half: non-cacheable, write-through. */
const S2_NON_CACHEABLE = 1;
const S2_WRITE_THROUGH = 2;

/** Memory attributes as PAR_EL1 has them: a byte of MAIR, and SH. */
export interface MemoryAttributes {
  readonly attributes: number;
  readonly shareability: number;
}

/** Is a byte of MAIR for Device memory? */
function isDevice(attributes: number): boolean {
  return (attributes & 0xf0) === 0;
}

/** Device memory and what no cache holds is shared by all. */
export function effective(attributes: number, shareability: number): MemoryAttributes {
  const shared = isDevice(attributes) || attributes === NON_CACHEABLE;
  return { attributes, shareability: shared ? OUTER_SHAREABLE : shareability };
}

/**
 * What both stages make together (Arm ARM, "Combining the stage 1 and stage 2 attributes"): of type, cacheability and
 * shareability the stricter one. `leaf`: bits 11..2 of the second stage's descriptor, in their places.
 */
export function combine(attributes: number, shareability: number, leaf: number): MemoryAttributes {
  const memAttr = (leaf >>> 2) & 15;
  const outer = memAttr >>> 2;
  const both = [shareability, (leaf >>> 8) & 3];
  const shared = [OUTER_SHAREABLE, INNER_SHAREABLE].find((sh) => both.includes(sh)) ?? 0;
  if (outer === 0) {
    const device = (memAttr & 3) << 2;
    return effective(isDevice(attributes) ? Math.min(attributes & 12, device) : device, shared);
  }
  if (isDevice(attributes)) return effective(attributes, shared);
  const upper = combineHalf(attributes >>> 4, outer);
  return effective((upper << 4) | combineHalf(attributes & 15, memAttr & 3), shared);
}

/** Cacheability; hints of allocation, and that they are transient, are the first stage's. */
function combineHalf(first: number, second: number): number {
  if (first === NON_CACHEABLE_HALF || second === S2_NON_CACHEABLE) return NON_CACHEABLE_HALF;
  if (second !== S2_WRITE_THROUGH) return first;
  // Write-back becomes write-through: 11RW to 10RW, and the transient 01RW to 00RW.
  return first & ~4;
}
