import { Access, Status, Translated, type Translation } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { atLevel, type FakeMachine, fakeMachine, RAM } from "../../testing/cpu/fake-machine.js";
import { Helper } from "../helper-ids.js";
import { asksForLevel } from "./units.js";

const START = BigInt(RAM) + 0x100n;
const DATA = RAM + 0x2000;
const MIDDLE = DATA + 0x800;
const SS = 1n << 21n;
const ADDRESS_MATCH = 0x1e0n;

function machine(level: number, mdscr: bigint): FakeMachine {
  const m = fakeMachine();
  m.pe.writeSystem("OSLAR_EL1", 0n);
  m.pe.writeSystem("MDSCR_EL1", mdscr);
  atLevel(m, level);
  m.core.pc = START;
  return m;
}
const out: Translation = { physical: 0, readable: true, writable: true, cacheable: true, pageShift: 12 };
const fetch = ({ pe }: FakeMachine, address: bigint): Translated => {
  out.cacheable = true;
  return pe.translateFetch(Number(address), 0, out);
};
const access = ({ pe }: FakeMachine, kind: Access, address: number, size: number): Translated => {
  out.cacheable = true;
  return pe.translate(kind, address | 0, 0, size, out);
};

test.each([
  // HMC, SSC and PAC; the levels they name. Arm ARM, "Execution conditions for which a breakpoint generates exceptions".
  [0, 0, 1, [1]],
  [0, 0, 2, [0]],
  [0, 0, 3, [0, 1]],
  [1, 0, 1, [1, 2]],
  [1, 0, 3, [0, 1, 2]],
  [1, 3, 0, [2]],
  [0, 1, 1, [1]],
  [1, 1, 3, [0, 1, 2]],
  // Reserved, or of the Secure state.
  [0, 0, 0, []],
  [1, 0, 0, []],
  [1, 0, 2, []],
  [0, 3, 1, []],
  [1, 3, 1, []],
  [1, 3, 3, []],
  [0, 2, 3, []],
])("HMC %i, SSC %i, PAC %i ask for levels %j", (hmc, ssc, pac, levels) => {
  const control = (hmc << 13) | (ssc << 14) | (pac << 1) | 1;
  expect([0, 1, 2].filter((level) => asksForLevel(control, level))).toEqual(levels);
});

describe("whether debug exceptions are enabled", () => {
  const D = 0x200;
  test.each([
    // from, KDE, D masked, TDE; enabled
    [0, false, true, false, true],
    [1, false, false, false, false],
    [1, true, false, false, true],
    [1, true, true, false, false],
    [2, true, false, false, false],
    [1, false, true, true, true],
    [2, true, false, true, true],
    [2, true, true, true, false],
  ])("from EL%i, KDE %s, D %s, TDE %s", (level, kde, masked, tde, enabled) => {
    const m = machine(2, kde ? 1n << 13n : 0n);
    m.pe.writeSystem("MDCR_EL2", tde ? 1n << 8n : 0n);
    expect(m.pe.debug.enabledAt(level, masked ? D : 0)).toBe(enabled);
    m.pe.writeSystem("OSLAR_EL1", 1n);
    expect(m.pe.debug.enabledAt(level, masked ? D : 0)).toBe(false);
    m.pe.writeSystem("OSLAR_EL1", 0n);
    m.pe.writeSystem("OSDLR_EL1", 1n);
    expect(m.pe.debug.enabledAt(level, masked ? D : 0)).toBe(false);
    m.pe.writeSystem("DBGPRCR_EL1", 1n);
    expect(m.pe.debug.enabledAt(level, masked ? D : 0)).toBe(enabled);
  });

  test("the OS lock is locked by a reset", () => {
    const { pe } = fakeMachine();
    expect(pe.readSystem("OSLSR_EL1")).toBe(0xan);
  });
});

describe("software step", () => {
  /** EL0 with PSTATE.SS = 1, by ERET from EL1. */
  function stepping(): FakeMachine {
    const m = machine(1, 1n);
    m.pe.writeSystem("SPSR_EL1", SS);
    m.pe.writeSystem("ELR_EL1", START);
    m.pe.helper(Helper.eret, 0, 0, 0);
    return m;
  }

  test("lets one instruction go by", () => {
    const m = stepping();
    expect(m.pe.takeInterrupt()).toBe(false);
    expect(m.core.singleStep).toBe(true);
    // Asked again before it was executed.
    expect(m.pe.takeInterrupt()).toBe(false);
    m.core.executed++;
    m.core.pc = START + 4n;
    expect(m.pe.takeInterrupt()).toBe(true);
    expect(m.pe.readSystem("ESR_EL1")).toBe(0xcb00_0022n);
    expect(m.pe.readSystem("ELR_EL1")).toBe(START + 4n);
    expect(m.pe.readSystem("SPSR_EL1")).toBe(0n);
    expect(m.pe.takeInterrupt()).toBe(false);
    expect(m.core.singleStep).toBe(false);
  });

  test("an exception of the instruction leaves the step to be done, SVC does not", () => {
    const trapped = stepping();
    trapped.pe.takeInterrupt();
    trapped.pe.helper(Helper.undefined, 0, 0, 0);
    expect(trapped.pe.readSystem("SPSR_EL1")).toBe(SS);
    const called = stepping();
    called.pe.takeInterrupt();
    called.pe.helper(Helper.svc, 0, 0, 0);
    expect(called.pe.readSystem("SPSR_EL1")).toBe(0n);
  });

  test("waits are over at once", () => {
    const m = stepping();
    m.pe.writeSystem("SCTLR_EL1", (1n << 16n) | (1n << 18n));
    m.pe.takeInterrupt();
    expect(m.pe.helper(Helper.wfi, 0, 0, 0)).toBe(Status.next);
    m.pe.events.take();
    expect(m.pe.helper(Helper.wfe, 0, 0, 0)).toBe(Status.next);
  });

  test("of EL1 itself waits for PSTATE.D to be clear", () => {
    const m = machine(1, 1n | (1n << 13n));
    expect(m.pe.takeInterrupt()).toBe(false);
    m.pe.writeSystem("DAIF", 0n);
    expect(m.pe.takeInterrupt()).toBe(true);
    // Nothing was stepped, and the exception is of the same level.
    expect(m.pe.readSystem("ESR_EL1")).toBe(0xce00_0022n);
  });

  test("goes on after a snapshot where it was", () => {
    const m = stepping();
    m.pe.takeInterrupt();
    m.core.executed++;
    m.core.singleStep = false;
    m.pe.reload();
    expect(m.pe.takeInterrupt()).toBe(true);
    expect(m.pe.readSystem("ESR_EL1")).toBe(0xcb00_0022n);
  });
});

describe("breakpoints", () => {
  test("keep their page from being remembered, and stop at their address", () => {
    const m = machine(0, 1n << 15n);
    m.pe.writeSystem("DBGBVR0_EL1", START + 8n);
    m.pe.writeSystem("DBGBCR0_EL1", ADDRESS_MATCH | 5n);
    expect([fetch(m, START + 4n), out.cacheable]).toEqual([Translated.ok, false]);
    expect([fetch(m, START + 0x1000n), out.cacheable]).toEqual([Translated.ok, true]);
    expect(fetch(m, START + 8n)).toBe(Translated.trap);
    expect(m.pe.readSystem("ESR_EL1")).toBe(0xc200_0022n);
  });

  test("of a VMID match in the guest of that VMID only", () => {
    for (const [vmid, stops] of [
      [7n, true],
      [8n, false],
    ] as const) {
      const m = machine(0, 1n << 15n);
      m.pe.writeSystem("VTTBR_EL2", vmid << 48n);
      m.pe.writeSystem("DBGBVR5_EL1", 7n << 32n);
      m.pe.writeSystem("DBGBCR5_EL1", (8n << 20n) | ADDRESS_MATCH | 5n);
      expect(fetch(m, START)).toBe(stops ? Translated.trap : Translated.ok);
    }
  });

  test("drop what is remembered when they are set, not when they are cleared", () => {
    const m = machine(1, 1n << 15n);
    const { drops } = m.core;
    m.pe.writeSystem("DBGBCR0_EL1", ADDRESS_MATCH | 4n);
    expect(m.core.drops).toBe(drops);
    m.pe.writeSystem("DBGBCR0_EL1", ADDRESS_MATCH | 5n);
    expect(m.core.drops).toBe(drops + 1);
    m.pe.writeSystem("DBGBCR0_EL1", 0n);
    expect(m.core.drops).toBe(drops + 1);
  });
});

describe("watchpoints", () => {
  const watch = (control: bigint, address = DATA, level = 0): FakeMachine => {
    const m = machine(level, 1n << 15n);
    m.pe.writeSystem("DBGWVR2_EL1", BigInt(address));
    m.pe.writeSystem("DBGWCR2_EL1", control);
    return m;
  };
  /** PAC = EL0, LSC, BAS. */
  const control = (lsc: number, bas: number): bigint => BigInt((bas << 5) | (lsc << 3) | 5);

  test("select bytes of a doubleword", () => {
    // Device memory, as translation is off, takes aligned accesses only.
    for (const size of [1, 2, 4, 8]) {
      for (let at = -8; at < 16; at += size) {
        const m = watch(control(3, 0x24), MIDDLE);
        const hit = [2, 5].find((byte) => at <= byte && byte < at + size);
        expect(access(m, Access.read, MIDDLE + at, size)).toBe(
          hit === undefined ? Translated.ok : Translated.trap,
        );
        expect(out.cacheable).toBe(false);
        if (hit !== undefined) expect(m.pe.readSystem("FAR_EL1")).toBe(BigInt(MIDDLE + hit));
      }
    }
  });

  test("tell loads from stores; an atomic is both", () => {
    for (const [lsc, kind, esr] of [
      [1, Access.read, 0xd200_0022n],
      [1, Access.write, undefined],
      [1, Access.rmw, 0xd200_0022n],
      [2, Access.read, undefined],
      [2, Access.write, 0xd200_0062n],
      [2, Access.rmw, 0xd200_0062n],
    ] as const) {
      const m = watch(control(lsc, 0xff));
      expect(access(m, kind, DATA, 8)).toBe(esr === undefined ? Translated.ok : Translated.trap);
      if (esr !== undefined) expect(m.pe.readSystem("ESR_EL1")).toBe(esr);
    }
  });

  test("cover aligned blocks with MASK", () => {
    for (const [address, hit] of [
      [DATA - 1, false],
      [DATA, true],
      [DATA + 0xfff, true],
      [DATA + 0x1000, false],
    ] as const) {
      const m = watch(control(3, 0xff) | (12n << 24n));
      expect(access(m, Access.read, address, 1)).toBe(hit ? Translated.trap : Translated.ok);
    }
  });

  test("see LDTR and STTR as accesses of EL0", () => {
    for (const [context, hit] of [
      [2, true],
      [0, false],
    ] as const) {
      const m = watch(control(3, 0xff), DATA, 1);
      m.pe.writeSystem("MDSCR_EL1", (1n << 15n) | (1n << 13n));
      m.pe.writeSystem("DAIF", 0n);
      m.core.selectedContext = context;
      expect(access(m, Access.read, DATA, 8)).toBe(hit ? Translated.trap : Translated.ok);
      if (hit) expect(m.pe.readSystem("ESR_EL1")).toBe(0xd600_0022n);
    }
  });

  test("have no walk fill the TLB while there are any", () => {
    const m = watch(control(3, 0xff));
    expect(m.core.translatesAll).toBe(true);
    m.pe.writeSystem("MDSCR_EL1", 0n);
    expect(m.core.translatesAll).toBe(false);
  });
});
