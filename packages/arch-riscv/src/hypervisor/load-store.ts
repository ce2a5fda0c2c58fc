import { expandAccess } from "../cpu/trap-instruction.js";

/** A load or store as an exit describes it. */
export interface LoadStore {
  readonly store: boolean;
  readonly width: 1 | 2 | 4 | 8;
  /** A load that sign-extends to 64 bits; those of 8 bytes and the floating-point ones have nothing to extend. */
  readonly signed: boolean;
  /** Number of the register that is loaded or stored. */
  readonly reg: number;
  /** It is a floating-point register. */
  readonly float: boolean;
}

/**
 * Decode a load or store of any width and form, or undefined for another instruction. `bits` is the
 * instruction as fetched (16 bits of it if compressed) or a transformed one from htinst, where bit 1 is
 * clear if the original was compressed (hypervisor chapter, "Transformed Instruction").
 */
export function decodeLoadStore(bits: number, transformed: boolean): LoadStore | undefined {
  if (transformed) return standard(bits | 2);
  return standard((bits & 3) === 3 ? bits : expandAccess(bits & 0xffff));
}

function standard(bits: number): LoadStore | undefined {
  const funct3 = (bits >>> 12) & 7;
  const width = (1 << (funct3 & 3)) as 1 | 2 | 4 | 8;
  const [rd, rs2] = [(bits >>> 7) & 31, (bits >>> 20) & 31];
  const single = funct3 === 2 || funct3 === 3;
  switch (bits & 0x7f) {
    case 0x03:
      if (funct3 === 7) return undefined;
      return { store: false, width, signed: funct3 < 3, reg: rd, float: false };
    case 0x07:
      return single ? { store: false, width, signed: false, reg: rd, float: true } : undefined;
    case 0x23:
      return funct3 > 3 ? undefined : { store: true, width, signed: false, reg: rs2, float: false };
    case 0x27:
      return single ? { store: true, width, signed: false, reg: rs2, float: true } : undefined;
    default:
      return undefined;
  }
}
