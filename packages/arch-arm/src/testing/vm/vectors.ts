import { STOP } from "./rig.js";

/**
 * Exceptions stop the program: ESR_EL1, FAR_EL1, ELR_EL1 and SPSR_EL1 are in x20 to x23, and in x24 is the vector: 0x200
 * from EL1, 0x400 from EL0.
 */
export const VECTORS = `
  adr x9, vectors; msr VBAR_EL1, x9; b go
  .align 2048
  vectors: nop
  .align 512
  li x24, 0x200; b caught
  .align 1024
  li x24, 0x400
  caught: mrs x20, ESR_EL1; mrs x21, FAR_EL1; mrs x22, ELR_EL1; mrs x23, SPSR_EL1
  ${STOP}
  go:
`;
