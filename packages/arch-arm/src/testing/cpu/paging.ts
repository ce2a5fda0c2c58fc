// Translation for programs of qemu-system.ts.

/** Turns it on: Normal memory for EL1 and EL0, 2 MiB of code to read and of data to write at both, and the UART. */
export const PAGING = `
    ldr x0, =0x80803520
    msr tcr_el1, x0
    mov x0, #0xff00
    msr mair_el1, x0
    adr x0, level1
    msr ttbr0_el1, x0
    ldr x0, =0x30d5d985
    bic x0, x0, #0x80000
    orr x0, x0, #0x4000
    msr sctlr_el1, x0
    mov x0, #0x300000
    msr cpacr_el1, x0
    isb`;
/** The tables, which go behind the code. */
export const TABLES = `
  .balign 4096
  level1:
    .quad devices + 3, memory + 3, 0, 0
    .zero 4096 - 4 * 8
  devices:
    .zero 72 * 8
    .quad 0x09000401
    .zero 4096 - 73 * 8
  memory:
    .quad 0, 0x402007c5, 0, 0, 0x40800745
    .zero 4096 - 5 * 8
`;
