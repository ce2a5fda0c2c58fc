import { Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { Lockstep } from "../testing/cpu/bare-lockstep.js";
import { toSupervisor } from "../testing/cpu/sv39.js";
import { Irq, S_INTERRUPTS } from "./causes.js";
import { SIE, SPIE, SPP, SUM } from "./status-bits.js";

// Compiled code lets interrupts in and keeps them out by sstatus.SIE, without asking anybody: they have to come
// at the right instruction all the same, in every tier, and none may get lost.

const SSIP = 1 << Irq.ssi;

/** Into S-mode; interrupts of the supervisor are delegated and enabled in sie. */
const SUPERVISOR = `
  ${toSupervisor(0, S_INTERRUPTS)} la t0, handler
  csrrw zero, stvec, t0
  li t0, ${S_INTERRUPTS}
  csrrw zero, sie, t0`;

const BIT_0_OF_FS = 1 << 13;

/** How interrupts are let in again; `s7` is SIE, `s8` SIE and another bit, `s9` the address behind. */
const WAYS = [
  ["csrsi", "csrrsi zero, sstatus, 2", SUM],
  ["csrrsi with its old value", "csrrsi t3, sstatus, 2", SUM],
  ["csrs", "csrrs zero, sstatus, s7", SUM],
  ["csrrs with SUM", "csrrs t3, sstatus, s8", SUM],
  ["csrrs with a change of FS", "csrrs t3, sstatus, s8", BIT_0_OF_FS],
  ["csrw", "csrrw zero, sstatus, s8", SUM],
  ["csrrw with a change of FS", "csrrw t3, sstatus, s8", BIT_0_OF_FS],
  ["csrrwi", "csrrwi t3, sstatus, 2", SUM],
  ["sret", "csrrw zero, sepc, s9; csrrw zero, sstatus, s10; sret", SUM],
  ["sie", "csrrci zero, sie, 2; csrrsi zero, sstatus, 2; csrrsi zero, sie, 2", SUM],
  ["sip", "csrrci zero, sip, 2; csrrsi zero, sstatus, 2; csrrsi zero, sip, 2", SUM],
] as const;

describe("an interrupt that waits is taken before the next instruction", () => {
  describe.each(WAYS)("let in by %s", (_, enable, other) => {
    const rounds = 500;
    const source = `
      ${SUPERVISOR}
      li s0, ${rounds}
      li s7, ${SIE}
      li s8, ${SIE | other}
      la s9, after
      li s10, ${SPP | SPIE}
      loop: csrrc zero, sstatus, s8
      addi a0, a0, 1
      csrrsi zero, sip, 2
      addi a0, a0, 1
      bne s3, a1, wrong
      ${enable}
      after: addi a1, a1, 1
      bne s3, a1, wrong
      addi s0, s0, -1
      bne s0, zero, loop
      wfi
      wrong: li s11, 1
      wfi
      .align 4
      handler: csrrs t1, sepc, zero
      add s4, s4, t1
      csrrs t1, scause, zero
      add s5, s5, t1
      csrrs t1, sstatus, zero
      andi t1, t1, 0x122
      add s6, s6, t1
      csrrci zero, sip, 2
      addi s3, s3, 1
      sret`;

    test.each([1777, 37, 3])("in slices of %d", (slice) => {
      const machine = new Lockstep(source);
      machine.finish(slice);
      const n = BigInt(rounds);
      const [s3, s4, s5, s6, s11] = machine.registers("s3", "s4", "s5", "s6", "s11");
      expect([s3, s11]).toEqual([n, 0n]);
      expect(s4).toBe(n * BigInt(machine.at("after")));
      expect(s5).toBe(BigInt.asUintN(64, n * ((1n << 63n) | BigInt(Irq.ssi))));
      expect(s6).toBe(n * BigInt(SPP | SPIE));
      if (slice > 100) expect(machine.compiled("hot")).toBeGreaterThan(0);
    });
  });
});

describe("interrupts from outside", () => {
  /** What is masked moves s5, and s6 after it: no interrupt may find them apart. */
  const toggling = (off: string, on: string) => `
    ${SUPERVISOR}
    li s7, ${SIE}
    li s8, ${SUM}
    csrrsi zero, sstatus, 2
    loop: ${off}
    addi s5, s5, 1
    mul a0, s5, s5
    bne s2, zero, skip
    add a1, a1, a0
    skip: addi s6, s6, 1
    ${on}
    addi a3, a3, 1
    xor s2, s2, a3
    andi s2, s2, 1
    jal zero, loop
    .align 4
    handler: sub t1, s5, s6
    or s11, s11, t1
    csrrs t1, scause, zero
    andi t1, t1, 15
    addi t1, t1, -1
    csrrci zero, sip, 2
    bne t1, zero, external
    addi s3, s3, 1
    sret
    external: addi s4, s4, 1
    sret`;
  const TOGGLES = [
    ["csrci and csrsi", "csrrci zero, sstatus, 2", "csrrsi zero, sstatus, 2"],
    ["csrrc and csrrs", "csrrc a4, sstatus, s7", "csrrs a5, sstatus, s7"],
    ["csrrci and csrrw of the old value", "csrrci a4, sstatus, 2", "csrrw zero, sstatus, a4"],
    ["csrrw both times", "csrrw a4, sstatus, s8", "csrrw s8, sstatus, a4; andi s8, s8, 0"],
  ] as const;

  test.each(TOGGLES)("are all taken, where they may be: %s", (_, off, on) => {
    const machine = new Lockstep(toggling(off, on));
    const prng = new Prng(7);
    machine.run(2000);
    let raised = 0n;
    for (let n = 0; n < 1500; n++) {
      machine.run(1 + prng.below(prng.oneIn(8) ? 700 : 60));
      machine.all(({ hart }) => hart.writeCsr("mip", BigInt(SSIP)));
      raised++;
      // A round and the handler have fewer instructions.
      machine.run(40);
      expect(machine.registers("s3", "s11")).toEqual([raised, 0n]);
    }
    for (const tier of ["hot", "auto"] as const) expect(machine.compiled(tier), tier).toBeGreaterThan(0);
  });

  test.each(TOGGLES)("that go before they were taken never come: %s", (_, off, on) => {
    const machine = new Lockstep(toggling(off, on));
    const prng = new Prng(11);
    machine.run(2000);
    let missed = 0;
    for (let n = 0; n < 600; n++) {
      machine.run(1 + prng.below(60));
      const [before] = machine.registers("s4");
      machine.all(({ hart }) => hart.setSupervisorExternal(true));
      machine.run(1 + prng.below(6));
      const [during, apart] = machine.registers("s4", "s11");
      machine.all(({ hart }) => hart.setSupervisorExternal(false));
      // The handler may have been entered, and not have counted yet.
      machine.run(40);
      const [after] = machine.registers("s4");
      machine.run(100);
      expect(machine.registers("s4")).toEqual([after]);
      expect(apart).toBe(0n);
      if (after === before && during === before) missed++;
    }
    // Both happens.
    expect(missed).toBeGreaterThan(20);
    expect(machine.registers("s4")[0]).toBeGreaterThan(100n);
    expect(machine.compiled("hot")).toBeGreaterThan(0);
  });
});
