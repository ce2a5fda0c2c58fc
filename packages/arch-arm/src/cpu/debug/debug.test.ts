import type { Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { PAGING, TABLES } from "../../testing/cpu/paging.js";
import { runOnPe } from "../../testing/cpu/program-on-pe.js";
import { haveQemuSystem, runOnQemu } from "../../testing/cpu/qemu-system.js";

// Self-hosted debug as programs see it: the debugger is at EL1 or EL2 and writes one record per exception, on a PE of
// ours and on QEMU's.

/** Bytes of a record: ESR, ELR, FAR, SPSR. */
const RECORD = 32;

/**
 * `debugger` handles exceptions from the debuggee, which runs at the level below: x20 counts them, and after each it
 * does what `next` says, with ELR in x1 and SPSR in x3. BRK 0xfff ends the program.
 */
interface Subject {
  readonly target: 1 | 2;
  readonly level: 0 | 1;
  readonly setUp: string;
  readonly code: string;
  readonly next: string;
  readonly spsr?: string;
}

const program = ({ target, level, setUp, code, next, spsr = "0x200000" }: Subject): string => `
  .equ SS, 0x200000
  _start:
    adr x0, vectors
    msr vbar_el1, x0
    msr vbar_el2, x0
    mov x0, #0x80000000
    msr hcr_el2, x0
    ${PAGING}
    msr oslar_el1, xzr
    msr mdscr_el1, xzr
    ${target === 2 ? "mov x0, #0x100\n    msr mdcr_el2, x0" : ""}
    ${target === 1 ? "adr x0, debugger\n    msr elr_el2, x0\n    mov x0, #0x3c5\n    msr spsr_el2, x0\n    eret" : ""}
  debugger:
    mov x20, #0
    mov x21, BLOB
    ${setUp}
    adr x0, debuggee
    msr elr_el${target}, x0
    ldr x0, =(${spsr} | ${level === 0 ? "0x0" : "0x5"})
    msr spsr_el${target}, x0
    isb
    eret
  .ltorg
  .balign 4096
  debuggee:
    ${code}
    brk #0xfff
  .balign 2048
  vectors:
  .rept 16
    b handler
    .balign 128
  .endr
  handler:
    mrs x0, esr_el${target}
    mrs x1, elr_el${target}
    mrs x2, far_el${target}
    mrs x3, spsr_el${target}
    lsr x4, x0, #26
    mov w5, #0xfff
    movk w5, #0xf200, lsl #16
    cmp w0, w5
    b.eq finished
    // FAR means something for watchpoints and aborts only.
    and x5, x4, #0x3e
    cmp x5, #0x34
    csel x2, x2, xzr, eq
    dump x0
    dump x1
    dump x2
    dump x3
    add x20, x20, #1
    cmp x20, #60
    b.eq finished
    ${next}
    msr elr_el${target}, x1
    msr spsr_el${target}, x3
    isb
    eret
  ${TABLES}
  finished:
    dump x0
    dump x1
    dump x20
    dump x3
    stop
`;

const records = (output: Uint8Array): string[] =>
  Array.from({ length: output.length / RECORD }, (_, i) => {
    const view = new DataView(output.buffer, i * RECORD, RECORD);
    const [esr, elr, far, spsr] = [0, 8, 16, 24].map((at) => view.getBigUint64(at, true).toString(16));
    return `esr ${esr} elr ${elr} far ${far} spsr ${spsr}`;
  });

const WATCH = (n: number, address: string, control: string): string => `
  ldr x0, =${address}
  msr dbgwvr${n}_el1, x0
  ldr x0, =${control}
  msr dbgwcr${n}_el1, x0`;
const BREAK = (n: number, address: string, control: string): string => `
  ldr x0, =${address}
  msr dbgbvr${n}_el1, x0
  ldr x0, =${control}
  msr dbgbcr${n}_el1, x0`;
const MDSCR = (value: string): string => `
  mov x0, #${value}
  msr mdscr_el1, x0
  isb`;
const MDE = MDSCR("0x8000");
/** Go on behind the instruction. */
const SKIP = "add x1, x1, #4";
/** One more step. */
const STEP = "orr x3, x3, #SS";

/**
 * Loads and stores of all sizes around BLOB + 0x100. Not here: unaligned ones, which QEMU looks at as two aligned ones,
 * and STXR, which it does not look at if it fails.
 */
const ACCESSES = `
  add x21, x21, #0x100
  ldrb w1, [x21]
  ldrb w1, [x21, #3]
  ldrh w1, [x21, #2]
  ldr w1, [x21, #4]
  ldr x1, [x21, #-8]
  strb w1, [x21, #5]
  str w1, [x21, #8]
  str x1, [x21]
  stp x1, x2, [x21, #-8]
  ldp x1, x2, [x21, #-16]
  ldp x1, x2, [x21, #8]
  ldr q0, [x21, #-8]
  ldxr x1, [x21]
  ldtr x1, [x21]
  sttrb w1, [x21, #7]
  dc zva, x21
  dc civac, x21
  prfm pldl1keep, [x21]`;

/** BT, LBN, SSC, HMC, PMC, E. */
const bcr = (type: number, { lbn = 0, state = 2 } = {}): string =>
  `0x${((type << 20) | (lbn << 16) | 0x1e0 | (state << 1) | 1).toString(16)}`;
const wcr = (bas: number, lsc: number, { state = 2, mask = 0, linked = -1 } = {}): string =>
  `0x${((mask << 24) | (linked < 0 ? 0 : (1 << 20) | (linked << 16)) | (bas << 5) | (lsc << 3) | (state << 1) | 1).toString(16)}`;

const EL0: Pick<Subject, "target" | "level"> = { target: 1, level: 0 };
const CALLS = `
  mov x5, #1
  bl 2f
  add x5, x5, #1
  b 3f
2: add x5, x5, #2
  ret
3: ldxr x6, [x21]
  ldaxp x6, x7, [x21]
  ldxrb w6, [x21]
  ldar x6, [x21]
  cbnz x5, 4f
  nop
4: nop`;

const SUBJECTS: Readonly<Record<string, Subject>> = {
  "steps over branches, calls and exclusive loads": {
    ...EL0,
    setUp: MDSCR("1"),
    code: CALLS,
    next: STEP,
  },
  "a step that begins pending": { ...EL0, spsr: "0", setUp: MDSCR("1"), code: CALLS, next: STEP },
  "steps without MDSCR_EL1.SS": { ...EL0, setUp: MDSCR("0"), code: CALLS, next: STEP },
  "steps at EL1 for EL2": { target: 2, level: 1, setUp: MDSCR("1"), code: CALLS, next: STEP },
  "steps of EL0 for EL2": { target: 2, level: 0, setUp: MDSCR("1"), code: CALLS, next: STEP },
  "steps of instructions that trap": {
    ...EL0,
    setUp: MDSCR("1"),
    code: "nop\n brk #7\n mrs x0, esr_el1\n wfi\n wfe\n ldr x1, [x19]\n nop",
    next: `${STEP}
      lsr x4, x0, #26
      cmp x4, #0x33
      and x5, x4, #0x3e
      cmp x5, #0x32
      b.eq 1f
      add x1, x1, #4
      1:`,
  },
  "a breakpoint": {
    ...EL0,
    setUp: BREAK(0, "debuggee + 8", bcr(0)) + MDE,
    code: "nop\n nop\n nop\n nop",
    next: SKIP,
  },
  "breakpoints in a loop": {
    ...EL0,
    setUp: BREAK(0, "debuggee + 4", bcr(0)) + BREAK(3, "debuggee + 8", bcr(0)) + MDE,
    code: "mov x5, #5\n 1: nop\n nop\n sub x5, x5, #1\n cbnz x5, 1b",
    next: SKIP,
  },
  "a breakpoint of another level": {
    ...EL0,
    setUp: BREAK(0, "debuggee + 4", bcr(0, { state: 1 })) + MDE,
    code: "nop\n nop",
    next: SKIP,
  },
  "a breakpoint without MDSCR_EL1.MDE": {
    ...EL0,
    setUp: BREAK(0, "debuggee + 4", bcr(0)) + MDSCR("0"),
    code: "nop\n nop",
    next: SKIP,
  },
  "breakpoints at EL1 for EL2": {
    target: 2,
    level: 1,
    setUp:
      BREAK(0, "debuggee + 4", bcr(0, { state: 1 })) + BREAK(1, "debuggee + 12", bcr(0, { state: 3 })) + MDE,
    code: "nop\n nop\n nop\n nop\n nop",
    next: SKIP,
  },
  "a breakpoint that is linked to a context": {
    ...EL0,
    setUp: `mov x0, #0x55\n msr contextidr_el1, x0 ${BREAK(4, "0x55", bcr(3))} ${BREAK(5, "0x56", bcr(3))}
      ${BREAK(0, "debuggee + 4", bcr(1, { lbn: 4 }))} ${BREAK(1, "debuggee + 8", bcr(1, { lbn: 5 }))}
      ${BREAK(2, "debuggee + 12", bcr(1, { lbn: 4 }))} ${MDE}`,
    code: "nop\n nop\n nop\n nop\n nop",
    next: SKIP,
  },
  "a breakpoint before a step": {
    ...EL0,
    setUp: BREAK(0, "debuggee + 8", bcr(0)) + MDSCR("0x8001"),
    code: "nop\n nop\n nop\n nop",
    next: `${STEP}
      lsr x4, x0, #26
      cmp x4, #0x30
      b.ne 1f
      msr dbgbcr0_el1, xzr
      1:`,
  },
  "watched loads": {
    ...EL0,
    setUp: `${WATCH(0, "BLOB + 0x100", wcr(0xff, 1))} ${MDE}`,
    code: ACCESSES,
    next: SKIP,
  },
  "watched stores": {
    ...EL0,
    setUp: `${WATCH(1, "BLOB + 0x100", wcr(0xff, 2))} ${MDE}`,
    code: ACCESSES,
    next: SKIP,
  },
  "some watched bytes": {
    ...EL0,
    setUp: `${WATCH(3, "BLOB + 0x100", wcr(0x30, 3))} ${MDE}`,
    code: ACCESSES,
    next: SKIP,
  },
  "watched bytes of a word": {
    ...EL0,
    setUp: `${WATCH(2, "BLOB + 0x104", wcr(0x0e, 3))} ${MDE}`,
    code: ACCESSES,
    next: SKIP,
  },
  "a watched block": {
    ...EL0,
    setUp: `${WATCH(0, "BLOB + 0x100", wcr(0xff, 3, { mask: 4 }))} ${MDE}`,
    code: ACCESSES,
    next: SKIP,
  },
  "accesses watched for another level": {
    target: 2,
    level: 1,
    setUp: `${WATCH(0, "BLOB + 0x100", wcr(0xff, 3, { state: 2 }))} ${MDE}`,
    code: ACCESSES,
    next: SKIP,
  },
  "accesses of EL1 watched for EL2": {
    target: 2,
    level: 1,
    setUp: `${WATCH(0, "BLOB + 0x100", wcr(0xff, 3, { state: 1 }))} ${MDE}`,
    code: ACCESSES,
    next: SKIP,
  },
  "accesses watched in a context": {
    ...EL0,
    setUp: `mov x0, #9\n msr contextidr_el1, x0
      ${BREAK(5, "9", bcr(3))} ${BREAK(4, "8", bcr(3))}
      ${WATCH(0, "BLOB + 0x100", wcr(3, 1, { linked: 5 }))} ${WATCH(1, "BLOB + 0x100", wcr(0xff, 3, { linked: 4 }))} ${MDE}`,
    code: ACCESSES,
    next: SKIP,
  },
  "steps of a watched access": {
    ...EL0,
    setUp: `${WATCH(0, "BLOB", wcr(0xff, 3))} ${MDSCR("0x8001")}`,
    code: "nop\n ldr x1, [x21]\n nop\n str x1, [x21]\n nop",
    next: `${STEP}
      lsr x4, x0, #26
      cmp x4, #0x34
      b.ne 1f
      msr dbgwcr0_el1, xzr
      1:`,
  },
};

describe.skipIf(!haveQemuSystem())("against QEMU", () => {
  test.each(Object.keys(SUBJECTS))("%s", (name) => {
    const source = program(SUBJECTS[name]!);
    const theirs = records(runOnQemu(source));
    for (const tier of ["cold", "hot"] as const satisfies readonly Tier[]) {
      const ours = records(runOnPe(source, undefined, tier));
      expect(ours).toEqual(theirs);
    }
  });
});
