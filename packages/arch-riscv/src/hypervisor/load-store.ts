/** A load or store as an exit describes it. */
export interface LoadStore {
  readonly store: boolean;
  readonly width: 1 | 2 | 4 | 8;
  /** Loads: sign-extended (the floating-point ones are not). */
  readonly signed: boolean;
  /** Register number; -1 for a floating-point register. */
  readonly reg: number;
}

/**
 * Decode a load or store of any width and form, or undefined for another instruction. `bits` is the
 * instruction as fetched (16 bits of it if compressed) or a transformed one from htinst, where bit 1 is
 * clear if the original was compressed (hypervisor chapter, "Transformed Instruction").
 */
export function decodeLoadStore(bits: number, transformed: boolean): LoadStore | undefined {
  if (transformed) return standard(bits | 2);
  return (bits & 3) === 3 ? standard(bits) : compressed(bits & 0xffff);
}

function standard(bits: number): LoadStore | undefined {
  const funct3 = (bits >>> 12) & 7;
  const width = (1 << (funct3 & 3)) as 1 | 2 | 4 | 8;
  switch (bits & 0x7f) {
    case 0x03:
      return funct3 === 7 ? undefined : { store: false, width, signed: funct3 < 4, reg: (bits >>> 7) & 31 };
    case 0x07:
      return funct3 < 2 || funct3 > 3 ? undefined : { store: false, width, signed: false, reg: -1 };
    case 0x23:
      return funct3 > 3 ? undefined : { store: true, width, signed: false, reg: (bits >>> 20) & 31 };
    case 0x27:
      return funct3 < 2 || funct3 > 3 ? undefined : { store: true, width, signed: false, reg: -1 };
    default:
      return undefined;
  }
}

/** c.lw, c.ld, c.fld, c.sw, c.sd, c.fsd and their stack-pointer forms. */
function compressed(bits: number): LoadStore | undefined {
  const funct3 = bits >>> 13;
  const quadrant = bits & 3;
  // In both quadrants: 1 fld, 2 lw, 3 ld, 5 fsd, 6 sw, 7 sd.
  if (quadrant === 1 || quadrant === 3 || funct3 === 0 || funct3 === 4) return undefined;
  const store = funct3 > 4;
  const kind = funct3 & 3;
  const width = kind === 2 ? 4 : 8;
  const full = store ? (bits >>> 2) & 31 : (bits >>> 7) & 31;
  const reg = quadrant === 0 ? 8 + ((bits >>> 2) & 7) : full;
  return { store, width, signed: !store && kind !== 1, reg: kind === 1 ? -1 : reg };
}
