import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { atLevel, fakeMachine } from "../../testing/cpu/fake-machine.js";
import { haveQemuSystem, runOnQemu } from "../../testing/cpu/qemu-system.js";
import type { SystemRegister } from "../system-registers.js";

// What registers hold after a reset, and which of their bits can be written: at EL2 on QEMU's Cortex-A57 and on ours.

/** Not compared: what counts, what would end the program, and what QEMU has not or keeps nothing in. */
const LEFT_OUT =
  /^(CNTPCT|CNTVCT|CNT.*_TVAL|CNT.*_CTL|CNT.*_CVAL|PMCCNTR|PMEVCNTR|PMXEV|PMSWINC|DAIF|SPSel|PAN$|MPIDR|MDCCINT|DBGCLAIM|DBGAUTH|DBGPRCR|DBGDTR|OSDTR|OSECCR|OSLAR|CNTFRQ)/;

const RX = [10, 11, 12] as const;
const move = (base: number, number: number, register: number): number =>
  (base | (number << 5) | register) >>> 0;
const mrs = (number: number, register: number): number => move(0xd520_0000, number, register);
const msr = (number: number, register: number): number => move(0xd500_0000, number, register);
const ISB = 0xd503_3fdf;
const RET = 0xd65f_03c0;
const NOP = 0xd503_201f;

/** X11 = old value; X10 is written; X12 = new value; the old one is restored. */
function slot({ number, write }: SystemRegister): number[] {
  const [value, old, now] = RX;
  if (write === undefined) return [mrs(number, old), mrs(number, now), RET, NOP, NOP, NOP, NOP, NOP];
  return [mrs(number, old), msr(number, value), ISB, mrs(number, now), msr(number, old), ISB, RET, NOP];
}

const program = (values: readonly bigint[], count: number): string => `
  _start:
    msr oslar_el1, xzr
    adr x20, values
    mov x21, #${values.length}
  value:
    constant x25, BLOB
    mov x26, #${count}
  next:
    ldr x10, [x20]
    blr x25
    dump x11
    dump x12
    add x25, x25, #32
    subs x26, x26, #1
    b.ne next
    add x20, x20, #8
    subs x21, x21, #1
    b.ne value
    stop
  .balign 8
  values:
    ${values.map((value) => `.quad 0x${value.toString(16)}`).join("\n    ")}
`;

const VALUES = [0n, 0xffff_ffff_ffff_fffen, ...Array.from({ length: 6 }, () => 0n)];

const LOW = 0xffff_ffffn;
const HIGH = LOW << 32n;

/**
 * Bits that are reserved, or belong to what our PE has not: there QEMU lets anything be written, and ours reads as zero
 * or as the second number says.
 */
const RESERVED: Readonly<Record<string, readonly [bits: bigint, ones?: bigint]>> = {
  VPIDR_EL2: [HIGH],
  VMPIDR_EL2: [(LOW << 40n) | (1n << 31n), 1n << 31n],
  // AArch32's parts of PSTATE, and those of later versions.
  SPSR_EL1: [HIGH | 0x0f8f_fc20n],
  SPSR_EL2: [HIGH | 0x0f8f_fc20n],
  // Len and Stride are AArch32's, as NZCV of FPSR; FZ16 is FEAT_FP16's.
  FPCR: [0x003f_0000n],
  FPSR: [0xf000_0000n],
  // ITD and SED are 1 and CP15BEN is 0 without AArch32 at EL0; the rest belongs to later versions.
  SCTLR_EL1: [HIGH | 0xfb22_2460n | 0x3050_0980n, 0x3050_0980n],
  SCTLR_EL2: [HIGH | 0xff32_efc0n | 0x30c5_0830n, 0x30c5_0830n],
  CPACR_EL1: [HIGH | 0xffcf_ffffn],
  TCR_EL1: [(0xffff_ff88n << 32n) | 0x40n],
  TCR_EL2: [HIGH | 0xffe8_00c0n, 0x8080_0000n],
  ESR_EL1: [HIGH],
  ESR_EL2: [HIGH],
  VBAR_EL1: [0x7ffn],
  VBAR_EL2: [0x7ffn],
  CONTEXTIDR_EL1: [HIGH],
  HCR_EL2: [(0xffff_fffcn << 32n) | (1n << 31n), 1n << 31n],
  // HPMN to TDRA.
  MDCR_EL2: [HIGH | 0xffff_f000n],
  // TCPAC and TFP; without trace registers there is no TTA.
  CPTR_EL2: [HIGH | 0x7fff_fbffn, 0x33ffn],
  // Its traps are those of AArch32.
  HSTR_EL2: [HIGH | LOW],
  TTBR0_EL1: [1n],
  TTBR1_EL1: [1n],
  TTBR0_EL2: [(0xffff_0000n << 32n) | 1n],
  // VMIDs have 8 bits.
  VTTBR_EL2: [(0xff00_0000n << 32n) | 1n],
  VTCR_EL2: [HIGH | 0xfff8_0000n, 0x8000_0000n],
  HPFAR_EL2: [(0xffff_ff00n << 32n) | 0xfn],
  CNTKCTL_EL1: [HIGH | 0xffff_fc00n],
  CNTHCTL_EL2: [HIGH | 0xffff_ff00n],
  // MDE, KDE, TDCC and SS; the rest is for external debug.
  MDSCR_EL1: [HIGH | 0xffff_4ffen],
  MDCCINT_EL1: [HIGH | 0x9fff_ffffn],
  // The implementer's code; LC is 1 without AArch32; LP is of later versions.
  PMCR_EL0: [HIGH | 0xffff_07c6n, 0x3040n & 0x07ffn],
  CSSELR_EL1: [HIGH | 0xffff_fff0n],
  OSDLR_EL1: [HIGH | 0xffff_fffen],
  PMSELR_EL0: [HIGH | 0xffff_ffe0n],
};
const PATTERNS: readonly (readonly [RegExp, readonly [bits: bigint, ones?: bigint]])[] = [
  [/^DBGBVR[0-3]_EL1$/, [3n]],
  // BAS is fixed where all instructions have four bytes.
  [/^DBGBCR/, [HIGH | 0xff00_1ff8n, 0x1e0n]],
  [/^DBGWVR/, [3n]],
  [/^DBGWCR/, [HIGH | 0xe0e0_0000n]],
  // NSK, NSU and M are EL3's; events have 10 bits.
  [/^PMEVTYPER/, [HIGH | 0x37ff_fc00n]],
  [/^PMCCFILTR/, [HIGH | 0x37ff_ffffn]],
];
const reserved = (name: string): readonly [bits: bigint, ones?: bigint] =>
  RESERVED[name] ?? PATTERNS.find(([pattern]) => pattern.test(name))?.[1] ?? [0n];

/** Registers that say what the PE is: another one than QEMU's. After a reset QEMU's flags are 0010. */
const OWN = /^(MIDR_EL1|VPIDR_EL2|ID_|CLIDR_EL1|CCSIDR_EL1|CTR_EL0|PMCEID|NZCV)/;

/** Resets to values that the manual leaves open. */
const RESETS = new Set(["SCTLR_EL1"]);

const hex = (value: bigint): string => `0x${value.toString(16)}`;

describe.skipIf(!haveQemuSystem())("values of system registers", () => {
  test("are QEMU's, as far as both have what they are for", () => {
    const prng = new Prng(4);
    // Bit 0 of SCTLR_EL2 would turn translation on.
    const values = VALUES.map((value, i) => (i < 2 ? value : prng.bits64() & ~1n));
    const machine = fakeMachine();
    atLevel(machine, 2);
    const { pe } = machine;
    pe.writeSystem("OSLAR_EL1", 0n);
    const list = [...pe.registers.all].filter(({ name, read }) => read !== undefined && !LEFT_OUT.test(name));
    const slots = Uint32Array.from(list.flatMap(slot));
    const output = runOnQemu(program(values, list.length), new Uint8Array(slots.buffer));
    const theirs = new BigUint64Array(output.buffer);
    expect(theirs.length).toBe(2 * values.length * list.length);
    const differences: string[] = [];
    for (const [v, value] of values.entries()) {
      for (const [i, register] of list.entries()) {
        const { number, name, write } = register;
        const old = pe.readSystem(number);
        if (write !== undefined) pe.writeSystem(number, value);
        const now = pe.readSystem(number);
        if (write !== undefined) pe.writeSystem(number, old);
        const at = 2 * (v * list.length + i);
        const [theirOld, theirNow] = [theirs[at]!, theirs[at + 1]!];
        const [bits, ones = 0n] = reserved(name);
        if (OWN.test(name) && write === undefined) continue;
        if (v === 0 && !OWN.test(name) && ((theirOld ^ old) & ~bits) !== 0n && !RESETS.has(name))
          differences.push(`${name} after reset: ${hex(theirOld)}, ours ${hex(old)}`);
        if (write === undefined) continue;
        if (((theirNow ^ now) & ~bits) !== 0n || (now & bits) !== (ones & bits))
          differences.push(`${name} written ${hex(value)}: ${hex(theirNow)}, ours ${hex(now)}`);
      }
    }
    expect(differences).toEqual([]);
  });
});
