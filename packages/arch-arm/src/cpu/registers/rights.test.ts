import { Status } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { fakeMachine, RAM } from "../../testing/cpu/fake-machine.js";
import { haveQemuSystem, runOnQemu } from "../../testing/cpu/qemu-system.js";
import { Helper } from "../helper-ids.js";
import { EVENT_COUNTERS } from "../pmu.js";
import { genericName, registerNumber } from "../system-register.js";

// Who may use which system register or operation, and where a trap goes with which syndrome: every number at every
// exception level with every trap, on QEMU's Cortex-A57 and on ours.

/** Control registers before an access, in the order in which the program writes them. */
const CONTROLS = [
  "HCR_EL2",
  "CPTR_EL2",
  "MDCR_EL2",
  "CNTHCTL_EL2",
  "SCTLR_EL1",
  "CPACR_EL1",
  "CNTKCTL_EL1",
  "PMUSERENR_EL0",
  "MDSCR_EL1",
] as const;
type Control = (typeof CONTROLS)[number];
type Setting = { readonly name: string } & Partial<Readonly<Record<Control, number>>>;

/** Nothing is trapped. */
const OPEN: Readonly<Record<Control, number>> = {
  HCR_EL2: 2 ** 31,
  CPTR_EL2: 0x33ff & ~0x500,
  MDCR_EL2: EVENT_COUNTERS,
  CNTHCTL_EL2: 3,
  SCTLR_EL1: 0x30d0_0980 | (1 << 26) | (1 << 15) | (1 << 14) | (1 << 9) | (1 << 16) | (1 << 18),
  CPACR_EL1: 3 << 20,
  CNTKCTL_EL1: 0x303,
  PMUSERENR_EL0: 15,
  MDSCR_EL1: 0,
};

const one = (control: Control, names: Readonly<Record<string, number>>): Setting[] =>
  Object.entries(names).map(([name, bit]) => ({
    name: `${control}.${name}`,
    [control]: OPEN[control] + 2 ** bit,
  }));
const without = (control: Control, names: Readonly<Record<string, number>>): Setting[] =>
  Object.entries(names).map(([name, bit]) => ({
    name: `${control} without ${name}`,
    [control]: OPEN[control] - 2 ** bit,
  }));
const equal = (control: Control, ...values: readonly number[]): Setting[] =>
  values.map((value) => ({ name: `${control} = 0x${value.toString(16)}`, [control]: value }));

const SETTINGS: readonly Setting[] = [
  { name: "nothing trapped" },
  ...one("HCR_EL2", {
    TID0: 15,
    TID1: 16,
    TID2: 17,
    TID3: 18,
    TIDCP: 20,
    TACR: 21,
    TSW: 22,
    TPC: 23,
    TPU: 24,
    TTLB: 25,
    TVM: 26,
    TGE: 27,
    TDZ: 28,
    TRVM: 30,
  }),
  ...one("CPTR_EL2", { TFP: 10, TCPAC: 31 }),
  ...one("MDCR_EL2", { TPMCR: 5, TPM: 6, HPME: 7, TDE: 8, TDA: 9, TDOSA: 10, TDRA: 11 }),
  ...equal("CNTHCTL_EL2", 0, 1, 2),
  ...without("SCTLR_EL1", { UCI: 26, UCT: 15, DZE: 14, UMA: 9 }),
  ...equal("CPACR_EL1", 0, 1 << 20, 2 << 20),
  ...equal("CNTKCTL_EL1", 0, 1, 2, 0x100, 0x200),
  ...equal("PMUSERENR_EL0", 0, 1, 2, 4, 8),
  ...equal("MDSCR_EL1", 1 << 12),
];

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Everything in CRn 0 to 15 of the levels that there are. */
function everyNumber(): number[] {
  const registers = [2, 3].flatMap((op0) =>
    range(5).flatMap((op1) =>
      range(16).flatMap((crn) =>
        range(16).flatMap((crm) => range(8).map((op2) => registerNumber(op0, op1, crn, crm, op2))),
      ),
    ),
  );
  const operations = [0, 3, 4].flatMap((op1) =>
    [7, 8].flatMap((crn) =>
      range(16).flatMap((crm) => range(8).map((op2) => registerNumber(1, op1, crn, crm, op2))),
    ),
  );
  return [...registers, ...operations];
}

const RT = 10;
const BRK = 0xd420_0000;
const isOperation = (number: number): boolean => number >>> 14 === 1;
const mrs = (number: number): number => (0xd520_0000 | (number << 5) | RT) >>> 0;
const msr = (number: number): number => (0xd500_0000 | (number << 5) | RT) >>> 0;

interface Access {
  readonly number: number;
  readonly read: boolean;
}
const accesses = (numbers: readonly number[]): Access[] =>
  numbers.flatMap((number) =>
    isOperation(number)
      ? [{ number, read: false }]
      : [
          { number, read: true },
          { number, read: false },
        ],
  );
const encode = ({ number, read }: Access): number => (read ? mrs(number) : msr(number));

/** What came of an access: where it trapped to and with which syndrome. */
const DONE = 0xffff_ffff;
const outcome = (level: number, esr: number): number =>
  esr >>> 26 === 0x3c ? DONE : ((esr & ~(1 << 25)) | ((level - 1) << 25)) >>> 0;

/** X10 in a write: what EL2 reads there, so that nothing changes, or the address of memory. */
const program = (settings: readonly Setting[], levels: readonly number[], count: number): string => `
  .equ SAFE, 0x43000000
  _start:
    adr x0, vectors2
    msr vbar_el2, x0
    adr x0, vectors1
    msr vbar_el1, x0
    msr oslar_el1, xzr
    mov x28, UART
    adr x20, settings
    mov x21, #${settings.length}
  setting:
    ${CONTROLS.map((name, i) => `ldr x0, [x20, #${8 * i}]\n msr ${name}, x0`).join("\n    ")}
    isb
    adr x22, levels
    mov x23, #${levels.length}
  level:
    ldr x24, [x22]
    constant x25, BLOB
    ldr w26, =${count}
    mov x10, SAFE
  next:
    msr spsr_el2, x24
    msr elr_el2, x25
    isb
    eret
  .balign 2048
  vectors1:
  .rept 16
    hvc #1
    .balign 128
  .endr
  vectors2:
  .rept 16
    b handler
    .balign 128
  .endr
  handler:
    mrs x0, esr_el2
    mrs x11, esr_el1
    lsr x1, x0, #26
    // From EL1, whose exception it was.
    mov x2, #1 << 25
    cmp x1, #0x16
    csel x0, x11, x0, eq
    csel x2, xzr, x2, eq
    bic x0, x0, #1 << 25
    orr x2, x2, x0
    lsr x1, x0, #26
    cmp x1, #0x3c
    csinv x2, x2, xzr, ne
    strb w2, [x28]
    lsr w2, w2, #8
    strb w2, [x28]
    lsr w2, w2, #8
    strb w2, [x28]
    lsr w2, w2, #8
    strb w2, [x28]
    // Undo what the access may have done.
    ${CONTROLS.map((name, i) => `ldr x0, [x20, #${8 * i}]\n msr ${name}, x0`).join("\n    ")}
    add x25, x25, #8
    subs w26, w26, #1
    b.ne next
    add x22, x22, #8
    subs x23, x23, #1
    b.ne level
    add x20, x20, #${8 * CONTROLS.length}
    subs x21, x21, #1
    b.ne setting
    stop
  .ltorg
  .balign 8
  settings:
    ${settings.map((s) => `.quad ${CONTROLS.map((name) => `0x${(s[name] ?? OPEN[name]).toString(16)}`).join(", ")}`).join("\n    ")}
  levels:
    .quad ${levels.map((level) => ["0x3c0", "0x3c5", "0x3c9"][level]).join(", ")}
`;

const LEVELS = [0, 1, 2];

/** QEMU's outcomes, by setting, level and access. A write changes nothing that matters, as X10 is written to all. */
function onQemu(settings: readonly Setting[], list: readonly Access[]): Uint32Array {
  const slots = Uint32Array.from(list.flatMap((access) => [encode(access), BRK]));
  const output = runOnQemu(program(settings, LEVELS, list.length), new Uint8Array(slots.buffer));
  expect(output.length).toBe(4 * settings.length * LEVELS.length * list.length);
  return new Uint32Array(output.buffer);
}

/** The same on ours. */
function onPe(setting: Setting, level: number, list: readonly Access[]): number[] {
  const { core, pe } = fakeMachine({}, 4096);
  return list.map((access) => {
    pe.writeSystem("OSLAR_EL1", 0n);
    pe.setLevel(2, 1);
    for (const name of CONTROLS) pe.writeSystem(name, BigInt(setting[name] ?? OPEN[name]));
    pe.setLevel(level, level === 0 ? 0 : 1);
    core.pc = BigInt(RAM);
    core.write32(RAM, encode(access));
    const { number, read } = access;
    const helper = isOperation(number)
      ? Helper.systemOperation
      : read
        ? Helper.readSystem
        : Helper.writeSystem;
    const status = pe.helper(helper, number, RAM + 0x800, 0);
    if (status !== Status.trap) return DONE;
    return outcome(pe.el, Number(pe.readSystem(pe.el === 2 ? "ESR_EL2" : "ESR_EL1")));
  });
}

const text = (value: number): string =>
  value === DONE
    ? "done"
    : `EL${((value >>> 25) & 1) + 1} EC 0x${(value >>> 26).toString(16)} ISS 0x${(value & 0x1ff_ffff).toString(16)}`;

/** What QEMU 7.2's Cortex-A57 has not, and what it has more. */
const MISSING = [
  // The communications channel, claim tags, power control of debug, PAN.
  ...["S2_0_C0_C0_2", "S2_0_C0_C3_2", "S2_0_C0_C6_2", "S2_3_C0_C4_0", "S2_3_C0_C5_0"],
  ...["S2_0_C7_C8_6", "S2_0_C7_C9_6", "S2_0_C7_C14_6", "S2_0_C1_C4_4", "S3_0_C4_C2_3"],
];
const MORE = [
  // Of AArch32: DBGVCR32_EL2, DACR32_EL2, SPSR_irq and its kin, IFSR32_EL2, FPEXC32_EL2.
  ...["S2_4_C0_C7_0", "S3_4_C3_C0_0", "S3_4_C5_C0_1", "S3_4_C5_C3_0"],
  ...["S3_4_C4_C3_0", "S3_4_C4_C3_1", "S3_4_C4_C3_2", "S3_4_C4_C3_3"],
  // The Cortex-A57's own.
  ...["S3_1_C11_C0_2", "S3_1_C11_C0_3", "S3_1_C15_C0_0", "S3_1_C15_C2_0", "S3_1_C15_C2_1"],
  ...["S3_1_C15_C2_2", "S3_1_C15_C2_3", "S3_1_C15_C3_0"],
];
const OTHERS = new Set([...MISSING, ...MORE]);

/** Differences of some settings, as lines. */
function compare(settings: readonly Setting[], list: readonly Access[]): string[] {
  const theirs = onQemu(settings, list);
  return settings.flatMap((setting, s) =>
    LEVELS.flatMap((level) =>
      onPe(setting, level, list).flatMap((our, i) => {
        const their = theirs[(s * LEVELS.length + level) * list.length + i]!;
        const { number, read } = list[i]!;
        if (their === our || known(setting, level, list[i]!, their, our)) return [];
        return [
          `${setting.name}, EL${level}: ${read ? "mrs" : "msr"} ${genericName(number)}: ${text(their)}, ours ${text(our)}`,
        ];
      }),
    ),
  );
}

const DC_ZVA = registerNumber(1, 3, 7, 4, 1);

const PMCR = registerNumber(3, 3, 9, 12, 0);
const MDCCSR = registerNumber(2, 3, 0, 1, 0);
const CNTPCT = registerNumber(3, 3, 14, 0, 1);

/** Where QEMU 7.2 is not what the manual says, and what ours does instead. */
function known(setting: Setting, level: number, { number }: Access, their: number, our: number): boolean {
  if (OTHERS.has(genericName(number))) return true;
  // Without translation memory is Device memory, where it faults.
  if (number === DC_ZVA && their === DONE && (our & 0x3f) === 0x21) return true;
  const trappedToEl2 = our >>> 25 === (0x18 << 1) + 1;
  switch (setting.name) {
    case "HCR_EL2.TGE":
      // There is no way to EL1.
      return level === 1;
    case "HCR_EL2.TIDCP":
      return level === 1 && [11, 15].includes((number >>> 7) & 15) && trappedToEl2;
    case "MDCR_EL2.TPMCR":
      return level < 2 && number === PMCR && trappedToEl2;
    case "MDCR_EL2.TPM":
      // It lets EL0 do what PMUSERENR_EL0.SW, CR and ER are for.
      return level === 0 && their === DONE && trappedToEl2;
    case "CNTHCTL_EL2 = 0x1":
    case "CNTHCTL_EL2 = 0x2":
      // It asks EL1PCEN for the count too.
      return level === 0 && number === CNTPCT && (our === DONE) === setting.name.endsWith("1");
    case "MDSCR_EL1 = 0x1000":
      return level === 0 && number === MDCCSR && our >>> 25 === 0x18 << 1;
    default:
      return false;
  }
}

describe.skipIf(!haveQemuSystem())("rights to system registers and operations", () => {
  test("are QEMU's for every number", () => {
    expect(compare(SETTINGS.slice(0, 1), accesses(everyNumber()))).toEqual([]);
  });

  test("are QEMU's for every trap", () => {
    const list = accesses(everyNumber());
    const done = onPe(SETTINGS[0]!, 2, list);
    const there = new Set(list.flatMap(({ number }, i) => (done[i] === DONE ? [number] : [])));
    // Some that are not there: what is left to implementations may be trapped all the same.
    for (const [op0, op1] of [
      [3, 0],
      [3, 1],
      [3, 4],
      [1, 0],
      [1, 3],
    ] as const)
      for (const crn of [11, 15]) there.add(registerNumber(op0, op1, crn, 3, 3));
    there.add(DC_ZVA);
    expect(compare(SETTINGS, accesses([...there]))).toEqual([]);
  });
});
