import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { type BareGuest, createGuest, Lockstep, RAM } from "../testing/cpu/bare-lockstep.js";
import { toSupervisor } from "../testing/cpu/sv39.js";
import { Cause, S_INTERRUPTS } from "./causes.js";
import { X } from "./state.js";
import { FS, MXR, SD_HI, SIE, SPIE, SPP, SSTATUS_MASK, SUM, UXL_64_HI } from "./status-bits.js";

// Accesses of sstatus in S-mode are translated, for the most part. What they do has to be what the CSR itself does
// when it is read and written from outside, which the tests of the CSRs compare with the manual.

const ROOT = RAM + 0x10000;
/** A gigapage where RAM is: accessed, dirty, readable, writable, executable. */
const IDENTITY = (BigInt(RAM / 4096) << 10n) | 0xcfn;
const SV39 = (8n << 60n) | BigInt(ROOT / 4096);
/** mstatus bits that may have any value before the access: those that leave it legal, and loads as they are. */
const MSTATUS = BigInt(SIE | SPIE | SPP | FS | SUM | MXR | (1 << 3) | (1 << 7) | (3 << 11) | (7 << 20));
const A0 = 10;
const A1 = 11;

const MODES = [
  ["HS", 0],
  ["VS", 1],
] as const;

interface Access {
  readonly text: string;
  readonly operation: "w" | "s" | "c";
  readonly rd: number;
  /** Register number of the operand, or undefined for an immediate one. */
  readonly rs1?: number;
  readonly immediate?: number;
}

const registers = (operation: Access["operation"]): Access[] =>
  [
    [A0, A1],
    [A0, A0],
    [0, A1],
    [A0, 0],
    [0, 0],
  ].map(([rd = 0, rs1 = 0]) => ({ text: `csrr${operation} x${rd}, sstatus, x${rs1}`, operation, rd, rs1 }));

const immediates = (operation: Access["operation"]): Access[] =>
  [0, 2, 29, 31].flatMap((immediate) =>
    [A0, 0].map((rd) => ({
      text: `csrr${operation}i x${rd}, sstatus, ${immediate}`,
      ...{ operation, rd, immediate },
    })),
  );

const ACCESSES = (["w", "s", "c"] as const).flatMap((o) => [...registers(o), ...immediates(o)]);

interface Case {
  readonly mstatus: bigint;
  readonly vsstatus: bigint;
  readonly a0: bigint;
  readonly a1: bigint;
}

/** Mostly few bits, so that often only SIE or SUM change. */
const sparse = (prng: Prng): bigint =>
  prng.bits64() & (prng.oneIn(4) ? -1n : BigInt(prng.pick([SIE | SUM, SIE, SUM, SSTATUS_MASK])));

function randomCase(prng: Prng): Case {
  const mstatus = prng.bits64() & MSTATUS;
  const vsstatus = prng.bits64();
  // Often the value that is there, or one near it.
  const near = prng.pick([mstatus, vsstatus]) ^ sparse(prng);
  return { mstatus, vsstatus, a0: sparse(prng), a1: prng.oneIn(2) ? near : sparse(prng) };
}

function setUp({ hart, write }: BareGuest): void {
  const entry = new DataView(new ArrayBuffer(8));
  entry.setBigUint64(0, IDENTITY, true);
  write(ROOT + 16, new Uint8Array(entry.buffer));
  hart.writeCsr("pmpaddr0", -1n);
  hart.writeCsr("pmpcfg0", 0x1fn);
  hart.writeCsr("satp", SV39);
  hart.writeCsr("vsatp", SV39);
}

function begin({ core, hart }: BareGuest, v: 0 | 1, { mstatus, vsstatus, a0, a1 }: Case): void {
  hart.writeCsr("mstatus", mstatus);
  hart.writeCsr("vsstatus", vsstatus);
  hart.setMode(1, v);
  core.setBig(X[A0]!, a0);
  core.setBig(X[A1]!, a1);
  core.setPc(RAM | 0, 0);
}

/** The access as the CSR itself does it. */
function refer({ core, hart }: BareGuest, v: 0 | 1, access: Access): void {
  const name = v === 0 ? "sstatus" : "vsstatus";
  const { operation, rd, rs1, immediate } = access;
  const operand = rs1 === undefined ? BigInt(immediate ?? 0) : rs1 === 0 ? 0n : core.big(X[rs1]!);
  const old = hart.readCsr(name);
  const writes = operation === "w" || (rs1 ?? immediate) !== 0;
  const values = { w: operand, s: old | operand, c: old & ~operand };
  if (writes) hart.writeCsr(name, values[operation]);
  if (rd !== 0) core.setBig(X[rd]!, old);
}

function result({ core, hart }: BareGuest) {
  return {
    mstatus: hart.readCsr("mstatus"),
    sstatus: hart.readCsr("sstatus"),
    vsstatus: hart.readCsr("vsstatus"),
    registers: [A0, A1].map((i) => core.big(X[i]!)),
    mode: hart.codeMode(),
    context: (core as BareGuest["core"]).context,
    sum: hart.contexts.currentData().sum,
    mxr: hart.contexts.data.mxr,
  };
}

describe.each(MODES)("an access of sstatus in %s-mode does what the CSR does", (_, v) => {
  test.each(ACCESSES)("$text", (access) => {
    const machine = new Lockstep(`${access.text}; here: addi t0, t0, 1; jal zero, here`);
    const reference = createGuest("cold", new Uint8Array());
    machine.all(setUp);
    setUp(reference);
    const prng = new Prng(1 + v);
    for (let n = 0; n < 40; n++) {
      const values = randomCase(prng);
      machine.all((guest) => begin(guest, v, values));
      begin(reference, v, values);
      refer(reference, v, access);
      const expected = result(reference);
      machine.run(11);
      machine.all((guest) => expect(result(guest), `${guest.tier}, case ${n}`).toEqual(expected));
    }
    expect(machine.compiled("hot")).toBeGreaterThan(0);
  });
});

const SUPERVISOR = toSupervisor(0, S_INTERRUPTS);

test("the old value and the new one, from block to block and within one", () => {
  const rounds = 2000;
  const machine = new Lockstep(`
    ${SUPERVISOR}
    li s0, ${rounds}
    li s1, ${SUM}
    li s2, ${SUM | SPIE}
    loop: csrrs a0, sstatus, s1
    csrrs a1, sstatus, zero
    csrrc a2, sstatus, s1
    csrrsi a3, sstatus, 2
    csrrci a4, sstatus, 2
    csrrw a5, sstatus, s2
    csrrw a6, sstatus, zero
    add s3, s3, a0; add s3, s3, a1; add s3, s3, a2; add s3, s3, a3
    add s4, s4, a4; add s4, s4, a5; add s4, s4, a6
    addi s0, s0, -1
    bne s0, zero, loop
    wfi`);
  machine.finish();
  const base = BigInt(UXL_64_HI) << 32n;
  const mod = (value: bigint) => BigInt.asUintN(64, value);
  // s0 of the first round has SPP from nobody: all of sstatus is zero but UXL.
  expect(machine.registers("s3")).toEqual([mod(BigInt(rounds) * (4n * base + BigInt(2 * SUM)))]);
  expect(machine.registers("s4")).toEqual([mod(BigInt(rounds) * (3n * base + BigInt(SIE + SUM + SPIE)))]);
  expect(machine.compiled("hot")).toBeGreaterThan(0);
});

describe("FS", () => {
  test("goes from Off over Initial and Clean to Dirty in a loop, as instructions find it", () => {
    const rounds = 1200;
    // Off: the instruction is illegal, and the handler steps over it.
    const machine = new Lockstep(`
      ${toSupervisor(1 << Cause.illegalInstruction, S_INTERRUPTS)}
      la t0, trap
      csrrw zero, stvec, t0
      li s0, ${rounds}
      li s1, ${FS}
      li s2, ${1 << 13}
      li s3, ${2 << 13}
      loop: csrrc a0, sstatus, s1
      fadd.d ft0, ft0, ft0
      csrrs zero, sstatus, s2
      csrrs a1, sstatus, zero
      fadd.d ft0, ft1, ft1
      csrrs a2, sstatus, zero
      csrrc zero, sstatus, s2
      csrrs a3, sstatus, zero
      fmv.x.d a6, ft0
      csrrs a4, sstatus, zero
      fmv.d.x ft1, a6
      csrrs a5, sstatus, zero
      add s4, s4, a0; add s5, s5, a1; add s6, s6, a2; add s7, s7, a3; add s8, s8, a4; add s9, s9, a5
      addi s0, s0, -1
      bne s0, zero, loop
      wfi
      .align 4
      trap: csrrs t1, sepc, zero
      addi t1, t1, 4
      csrrw zero, sepc, t1
      csrrs t2, scause, zero
      add s10, s10, t2
      addi s11, s11, 1
      sret`);
    machine.finish();
    const base = (BigInt(UXL_64_HI) << 32n) | BigInt(SPIE | 0);
    const dirty = base | (BigInt(SD_HI >>> 0) << 32n) | BigInt(FS);
    const sum = (value: bigint) => BigInt.asUintN(64, value * BigInt(rounds));
    const [s4, s5, s6, s7, s8, s9, s10, s11] = machine.registers(
      ...["s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11"],
    );
    // The first value is that of the round before: Dirty, except at first.
    expect([s10, s11]).toEqual([BigInt(2 * rounds), BigInt(rounds)]);
    expect([s5, s6]).toEqual([sum(base | BigInt(1 << 13)), sum(dirty)]);
    const clean = base | BigInt(2 << 13);
    expect([s7, s8, s9]).toEqual([sum(clean), sum(clean), sum(dirty)]);
    const first = BigInt(UXL_64_HI) << 32n;
    expect(s4).toBe(BigInt.asUintN(64, dirty * BigInt(rounds - 1) + first));
    expect(machine.compiled("hot")).toBeGreaterThan(0);
  });
});
