import { describe, expect, test } from "vitest";
import { PAGING, TABLES } from "../testing/cpu/paging.js";
import { runOnPe } from "../testing/cpu/program-on-pe.js";
import { haveQemuSystem, runOnQemu } from "../testing/cpu/qemu-system.js";

// Synchronous exceptions of instructions at each exception level, on QEMU's Cortex-A57 and on ours: where they go, ESR,
// ELR, FAR and SPSR.

/**
 * Instructions, each of which may go wrong. X19 is where to go on. Not here: what QEMU 7.2 does not do (alignment of the
 * stack pointer, traps of WFE, faults of cache maintenance), or not right (the syndrome of MSR DAIFSet at EL0).
 */
const ATTEMPTS: readonly string[] = [
  "svc #1",
  "hvc #2",
  "brk #4",
  "hlt #5",
  "udf #6",
  "mrs x0, spsr_el1",
  "msr spsel, #1",
  "mrs x0, daif",
  "mrs x0, hcr_el2",
  "mrs x0, ctr_el0",
  "mrs x0, cntpct_el0",
  "ic ivau, x21",
  "dc zva, x21",
  // Alignment.
  "add x0, x21, #1\n ldar x1, [x0]",
  "add x0, x21, #2\n stlr w1, [x0]",
  "add x0, x21, #4\n ldxr x1, [x0]",
  "add x0, x21, #8\n ldxp x1, x2, [x0]",
  "add x0, x21, #4\n casal x1, x2, [x0]",
  "add x0, x21, #3\n ldadd w1, w2, [x0]",
  // Program counter.
  "adr x0, .\n add x0, x0, #2\n br x0",
  "adr x0, .\n add x0, x0, #1\n blr x0",
  // Translation and permission.
  "ldr x0, [x22]",
  "str x0, [x22]",
  "ldrb w0, [x22, #7]",
  "stp x0, x1, [x22, #16]!",
  "ldr q0, [x22]",
  "ldxr x0, [x22]",
  "ldadd x0, x1, [x22]",
  "cas x0, x1, [x22]",
  "prfm pldl1keep, [x22]",
  "br x22",
  "str x0, [x23]",
  "ldr x0, [x23]",
  "ldset x0, x1, [x23]",
  "br x21",
  "ldr w0, [x24]",
  "str w0, [x24]",
  "ldtr x0, [x24]",
  "sttr x0, [x23]",
  "ldr x0, [x25]",
  "br x25",
];

/** Returns to AArch32, to a level that is no lower one, and to EL3. */
const illegalReturns = (level: number): string[] =>
  [0x1d, level === 2 ? 0x3ca : 0x3c9, 0x3cd].map(
    (spsr) =>
      `mov x0, #${spsr}\n msr spsr_el${level}, x0\n adr x1, 8f\n msr elr_el${level}, x1\n eret\n 8: nop`,
  );

interface Situation {
  readonly level: 0 | 1 | 2;
  readonly hcr?: string;
  readonly sctlr?: string;
  /** Instead of all. */
  readonly attempts?: readonly string[];
  /** Attempts that only make sense here. */
  readonly more?: readonly string[];
}

const SPSR = ["0x0", "0x345", "0x349"];

const program = ({
  level,
  hcr = "0x80000000",
  sctlr = "0",
  attempts = ATTEMPTS,
  more = [],
}: Situation): string => `
  _start:
    adr x0, vectors2
    msr vbar_el2, x0
    adr x0, vectors1
    msr vbar_el1, x0
    ${PAGING}
    mrs x0, sctlr_el1
    ldr x1, =${sctlr}
    eor x0, x0, x1
    msr sctlr_el1, x0
    ldr x0, =0x30c5183a
    bic x0, x0, #2
    msr sctlr_el2, x0
    ldr x0, =${hcr}
    msr hcr_el2, x0
    mov x0, #3
    msr cnthctl_el2, x0
    ldr x21, =BLOB
    mov sp, x21
    msr sp_el0, x21
    msr sp_el1, x21
    add x21, x21, #0x1000
    ldr x22, =0x60000000
    adr x23, _start
    ldr x24, =0x09010000
    ldr x25, =0x1234000000000000
    ldr x0, =${SPSR[level]}
    msr spsr_el2, x0
    adr x0, attempts
    msr elr_el2, x0
    eret
  .balign 4096
  attempts:
    ${[...attempts, ...(level === 0 ? ["eret"] : illegalReturns(level)), ...more].map((text) => `adr x19, 9f\n ${text}\n 9:`).join("\n    ")}
    // The end: nobody gets by this.
    mov x19, #0
    ${["svc #0xfff", "hvc #0xfff", "hvc #0xfff"][level]}
  .ltorg
  .macro record el
    mrs x0, esr_el\\el
    mrs x1, elr_el\\el
    mrs x2, far_el\\el
    mrs x3, spsr_el\\el
    // The high bits of the record tell the level.
    orr x0, x0, #(\\el << 60)
    lsr w4, w0, #26
    // FAR is there for aborts and for an unaligned program counter.
    sub w5, w4, #0x20
    cmp w5, #6
    csel x2, x2, xzr, lo
    dump x0
    dump x1
    dump x2
    dump x3
    cbz x19, finished
    msr elr_el\\el, x19
    // Whatever happened, it goes on at its level.
    ldr x0, =${SPSR[level]}
    msr spsr_el\\el, x0
    msr sp_el0, x21
    eret
  .endm
  .balign 2048
  vectors1:
  .rept 16
    b from1
    .balign 128
  .endr
  vectors2:
  .rept 16
    b from2
    .balign 128
  .endr
  from1:
    record 1
  from2:
    record 2
  finished:
    stop
  .ltorg
  ${TABLES}
`;

const SITUATIONS: Readonly<Record<string, Situation>> = {
  "at EL0": { level: 0 },
  "at EL1": { level: 1 },
  // Without translation memory is Device memory, where DC ZVA faults; QEMU lets it by.
  "at EL2": { level: 2, attempts: ATTEMPTS.filter((text) => !text.startsWith("dc zva")) },
  "at EL0 with all checks": { level: 0, sctlr: "0x1a" },
  "at EL1 with all checks": { level: 1, sctlr: "0x1a" },
  "at EL0 without what SCTLR_EL1 allows": { level: 0, sctlr: "0x5c000", more: ["wfi"] },
  // TGE turns the first stage off, which QEMU does not do.
  "at EL0 with HCR_EL2.TGE": { level: 0, hcr: "0x88000000", attempts: ATTEMPTS.slice(0, 9) },
  "at EL1 with HCR_EL2.TSC and TWI": { level: 1, hcr: "0x80082000", more: ["wfi", "mov w0, #0\n smc #3"] },
  "at EL0 with HCR_EL2.TWI, TPU and TDZ": { level: 0, hcr: "0x91002000", more: ["wfi"] },
  "at EL1 with HCR_EL2.HCD": { level: 1, hcr: "0xa0000000" },
};

const RECORD = 32;
const BTYPE = 0xc00n;
const EC = 0xfc00_0000n;
const DATA_ABORT_SAME = 0x25n << 26n;
/** ISV, SAS, SSE, SRT, SF and AR of the syndrome. */
const ACCESS = 0x01ff_c000n;
const records = (output: Uint8Array): string[] =>
  Array.from({ length: Math.floor(output.length / RECORD) }, (_, i) => {
    const view = new DataView(output.buffer, i * RECORD, RECORD);
    const values = [0, 8, 16, 24].map((at) => view.getBigUint64(at, true));
    // This QEMU has FEAT_BTI.
    values[3] = values[3]! & ~BTYPE;
    // It describes accesses of EL2 itself, too.
    if (values[0]! >> 60n === 2n && (values[0]! & EC) === DATA_ABORT_SAME) values[0] = values[0]! & ~ACCESS;
    const [esr, elr, far, spsr] = values.map((value) => value.toString(16));
    return `esr ${esr} elr ${elr} far ${far} spsr ${spsr}`;
  });

describe.skipIf(!haveQemuSystem())("exceptions are QEMU's", () => {
  test.each(Object.keys(SITUATIONS))("%s", (name) => {
    const source = program(SITUATIONS[name]!);
    const ours = records(runOnPe(source));
    expect(ours.length).toBeGreaterThan(10);
    expect(ours).toEqual(records(runOnQemu(source, undefined, "max")));
  });
});
