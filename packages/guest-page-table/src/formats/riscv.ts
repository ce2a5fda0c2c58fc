import { riscvPte } from "@hypercraft/guest-page-table-entry";
import { type GuestPageTableFormat, type PageTableFormat, radixLevels } from "../format.js";

// RISC-V privileged architecture: "Sv39/Sv48/Sv57" and, for the G-stage, "Sv39x4/Sv48x4/Sv57x4". A leaf may stand at
// every level. The MODE field of satp and of hgatp counts from Sv39 = 8.

/** What a hart offers to table formats. */
export interface RiscvFormatOptions {
  /** The hart has Svpbmt, so that DEVICE mappings can say so. */
  readonly svpbmt?: boolean;
}

function levelNames(levels: number): string[] {
  return Array.from({ length: levels }, (_, index) => `level ${levels - 1 - index}`);
}

function token(levels: number, root: number, id: number): bigint {
  return (BigInt(levels + 5) << 60n) | (BigInt(id) << 44n) | BigInt(root / 4096);
}

/** Sv39, Sv48 or Sv57, for 3, 4 or 5 levels. The token is satp; its id is the ASID (16 bits). */
export function riscvFormat(levels: 3 | 4 | 5, options: RiscvFormatOptions = {}): PageTableFormat {
  const inputBits = 12 + 9 * levels;
  return {
    name: `Sv${inputBits}`,
    stage: 1,
    pte: riscvPte(options),
    levels: radixLevels(inputBits, levelNames(levels), levels),
    rootPages: 1,
    inputBits,
    outputBits: 56,
    addressRule: "sign",
    token: (root, id = 0) => token(levels, root, id),
  };
}

/**
 * Sv39x4, Sv48x4 or Sv57x4, for 3, 4 or 5 levels: two more input bits than the first stage, zero-extended, and a root of
 * 2048 entries in 16 KiB. The token is hgatp; its id is the VMID (14 bits).
 */
export function riscvGuestFormat(levels: 3 | 4 | 5, options: RiscvFormatOptions = {}): GuestPageTableFormat {
  const inputBits = 12 + 9 * levels + 2;
  return {
    name: `Sv${inputBits - 2}x4`,
    stage: 2,
    pte: riscvPte({ ...options, gStage: true }),
    levels: radixLevels(inputBits, levelNames(levels), levels),
    rootPages: 4,
    inputBits,
    outputBits: 56,
    addressRule: "zero",
    token: (root, id = 0) => token(levels, root, id),
  };
}

export const sv39: PageTableFormat = riscvFormat(3);
export const sv48: PageTableFormat = riscvFormat(4);
export const sv57: PageTableFormat = riscvFormat(5);
export const sv39x4: GuestPageTableFormat = riscvGuestFormat(3);
export const sv48x4: GuestPageTableFormat = riscvGuestFormat(4);
export const sv57x4: GuestPageTableFormat = riscvGuestFormat(5);
