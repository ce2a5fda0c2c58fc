import { Status } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { atLevel, type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-machine.js";
import { Helper } from "./helper-ids.js";
import { registerNumber } from "./system-register.js";

const VBAR1 = 0xffff_0000_0000_0800n;
const VBAR2 = 0x4008_0000n;
const HCR_TGE = 1n << 27n;
const HCR_RW = 1n << 31n;
const EL0T = 0;
const EL1H = 5;
const EL2H = 9;

function machine(level: number, mode: "bare" | "vm" = "bare"): FakeMachine {
  const m = fakeMachine({ mode });
  m.pe.writeSystem("VBAR_EL1", VBAR1);
  m.pe.writeSystem("VBAR_EL2", VBAR2);
  atLevel(m, level);
  m.core.pc = BigInt(RAM) + 0x100n;
  return m;
}
const esr = (ec: number, iss: number): bigint => BigInt(ec * 2 ** 26 + 2 ** 25 + iss);

describe("exceptions", () => {
  test("SVC goes to EL1, behind itself, with the state it left", () => {
    const m = machine(0);
    m.pe.writeSystem("NZCV", 0xa000_0000n);
    m.pe.writeSystem("DAIF", 0n);
    expect(m.pe.helper(Helper.svc, 0x1234, 0, 0)).toBe(Status.trap);
    expect(m.pe.el).toBe(1);
    expect(m.core.pc).toBe(VBAR1 + 0x400n);
    expect(m.pe.readSystem("ESR_EL1")).toBe(esr(0x15, 0x1234));
    expect(m.pe.readSystem("ELR_EL1")).toBe(BigInt(RAM) + 0x104n);
    expect(m.pe.readSystem("SPSR_EL1")).toBe(0xa000_0000n);
    expect(m.pe.readSystem("DAIF")).toBe(0x3c0n);
  });

  test("HCR_EL2.TGE sends what EL0 does to EL2", () => {
    const m = machine(0);
    m.pe.writeSystem("HCR_EL2", HCR_TGE);
    m.pe.helper(Helper.svc, 1, 0, 0);
    expect(m.pe.el).toBe(2);
    expect(m.core.pc).toBe(VBAR2 + 0x400n);
    expect(m.pe.readSystem("ESR_EL2")).toBe(esr(0x15, 1));
  });

  test("an address that is no multiple of 4 faults where it is executed", () => {
    const m = machine(1);
    m.core.setPc(0x1002, 0x55);
    expect(m.pe.helper(Helper.pcAlignment, 0, 0, 0)).toBe(Status.trap);
    expect(m.pe.readSystem("ELR_EL1")).toBe(0x55_0000_1002n);
    expect(m.pe.readSystem("FAR_EL1")).toBe(0x55_0000_1002n);
    expect(m.pe.readSystem("ESR_EL1")).toBe(esr(0x22, 0));
  });

  test("CLREX gives up the exclusive monitor's mark", () => {
    const m = machine(0);
    const before = m.core.reservationCleared;
    expect(m.pe.helper(Helper.clearExclusive, 0, 0, 0)).toBe(Status.next);
    expect(m.core.reservationCleared).toBe(before + 1);
  });

  test("an exception of the same level uses the vector of its stack pointer", () => {
    for (const [selection, offset] of [
      [0, 0n],
      [1, 0x200n],
    ] as const) {
      const m = machine(1);
      m.pe.setLevel(1, selection);
      m.pe.helper(Helper.brk, 7, 0, 0);
      expect(m.core.pc).toBe(VBAR1 + offset);
      expect(m.pe.readSystem("ELR_EL1")).toBe(BigInt(RAM) + 0x100n);
      expect(m.pe.readSystem("ESR_EL1")).toBe(esr(0x3c, 7));
    }
  });

  test("SCTLR_EL1.SPAN = 0 sets PAN on entry to EL1", () => {
    for (const [span, pan] of [
      [0n, 1n << 22n],
      [1n << 23n, 0n],
    ] as const) {
      const m = machine(0);
      m.pe.writeSystem("SCTLR_EL1", span);
      m.pe.helper(Helper.svc, 0, 0, 0);
      expect(m.pe.readSystem("PAN")).toBe(pan);
    }
  });

  test("an exception that leads to itself for ever ends in a report", () => {
    for (const [level, mode] of [
      [1, "bare"],
      [1, "vm"],
      [2, "bare"],
    ] as const) {
      const m = machine(level, mode);
      let taken = 0;
      while (m.pe.helper(Helper.undefined, 0, 0, 0) === Status.trap) taken++;
      expect(m.core.exit).toEqual({ kind: "fatal", reason: "every exception leads to the same exception" });
      expect(m.core.pc).toBe((level === 1 ? VBAR1 : VBAR2) + 0x200n);
      expect(taken).toBe(10_001);
    }
  });

  test("an exception from below at its handler's address is none of these", () => {
    const m = machine(0);
    m.pe.writeSystem("VBAR_EL1", 0x4000_0800n);
    for (let i = 0; i < 20_000; i++) {
      m.core.pc = 0x4000_0a00n;
      expect(m.pe.helper(Helper.undefined, 0, 0, 0)).toBe(Status.trap);
      atLevel(m, 0);
    }
  });

  test("HVC is UNDEFINED at EL0 and with HCD, and EL2's else", () => {
    const user = machine(0);
    user.pe.helper(Helper.hvc, 0, 0, 0);
    expect(user.pe.readSystem("ESR_EL1")).toBe(esr(0, 0));
    const off = machine(1);
    off.pe.writeSystem("HCR_EL2", 1n << 29n);
    off.pe.helper(Helper.hvc, 0, 0, 0);
    expect(off.pe.readSystem("ESR_EL1")).toBe(esr(0, 0));
    const on = machine(1);
    on.pe.helper(Helper.hvc, 0x55, 0, 0);
    expect(on.pe.readSystem("ESR_EL2")).toBe(esr(0x16, 0x55));
    expect(on.pe.readSystem("SPSR_EL2")).toBe(0x3c0n | BigInt(EL1H));
  });

  test("SMC is trapped by TSC, UNDEFINED without, or the firmware's", () => {
    const trapped = machine(1);
    trapped.pe.writeSystem("HCR_EL2", 1n << 19n);
    trapped.pe.helper(Helper.smc, 3, 0, 0);
    expect(trapped.pe.readSystem("ESR_EL2")).toBe(esr(0x17, 3));
    expect(trapped.pe.readSystem("ELR_EL2")).toBe(BigInt(RAM) + 0x100n);
    const plain = machine(2);
    plain.pe.helper(Helper.smc, 0, 0, 0);
    expect(plain.pe.readSystem("ESR_EL2")).toBe(esr(0, 0));
    const board = machine(2);
    board.pe.firmware = () => Status.next;
    expect(board.pe.helper(Helper.smc, 0, 0, 0)).toBe(Status.next);
  });

  test("a trapped MSR tells register, Rt and direction", () => {
    const m = machine(1);
    m.pe.writeSystem("HCR_EL2", 1n << 26n);
    // msr ttbr0_el1, x9
    m.core.write32(RAM + 0x100, 0xd5182009);
    m.pe.helper(Helper.writeSystem, registerNumber(3, 0, 2, 0, 0), 0, 0);
    expect(m.pe.readSystem("ESR_EL2")).toBe(esr(0x18, (3 << 20) | (2 << 10) | (9 << 5)));
  });

  test("registers of a higher level and unknown ones are UNDEFINED", () => {
    for (const number of [registerNumber(3, 4, 1, 1, 0), registerNumber(3, 0, 15, 0, 0)]) {
      const m = machine(1);
      m.pe.helper(Helper.readSystem, number, 0, 0);
      expect(m.pe.readSystem("ESR_EL1")).toBe(esr(0, 0));
    }
  });

  test("WFI waits, or is trapped where it would", () => {
    const m = machine(1);
    expect(m.pe.helper(Helper.wfi, 0, 0, 0)).toBe(Status.exit);
    expect(m.core.pc).toBe(BigInt(RAM) + 0x104n);
    const trapped = machine(1);
    trapped.pe.writeSystem("HCR_EL2", 1n << 13n);
    trapped.pe.helper(Helper.wfi, 0, 0, 0);
    expect(trapped.pe.readSystem("ESR_EL2")).toBe(esr(1, 0x1e0_0000));
    const pending = machine(1);
    pending.pe.writeSystem("HCR_EL2", 1n << 13n);
    pending.pe.setIrq(true);
    expect(pending.pe.helper(Helper.wfi, 0, 0, 0)).toBe(Status.next);
  });
});

describe("ERET", () => {
  test("restores what was saved", () => {
    const m = machine(2);
    m.pe.writeSystem("SPSR_EL2", 0x6040_0000n | 0x80n | BigInt(EL1H));
    m.pe.writeSystem("ELR_EL2", 0xffff_0000_1234_0000n);
    expect(m.pe.helper(Helper.eret, 0, 0, 0)).toBe(Status.redispatch);
    expect([m.pe.el, m.core.pc]).toEqual([1, 0xffff_0000_1234_0000n]);
    expect(m.pe.readSystem("NZCV")).toBe(0x6000_0000n);
    expect(m.pe.readSystem("DAIF")).toBe(0x80n);
    expect(m.pe.readSystem("PAN")).toBe(1n << 22n);
  });

  test.each([
    ["AArch32", 1, 0x10, 0n],
    ["a higher level", 1, EL2H, 0n],
    ["EL3", 2, 13, 0n],
    ["EL0 with SP_EL1", 1, 1, 0n],
    ["M[1]", 1, 6, 0n],
    ["EL1 with TGE", 2, EL1H, HCR_TGE],
  ])("to %s is illegal: the next instruction is", (_, level, spsr, hcr) => {
    const m = machine(level);
    m.pe.writeSystem("HCR_EL2", hcr | HCR_RW);
    m.pe.writeSystem(`SPSR_EL${level}`, BigInt(spsr));
    m.pe.writeSystem(`ELR_EL${level}`, 0x4000n);
    m.pe.helper(Helper.eret, 0, 0, 0);
    expect([m.pe.el, m.core.pc]).toEqual([level, 0x4000n]);
    expect(m.pe.takeInterrupt()).toBe(true);
    expect(m.pe.readSystem(`ESR_EL${level}`)).toBe(esr(0x0e, 0));
    expect(m.pe.readSystem(`SPSR_EL${level}`) & (1n << 20n)).toBe(1n << 20n);
    expect(m.pe.takeInterrupt()).toBe(false);
  });

  test("vm mode leaves the run at an exception to EL2, and enters again", () => {
    const m = machine(1, "vm");
    expect(m.pe.helper(Helper.hvc, 2, 0, 0)).toBe(Status.exitBefore);
    expect(m.core.exit).toEqual({ kind: "trap", vector: "sync" });
    expect(m.pe.readSystem("ESR_EL2")).toBe(esr(0x16, 2));
    expect(m.pe.el).toBe(2);
    m.pe.enterGuest();
    expect([m.pe.el, m.core.pc]).toEqual([1, BigInt(RAM) + 0x104n]);
    m.pe.writeSystem("SPSR_EL2", BigInt(EL0T));
    m.pe.setLevel(2, 1);
    m.pe.enterGuest();
    expect(m.pe.el).toBe(0);
  });
});

describe("interrupts", () => {
  const DAIF_OPEN = 0n;
  test.each([
    // level, HCR_EL2, DAIF, taken to
    [1, 0n, DAIF_OPEN, 1],
    [1, 0n, 0x80n, undefined],
    [0, 0n, 0x80n, undefined],
    [1, 1n << 4n, 0x3c0n, 2],
    [0, HCR_TGE, 0x3c0n, 2],
    [2, 1n << 4n, DAIF_OPEN, 2],
    [2, 1n << 4n, 0x80n, undefined],
    [2, 0n, DAIF_OPEN, undefined],
  ])("IRQ at EL%i with HCR_EL2 %s and DAIF %s", (level, hcr, daif, target) => {
    const m = machine(level);
    m.pe.writeSystem("HCR_EL2", hcr);
    m.pe.writeSystem("DAIF", daif);
    m.pe.setIrq(true);
    expect(m.pe.takeInterrupt()).toBe(target !== undefined);
    if (target === undefined) return;
    expect(m.pe.el).toBe(target);
    expect(m.core.pc & 0x1ffn).toBe(0x80n);
  });

  test("virtual ones need xMO and are taken below EL2 only", () => {
    for (const [level, hcr, taken] of [
      [1, 1n << 4n, true],
      [0, 1n << 4n, true],
      [1, 0n, false],
      [2, 1n << 4n, false],
      [1, (1n << 4n) | HCR_TGE, false],
    ] as const) {
      const m = machine(level);
      m.pe.writeSystem("HCR_EL2", hcr);
      m.pe.writeSystem("DAIF", 0n);
      m.pe.setVirtualIrq(true);
      expect(m.pe.takeInterrupt()).toBe(taken);
      if (taken) expect(m.core.pc).toBe(VBAR1 + (level === 0 ? 0x480n : 0x280n));
    }
  });

  test("a virtual SError is taken once", () => {
    const m = machine(1);
    m.pe.writeSystem("HCR_EL2", (1n << 5n) | (1n << 8n));
    m.pe.writeSystem("DAIF", 0n);
    expect(m.pe.takeInterrupt()).toBe(true);
    expect(m.core.pc).toBe(VBAR1 + 0x380n);
    expect(m.pe.readSystem("HCR_EL2")).toBe((1n << 5n) | HCR_RW);
  });
});
