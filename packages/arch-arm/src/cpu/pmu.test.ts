import type { Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { systemRegisterNumber } from "../isa/system-names.js";
import { a64, BareMachine } from "../testing/cpu/bare-machine.js";
import { atLevel, type FakeMachine, fakeMachine } from "../testing/cpu/fake-machine.js";
import { Helper } from "./helper-ids.js";
import { X } from "./state.js";

const CYCLES = 1n << 31n;
const [INSTRUCTIONS, SW_INCR, CHAIN] = [8n, 0n, 0x1en];
const NOT_EL1 = 1n << 31n;
const NOT_EL0 = 1n << 30n;
const AT_EL2 = 1n << 27n;

function machine(level = 1): FakeMachine {
  const m = fakeMachine();
  atLevel(m, level);
  m.pe.writeSystem("PMCR_EL0", 1n);
  return m;
}
const run = ({ core }: FakeMachine, instructions: number): void => {
  core.executed += instructions;
};
const counter = ({ pe }: FakeMachine, n: number, type: bigint): void => {
  pe.writeSystem(`PMEVTYPER${n}_EL0`, type);
  pe.writeSystem("PMCNTENSET_EL0", 1n << BigInt(n));
};

describe("counters", () => {
  test("count while they are enabled", () => {
    const m = machine();
    run(m, 10);
    counter(m, 0, INSTRUCTIONS);
    m.pe.writeSystem("PMCNTENSET_EL0", CYCLES);
    run(m, 100);
    expect([m.pe.readSystem("PMEVCNTR0_EL0"), m.pe.readSystem("PMCCNTR_EL0")]).toEqual([100n, 100n]);
    m.pe.writeSystem("PMCNTENCLR_EL0", 1n);
    run(m, 5);
    m.pe.writeSystem("PMCR_EL0", 0n);
    run(m, 7);
    expect([m.pe.readSystem("PMEVCNTR0_EL0"), m.pe.readSystem("PMCCNTR_EL0")]).toEqual([100n, 105n]);
    // Both resets.
    m.pe.writeSystem("PMCR_EL0", 6n);
    expect([m.pe.readSystem("PMEVCNTR0_EL0"), m.pe.readSystem("PMCCNTR_EL0")]).toEqual([0n, 0n]);
  });

  test("count where their filters let them", () => {
    const m = machine();
    const filters = [0n, NOT_EL1, NOT_EL0, AT_EL2, NOT_EL0 | NOT_EL1 | AT_EL2];
    for (const [n, filter] of filters.entries()) counter(m, n, filter | INSTRUCTIONS);
    for (const [level, instructions] of [
      [0, 1],
      [1, 10],
      [2, 100],
    ] as const) {
      atLevel(m, level);
      run(m, instructions);
    }
    atLevel(m, 2);
    expect(filters.map((_, n) => m.pe.readSystem(`PMEVCNTR${n}_EL0`))).toEqual([11n, 1n, 10n, 111n, 100n]);
  });

  test("count SVC and ERET where they are executed, and no instruction that is trapped", () => {
    const m = machine(0);
    counter(m, 0, NOT_EL1 | INSTRUCTIONS);
    counter(m, 1, NOT_EL0 | INSTRUCTIONS);
    const counts = () => [m.pe.readSystem("PMEVCNTR0_EL0"), m.pe.readSystem("PMEVCNTR1_EL0")];
    m.pe.helper(Helper.svc, 0, 0, 0);
    run(m, 1);
    expect(counts()).toEqual([1n, 0n]);
    m.pe.helper(Helper.eret, 0, 0, 0);
    run(m, 1);
    expect(counts()).toEqual([1n, 1n]);
    m.pe.helper(Helper.undefined, 0, 0, 0);
    run(m, 1);
    expect(counts()).toEqual([1n, 1n]);
    run(m, 3);
    expect(counts()).toEqual([1n, 4n]);
  });

  test("of software's increments", () => {
    const m = machine();
    counter(m, 2, SW_INCR);
    counter(m, 3, INSTRUCTIONS);
    m.pe.writeSystem("PMSWINC_EL0", 0xcn);
    m.pe.writeSystem("PMSWINC_EL0", 0x4n);
    run(m, 9);
    expect([m.pe.readSystem("PMEVCNTR2_EL0"), m.pe.readSystem("PMEVCNTR3_EL0")]).toEqual([2n, 9n]);
  });

  test("divide cycles by 64 with PMCR_EL0.D", () => {
    const m = machine();
    m.pe.writeSystem("PMCR_EL0", 9n);
    m.pe.writeSystem("PMCNTENSET_EL0", CYCLES);
    for (const [instructions, cycles] of [
      [63, 0n],
      [1, 1n],
      [64 * 5 + 10, 6n],
    ] as const) {
      run(m, instructions);
      expect(m.pe.readSystem("PMCCNTR_EL0")).toBe(cycles);
    }
  });

  test("chain to 64 bits", () => {
    const m = machine();
    counter(m, 0, INSTRUCTIONS);
    counter(m, 1, CHAIN);
    m.pe.writeSystem("PMEVCNTR0_EL0", 0xffff_fff0n);
    run(m, 0x20);
    expect([m.pe.readSystem("PMEVCNTR0_EL0"), m.pe.readSystem("PMEVCNTR1_EL0")]).toEqual([0x10n, 1n]);
    expect(m.pe.readSystem("PMOVSSET_EL0")).toBe(1n);
  });

  test("go on after a snapshot", () => {
    const m = machine();
    counter(m, 0, INSTRUCTIONS);
    run(m, 12);
    m.pe.save();
    m.core.executed = 5000;
    m.pe.reload();
    run(m, 3);
    expect(m.pe.readSystem("PMEVCNTR0_EL0")).toBe(15n);
  });
});

describe("overflow", () => {
  test("interrupts until it is cleared, and the run loop is told when", () => {
    const m = machine();
    const levels: boolean[] = [];
    m.pe.onPmu = (level) => levels.push(level);
    counter(m, 4, INSTRUCTIONS);
    m.pe.writeSystem("PMEVCNTR4_EL0", 0x1_0000_0000n - 50n);
    expect(m.pe.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    m.pe.writeSystem("PMINTENSET_EL1", 0x10n);
    expect(m.pe.takeInterrupt()).toBe(true);
    expect(m.core.exit).toEqual({ kind: "timer" });
    // This clock takes a nanosecond for an instruction.
    expect(m.pe.nextDeadline()).toBe(50);
    run(m, 49);
    m.pe.updateTimers();
    expect(levels).toEqual([]);
    run(m, 1);
    m.pe.updateTimers();
    expect(levels).toEqual([true]);
    expect(m.pe.readSystem("PMOVSCLR_EL0")).toBe(0x10n);
    m.pe.writeSystem("PMOVSCLR_EL0", 0x10n);
    expect(levels).toEqual([true, false]);
  });

  test("of the cycle counter is that of 64 bits", () => {
    const m = machine();
    m.pe.writeSystem("PMCNTENSET_EL0", CYCLES);
    m.pe.writeSystem("PMINTENSET_EL1", CYCLES);
    m.pe.writeSystem("PMCCNTR_EL0", 0xffff_ffffn);
    run(m, 1);
    expect([m.pe.readSystem("PMCCNTR_EL0"), m.pe.readSystem("PMOVSSET_EL0")]).toEqual([1n << 32n, 0n]);
    m.pe.writeSystem("PMCCNTR_EL0", 0xffff_ffff_ffff_fffen);
    expect(m.pe.nextDeadline()).toBe(2);
    run(m, 2);
    expect([m.pe.readSystem("PMCCNTR_EL0"), m.pe.readSystem("PMOVSSET_EL0")]).toEqual([0n, CYCLES]);
  });
});

describe("MDCR_EL2", () => {
  test("HPMN keeps counters for EL2, which HPME lets run", () => {
    const m = machine(2);
    m.pe.writeSystem("MDCR_EL2", 2n);
    counter(m, 1, AT_EL2 | INSTRUCTIONS);
    counter(m, 2, AT_EL2 | INSTRUCTIONS);
    run(m, 5);
    expect([m.pe.readSystem("PMEVCNTR1_EL0"), m.pe.readSystem("PMEVCNTR2_EL0")]).toEqual([5n, 0n]);
    m.pe.writeSystem("MDCR_EL2", 2n | (1n << 7n));
    run(m, 5);
    atLevel(m, 1);
    expect(m.pe.readSystem("PMCR_EL0") >> 11n).toBe(2n);
    expect(m.pe.readSystem("PMCNTENSET_EL0")).toBe(2n);
    expect(m.pe.readSystem("PMEVCNTR2_EL0")).toBe(0n);
    m.pe.writeSystem("PMCR_EL0", 3n);
    atLevel(m, 2);
    expect(m.pe.readSystem("PMCR_EL0") >> 11n).toBe(6n);
    expect([m.pe.readSystem("PMEVCNTR1_EL0"), m.pe.readSystem("PMEVCNTR2_EL0")]).toEqual([0n, 5n]);
  });
});

test.each<Tier>(["cold", "hot"])("a program counts its own instructions (%s tier)", (tier) => {
  const [PMCCNTR, WORDS, ROUNDS] = [systemRegisterNumber("PMCCNTR_EL0") & 0x7fff, 7, 300];
  const read = (xt: number): number => a64("mrs", { system: PMCCNTR, xt });
  const machine = new BareMachine(
    {
      0: [
        a64("movz", { sf: 1, rd: 2, imm: ROUNDS }),
        read(0),
        ...Array.from({ length: WORDS }, () => a64("add.imm", { sf: 1, rdSp: 4, rnSp: 4, imm: 1 })),
        read(1),
        a64("sub", { sf: 1, rd: 3, rn: 1, rm: 0 }),
        a64("add", { sf: 1, rd: 5, rn: 5, rm: 3 }),
        a64("sub.imm", { sf: 1, rdSp: 2, rnSp: 2, imm: 1 }),
        a64("cbnz", { sf: 1, rd: 2, offset: -4 * (WORDS + 5) }),
        a64("wfi"),
      ],
    },
    { tier },
  );
  const [{ core, pe }] = machine.pes as [BareMachine["pes"][number]];
  pe.writeSystem("PMCCFILTR_EL0", AT_EL2);
  pe.writeSystem("PMCNTENSET_EL0", CYCLES);
  pe.writeSystem("PMCR_EL0", 1n);
  while (core.run(997) !== "exit" || (core.exit as { kind: string }).kind !== "wait");
  expect(core.big(X[5]!)).toBe(BigInt((WORDS + 1) * ROUNDS));
});
