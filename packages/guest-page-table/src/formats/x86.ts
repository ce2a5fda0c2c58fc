import { eptPte, x86_64Pte } from "@hypercraft/guest-page-table-entry";
import { type GuestPageTableFormat, type PageTableFormat, radixLevels } from "../format.js";

/** x86-64 4-level paging (Intel SDM 3A). The token is CR3; its id is the PCID (12 bits). */
export const x86_64: PageTableFormat = {
  name: "x86-64",
  stage: 1,
  pte: x86_64Pte,
  levels: radixLevels(48, ["PML4E", "PDPTE", "PDE", "PTE"], 3),
  rootPages: 1,
  inputBits: 48,
  outputBits: 52,
  addressRule: "sign",
  token: (root, id = 0) => BigInt(root) | BigInt(id),
};

/**
 * Extended page tables with 4 levels (Intel SDM 3C). The token is the EPTP: write-back walks (6 in bits 2:0), walk length
 * minus one (3 in bits 5:3), accessed and dirty flags off. It holds no identifier: the VPID has a field of its own.
 */
export const ept: GuestPageTableFormat = {
  name: "EPT",
  stage: 2,
  pte: eptPte,
  levels: radixLevels(48, ["EPT PML4E", "EPT PDPTE", "EPT PDE", "EPT PTE"], 3),
  rootPages: 1,
  inputBits: 48,
  outputBits: 52,
  addressRule: "zero",
  token: (root) => BigInt(root) | (3n << 3n) | 6n,
};
