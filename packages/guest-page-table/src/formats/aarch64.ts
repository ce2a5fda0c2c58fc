import { aarch64Stage1Pte, aarch64Stage2Pte } from "@hypercraft/guest-page-table-entry";
import { type GuestPageTableFormat, type PageTableFormat, radixLevels } from "../format.js";

// Arm ARM (DDI 0487), chapter D8: VMSAv8-64 with the 4 KiB granule and 48-bit addresses. Level 0 resolves bits 47:39,
// level 3 bits 20:12; blocks stand at levels 1 and 2.

function levelNames(startLevel: number): string[] {
  return ["level 0", "level 1", "level 2", "level 3"].slice(startLevel);
}

const token = (root: number, id = 0): bigint => (BigInt(id) << 48n) | BigInt(root);

/**
 * Stage 1 for `inputBits` = 64 - T0SZ (25 to 48). The token is TTBR0_EL1 or TTBR1_EL1; its id is the ASID (16 bits).
 * Throws RangeError for other widths.
 */
export function aarch64Stage1Format(inputBits: number): PageTableFormat {
  if (!Number.isInteger(inputBits) || inputBits < 25 || inputBits > 48) {
    throw new RangeError(`AArch64 stage 1 takes 25 to 48 input bits, not ${inputBits}`);
  }
  const startLevel = 4 - Math.ceil((inputBits - 12) / 9);
  return {
    name: inputBits === 48 ? "AArch64 stage 1" : `AArch64 stage 1, ${inputBits} bits`,
    stage: 1,
    pte: aarch64Stage1Pte,
    levels: radixLevels(inputBits, levelNames(startLevel), 3),
    rootPages: 1,
    inputBits,
    outputBits: 48,
    addressRule: "zero-or-one",
    token,
  };
}

/**
 * Stage 2 for `inputBits` = 64 - VTCR_EL2.T0SZ, starting at `startLevel` (VTCR_EL2.SL0 = 2 - startLevel). Where the start
 * level has more than 9 bits to resolve, its tables are concatenated: up to 16 of them at level 1 or 2, none at level 0.
 * The token is VTTBR_EL2; its id is the VMID (8 or 16 bits). Throws RangeError for combinations that do not exist.
 */
export function aarch64Stage2Format(inputBits: number, startLevel: 0 | 1 | 2): GuestPageTableFormat {
  const rootBits = inputBits - (39 - 9 * startLevel);
  if (!Number.isInteger(inputBits) || rootBits < 1 || rootBits > (startLevel === 0 ? 9 : 13)) {
    throw new RangeError(`AArch64 stage 2 has no start level ${startLevel} for ${inputBits} input bits`);
  }
  return {
    name: `AArch64 stage 2, ${inputBits} bits from level ${startLevel}`,
    stage: 2,
    pte: aarch64Stage2Pte,
    levels: radixLevels(inputBits, levelNames(startLevel), 3),
    rootPages: rootBits <= 9 ? 1 : 2 ** (rootBits - 9),
    inputBits,
    outputBits: 48,
    addressRule: "zero",
    token,
  };
}

/** 48 bits from level 0 (T0SZ 16). */
export const aarch64Stage1: PageTableFormat = aarch64Stage1Format(48);

/** 40 bits from level 1 (T0SZ 24, SL0 1): two concatenated root tables. */
export const aarch64Stage2: GuestPageTableFormat = aarch64Stage2Format(40, 1);
