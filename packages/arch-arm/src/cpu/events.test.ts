import { Status, type Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { a64, BareMachine, RAM } from "../testing/cpu/bare-machine.js";
import { atLevel, type FakeMachine, fakeMachine } from "../testing/cpu/fake-machine.js";
import { Helper } from "./helper-ids.js";
import { eventRegister, X } from "./state.js";

const START = BigInt(RAM) + 0x100n;
const TICK = 16;
const TWE = 1n << 14n;

function machine(level = 1): FakeMachine {
  const m = fakeMachine();
  m.core.pc = START;
  atLevel(m, level);
  return m;
}
const wfe = ({ pe }: FakeMachine): Status => pe.helper(Helper.wfe, 0, 0, 0);

describe("WFE", () => {
  test("waits behind itself, until an event that it uses up", () => {
    const m = machine();
    expect(wfe(m)).toBe(Status.exit);
    expect(m.core.exit).toEqual({ kind: "wait" });
    expect(m.core.pc).toBe(START + 4n);
    expect(m.pe.wakeUp).toBe(false);
    m.pe.helper(Helper.sendEvent, 0, 0, 0);
    expect(m.pe.wakeUp).toBe(true);
    expect(m.pe.takeInterrupt()).toBe(false);
    expect(m.core.lo(eventRegister)).toBe(0);
  });

  test("goes on at once when an event came before, once", () => {
    const m = machine();
    m.core.set(eventRegister, 1, 0);
    expect(wfe(m)).toBe(Status.next);
    expect(wfe(m)).toBe(Status.exit);
  });

  test("goes on after an exception return", () => {
    const m = machine(2);
    m.pe.writeSystem("SPSR_EL2", 9n);
    m.pe.helper(Helper.eret, 0, 0, 0);
    expect(wfe(m)).toBe(Status.next);
  });

  test.each([
    [0, 0n, 0n, "ESR_EL1"],
    [0, 1n << 18n, TWE, "ESR_EL2"],
    [1, 0n, TWE, "ESR_EL2"],
  ])("at EL%i with SCTLR_EL1 %x and HCR_EL2 %x is trapped where it would wait", (level, sctlr, hcr, esr) => {
    const m = machine(level);
    m.pe.writeSystem("SCTLR_EL1", sctlr);
    m.pe.writeSystem("HCR_EL2", hcr);
    m.core.set(eventRegister, 1, 0);
    expect(wfe(m)).toBe(Status.next);
    expect(wfe(m)).toBe(Status.trap);
    expect(m.pe.readSystem(esr)).toBe(0x0600_0000n | 0x1e0_0001n);
  });

  test("ends for an interrupt only if that is not masked; WFI for any", () => {
    for (const [daif, ends] of [
      [0x3c0n, false],
      [0n, true],
    ] as const) {
      const m = machine();
      wfe(m);
      m.pe.writeSystem("DAIF", daif);
      m.pe.setIrq(true);
      expect(m.pe.wakeUp).toBe(ends);
    }
    const m = machine();
    m.pe.helper(Helper.wfi, 0, 0, 0);
    m.pe.setIrq(true);
    expect(m.pe.wakeUp).toBe(true);
  });

  test("ends when what the monitor marks is written by somebody", () => {
    const m = machine();
    m.core.reserved = 0x208;
    wfe(m);
    m.core.clearReservation();
    expect(m.pe.wakeUp).toBe(false);
    m.core.write64(RAM + 0x210, 1n);
    expect(m.pe.wakeUp).toBe(false);
    m.core.write64(RAM + 0x208, 1n);
    expect(m.pe.wakeUp).toBe(true);
  });
});

describe("the event stream", () => {
  test.each([
    // EVNTI 3: transitions of bit 3 of the count, to 1 at 8, 24, 40, and to 0 at 16, 32.
    ["CNTKCTL_EL1", 0x34n, 0n, [8, 24, 40]],
    ["CNTKCTL_EL1", 0x3cn, 0n, [16, 32, 48]],
    ["CNTKCTL_EL1", 0x34n, 5n, [13, 29, 45]],
    ["CNTHCTL_EL2", 0x34n, 5n, [8, 24, 40]],
    ["CNTKCTL_EL1", 0x04n, 0n, [1, 3, 5]],
  ] as const)("%s = %x with CNTVOFF_EL2 = %i ends waits", (register, control, offset, ticks) => {
    const m = machine();
    m.pe.writeSystem("CNTVOFF_EL2", offset);
    m.pe.writeSystem(register, control);
    for (const tick of ticks) {
      expect(wfe(m)).toBe(Status.exit);
      expect(m.pe.nextDeadline()).toBe(tick * TICK);
      m.clock.ns = tick * TICK - 1;
      expect(m.pe.wakeUp).toBe(false);
      m.clock.ns = tick * TICK;
      expect(m.pe.wakeUp).toBe(true);
      m.pe.takeInterrupt();
      expect(m.pe.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    }
    // What comes while nobody waits is kept, once.
    m.clock.ns += 1000 * TICK;
    expect([wfe(m), wfe(m)]).toEqual([Status.next, Status.exit]);
  });
});

const WFE = a64("wfe");
const LOCK = 0x8000;
const BASE = 1;
const base = a64("movz", { sf: 1, rd: BASE, imm: 0x4000, half: 1 });
const lock = a64("add.imm", { sf: 1, rdSp: BASE, rnSp: BASE, imm: LOCK / 4096, sh: 1 });

describe.each<Tier>(["cold", "hot"])("PEs in turn (%s tier)", (tier) => {
  test("one waits for the other's store, or its event", () => {
    for (const release of [a64("stlr.x", { xt: 31, xnSp: BASE }), a64("sev")]) {
      const machine = new BareMachine(
        {
          0: [
            a64("mrs", { system: 0x4005, xt: 0 }), // MPIDR_EL1
            base,
            lock,
            a64("tbnz", { rd: 0, bit: 0, offset: 0x100 - 12 }),
            a64("ldaxr.x", { xt: 2, xnSp: BASE }),
            WFE,
            a64("movz", { sf: 1, rd: 3, imm: 1 }),
            WFE,
            a64("movz", { sf: 1, rd: 3, imm: 2 }),
          ],
          256: [release, a64("movz", { sf: 1, rd: 3, imm: 9 }), a64("wfi")],
        },
        { tier, count: 2 },
      );
      machine.write(LOCK, 1n);
      const [waiter, other] = machine.pes as [BareMachine["pes"][0], BareMachine["pes"][0]];
      expect(waiter.core.run(1000)).toBe("exit");
      expect([waiter.core.big(X[2]!), waiter.core.big(X[3]!)]).toEqual([1n, 0n]);
      expect(waiter.pe.wakeUp).toBe(false);
      expect(other.core.run(5)).toBe("budget");
      expect(waiter.pe.wakeUp).toBe(true);
      // The wait was for one event.
      expect(waiter.core.run(1000)).toBe("exit");
      expect(waiter.core.big(X[3]!)).toBe(1n);
      expect(waiter.pe.wakeUp).toBe(false);
    }
  });

  test("a store before the wait, but after the load that marks, is not missed", () => {
    const machine = new BareMachine(
      {
        0: [
          base,
          lock,
          a64("ldaxr.x", { xt: 2, xnSp: BASE }),
          WFE,
          a64("movz", { sf: 1, rd: 3, imm: 1 }),
          WFE,
        ],
      },
      { tier, count: 2 },
    );
    const [waiter, other] = machine.pes as [BareMachine["pes"][0], BareMachine["pes"][0]];
    waiter.core.run(3);
    other.core.run(1);
    expect(waiter.core.run(1)).toBe("budget");
    expect(waiter.core.run(10)).toBe("exit");
    expect(waiter.core.big(X[3]!)).toBe(1n);
  });

  test("SEVL is for the PE itself", () => {
    const machine = new BareMachine({ 0: [a64("sevl"), WFE, WFE] }, { tier, count: 2 });
    const [first, second] = machine.pes as [BareMachine["pes"][0], BareMachine["pes"][0]];
    expect(first.core.run(10)).toBe("exit");
    expect(first.core.pcLo()).toBe(RAM + 12);
    expect(second.core.lo(eventRegister)).toBe(0);
  });
});
