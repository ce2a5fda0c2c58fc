export { aarch64Stage1Pte } from "./aarch64-stage1.js";
export { aarch64Stage2Pte } from "./aarch64-stage2.js";
export { decodeFields, fieldValue, rawEntry, setRawEntry } from "./entry.js";
export { eptPte } from "./ept.js";
export { ACCESS_FLAGS, ALL_FLAGS, formatFlags, MappingFlags } from "./flags.js";
export type {
  Access,
  DecodedField,
  Denial,
  GenericPte,
  PathDenial,
  PteField,
  PteKind,
} from "./pte.js";
export { type RiscvPteOptions, riscvGStagePte, riscvPte, riscvStage1Pte } from "./riscv.js";
export { x86_64Pte } from "./x86-64.js";
