import { Status } from "@hypercraft/engine";
import { describe, expect, it } from "vitest";
import { fakeMachine } from "../testing/cpu/fake-core.js";
import { haveQemuSystem, runOnQemu } from "../testing/cpu/qemu-system.js";
import { Helper } from "./helper-ids.js";
import { FS, TVM } from "./status-bits.js";

/** U, S, M, VU, VS: MPP and MPV. */
const MODES = [
  { name: "U", priv: 0, v: 0 },
  { name: "HS", priv: 1, v: 0 },
  { name: "M", priv: 3, v: 0 },
  { name: "VU", priv: 0, v: 1 },
  { name: "VS", priv: 1, v: 1 },
] as const;

interface Setting {
  readonly name: string;
  readonly mstatus?: number;
  readonly vsstatus?: number;
  readonly hstatus?: number;
  readonly mcounteren?: number;
  readonly hcounteren?: number;
  readonly scounteren?: number;
  readonly menvcfg?: bigint;
  readonly henvcfg?: bigint;
}

const STCE = 1n << 63n;
const ALL = { mcounteren: 7, hcounteren: 7, scounteren: 7, menvcfg: STCE, henvcfg: STCE };
const SETTINGS: readonly Setting[] = [
  { name: "nothing enabled" },
  { name: "all enabled", ...ALL, mstatus: FS, vsstatus: FS },
  { name: "mcounteren only", mcounteren: 7, menvcfg: STCE },
  { name: "no scounteren", ...ALL, scounteren: 0 },
  { name: "no hcounteren", ...ALL, hcounteren: 0 },
  { name: "no mcounteren", ...ALL, mcounteren: 0 },
  { name: "cycle only", mcounteren: 1, hcounteren: 1, scounteren: 1 },
  { name: "no henvcfg.STCE", ...ALL, henvcfg: 0n },
  { name: "no menvcfg.STCE", ...ALL, menvcfg: 0n, henvcfg: 0n },
  { name: "TVM", ...ALL, mstatus: FS | TVM, vsstatus: FS },
  { name: "VTVM", ...ALL, hstatus: 1 << 20 },
  { name: "guest FS off", ...ALL, mstatus: FS },
  { name: "host FS off", ...ALL, vsstatus: FS },
];

const csrrs = (csr: number, rs1: number): number =>
  ((csr << 20) | (rs1 << 15) | (2 << 12) | (10 << 7) | 0x73) >>> 0;
const ECALL = 0x73;
/** 'a' + 2 and 'a' + 22. */
const ILLEGAL = "c";
const VIRTUAL = "w";

/** Every access as an instruction (x11 is 0, so writes change nothing) and an ECALL, for a program to jump to. */
function slots(numbers: readonly number[]): Uint32Array {
  return Uint32Array.from(numbers.flatMap((csr) => [csrrs(csr, 0), ECALL, csrrs(csr, 11), ECALL]));
}

/** For each setting and mode, tries every slot and writes one character: '.' or 'a' + mcause. */
function program(slotCount: number): string {
  const settings = SETTINGS.map((s) => {
    const registers = [s.mstatus, s.vsstatus, s.hstatus, s.mcounteren, s.hcounteren, s.scounteren].map(
      (v) => v ?? 0,
    );
    return `.quad ${[...registers, s.menvcfg ?? 0n, s.henvcfg ?? 0n].join(", ")}`;
  });
  const modes = MODES.map(({ priv, v }) => `.quad ${(BigInt(priv) << 11n) | (BigInt(v) << 39n)}`);
  return `
  .equ vsstatus, 0x200
  .equ hstatus, 0x600
  .equ hcounteren, 0x606
  .equ henvcfg, 0x60a
  .equ menvcfg, 0x30a
  .globl _start
  _start:
    la t0, trap
    csrw mtvec, t0
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f
    csrw pmpcfg0, t0
    li s10, UART
    la s0, settings
    li s1, ${SETTINGS.length}
  setting:
    ld s2, 0(s0)
    la s3, modes
    li s4, ${MODES.length}
  mode:
    ld t0, 8(s0)
    csrw vsstatus, t0
    ld t0, 16(s0)
    csrw hstatus, t0
    ld t0, 24(s0)
    csrw mcounteren, t0
    ld t0, 32(s0)
    csrw hcounteren, t0
    ld t0, 40(s0)
    csrw scounteren, t0
    ld t0, 48(s0)
    csrw menvcfg, t0
    ld t0, 56(s0)
    csrw henvcfg, t0
    ld s5, 0(s3)
    or s5, s5, s2
    li s6, 0x80200000
    li s7, ${slotCount}
  next:
    csrw mstatus, s5
    csrw mepc, s6
    li a1, 0
    mret
    .align 2
  trap:
    csrr t0, mcause
    addi t1, t0, -8
    li t2, 4
    addi t0, t0, 'a'
    bgeu t1, t2, 1f
    li t0, '.'
  1: sb t0, 0(s10)
    addi s6, s6, 8
    addi s7, s7, -1
    bnez s7, next
    addi s3, s3, 8
    addi s4, s4, -1
    bnez s4, mode
    addi s0, s0, 64
    addi s1, s1, -1
    bnez s1, setting
    stop
    .align 3
  settings:
    ${settings.join("\n    ")}
  modes:
    ${modes.join("\n    ")}
  `;
}

/** The same on our hart: a function of the access. */
function onHart(setting: Setting, mode: (typeof MODES)[number]): (csr: number, write: boolean) => string {
  const { core, hart } = fakeMachine({ features: { svadu: false } }, 4096);
  const mcause = hart.layout.fields.get("mcause")!;
  hart.writeCsr("vsstatus", BigInt(setting.vsstatus ?? 0));
  hart.writeCsr("hstatus", BigInt(setting.hstatus ?? 0));
  hart.writeCsr("mcounteren", BigInt(setting.mcounteren ?? 0));
  hart.writeCsr("hcounteren", BigInt(setting.hcounteren ?? 0));
  hart.writeCsr("scounteren", BigInt(setting.scounteren ?? 0));
  hart.writeCsr("menvcfg", setting.menvcfg ?? 0n);
  hart.writeCsr("henvcfg", setting.henvcfg ?? 0n);
  return (csr, write) => {
    hart.writeCsr("mstatus", BigInt(setting.mstatus ?? 0));
    hart.setMode(mode.priv, mode.v);
    const status = write
      ? hart.helper(Helper.csrExchange, csr | (2 << 12), 0, 0, 0, 0)
      : hart.helper(Helper.csrRead, csr, 0, 0, 0, 0);
    return status === Status.trap ? String.fromCharCode(97 + core.lo(mcause)) : ".";
  };
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** CSRs that QEMU has and our hart has not, or the other way round. */
const OTHERS = new Set([
  // Without Zihpm, QEMU has no event counters at all, not even those that read zero.
  ...range(0xb03, 0xb1f),
  ...range(0x323, 0x33f),
  // Debug CSRs differ in number.
  ...range(0x7a0, 0x7af),
]);

/** Where QEMU 7.2 is not what the manual says, and what our hart does instead. */
function known(mode: string, csr: number, write: boolean, theirs: string, mine: string): boolean {
  // csrrs with a register that holds zero is a write all the same.
  if (write && csr >>> 10 === 3) return mine === ILLEGAL;
  // "in VU-mode, attempts to access an implemented supervisor CSR": a virtual instruction.
  if (mode === "VU" && ((csr >>> 8) & 3) === 1) return theirs === ILLEGAL && mine === VIRTUAL;
  // TVM guards hgatp in HS-mode, and satp there only; VTVM guards satp in VS-mode.
  if (mode === "HS" && csr === 0x680) return theirs === "." && mine === ILLEGAL;
  if (mode === "VS" && csr === 0x180) return theirs === "." ? mine === VIRTUAL : mine === ".";
  return false;
}

describe.skipIf(!haveQemuSystem())("rights to CSRs", () => {
  it("are QEMU's for every number, mode and setting", () => {
    const numbers = range(0, 0xfff);
    const words = slots(numbers);
    const output = new TextDecoder().decode(
      runOnQemu(program(words.length / 2), new Uint8Array(words.buffer)),
    );
    expect(output.length).toBe(SETTINGS.length * MODES.length * numbers.length * 2);
    const differences: string[] = [];
    let at = 0;
    for (const setting of SETTINGS) {
      for (const mode of MODES) {
        const ours = onHart(setting, mode);
        for (const csr of numbers) {
          for (const write of [false, true]) {
            const theirs = output[at++]!;
            if (OTHERS.has(csr)) continue;
            const mine = ours(csr, write);
            if (mine !== theirs && !known(mode.name, csr, write, theirs, mine))
              differences.push(
                `${setting.name}, ${mode.name}: ${write ? "write" : "read"} 0x${csr.toString(16)} ${theirs} ${mine}`,
              );
          }
        }
      }
    }
    expect(differences).toEqual([]);
  });
});
