export {
  aarch64Stage1,
  aarch64Stage1Format,
  aarch64Stage2,
  aarch64Stage2Format,
} from "./aarch64.js";
export {
  type RiscvFormatOptions,
  riscvFormat,
  riscvGuestFormat,
  sv39,
  sv39x4,
  sv48,
  sv48x4,
  sv57,
  sv57x4,
} from "./riscv.js";
export { ept, x86_64 } from "./x86.js";
