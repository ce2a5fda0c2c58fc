import { Status } from "@hypercraft/engine";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fakeMachine } from "../testing/cpu/fake-core.js";
import { Helper } from "./helper-ids.js";

const bit = (n: number): bigint => 1n << BigInt(n);
const MODES = [
  { name: "U", priv: 0, v: 0 },
  { name: "HS", priv: 1, v: 0 },
  { name: "M", priv: 3, v: 0 },
  { name: "VU", priv: 0, v: 1 },
  { name: "VS", priv: 1, v: 1 },
] as const;

interface Situation {
  readonly mode: (typeof MODES)[number];
  readonly software: bigint;
  readonly hvip: bigint;
  readonly lines: readonly boolean[];
  readonly mie: bigint;
  readonly mideleg: bigint;
  readonly hideleg: bigint;
  readonly mstatusMie: boolean;
  readonly sie: boolean;
  readonly vsie: boolean;
}

/** The rules as the manual states them, one interrupt at a time; undefined when none is taken. */
function expectedInterrupt(s: Situation): { target: "M" | "HS" | "VS"; cause: number } | undefined {
  const pending = new Set<number>();
  for (const n of [1, 5, 9]) if (s.software & bit(n)) pending.add(n);
  for (const n of [2, 6, 10]) if (s.hvip & bit(n)) pending.add(n);
  [3, 7, 11, 9].forEach((n, i) => {
    if (s.lines[i]) pending.add(n);
  });
  const { priv, v } = s.mode;
  const delegated = (n: number): boolean =>
    [2, 6, 10, 12].includes(n) || ([1, 5, 9].includes(n) && (s.mideleg & bit(n)) !== 0n);
  const toGuest = (n: number): boolean => [2, 6, 10].includes(n) && (s.hideleg & bit(n)) !== 0n;
  const order = [11, 3, 7, 9, 1, 5, 12, 10, 2, 6];
  const enabled = order.filter((n) => pending.has(n) && (s.mie & bit(n)) !== 0n);
  for (const n of enabled) {
    if (delegated(n)) continue;
    if (priv < 3 || s.mstatusMie) return { target: "M", cause: n };
  }
  for (const n of enabled) {
    if (!delegated(n) || toGuest(n) || priv === 3) continue;
    if (v === 1 || priv === 0 || s.sie) return { target: "HS", cause: n };
  }
  for (const n of enabled) {
    if (!delegated(n) || !toGuest(n) || v === 0) continue;
    if (priv === 0 || s.vsie) return { target: "VS", cause: n - 1 };
  }
  return undefined;
}

const mask = fc.bigInt({ min: 0n, max: 0xffffn });
// Few at a time, or those of M-mode hide all others.
const few = fc.tuple(mask, mask).map(([a, b]) => a & b);
const mostlyLow = fc.integer({ min: 0, max: 4 }).map((n) => n === 0);
const situation: fc.Arbitrary<Situation> = fc.record({
  mode: fc.constantFrom(...MODES),
  software: few,
  hvip: mask,
  lines: fc.array(mostlyLow, { minLength: 4, maxLength: 4 }),
  mie: mask,
  mideleg: mask,
  hideleg: mask,
  mstatusMie: fc.boolean(),
  sie: fc.boolean(),
  vsie: fc.boolean(),
});

describe("interrupts", () => {
  it("are taken by the manual's rules, whatever the order in which things were set", () => {
    const seen = { M: 0, HS: 0, VS: 0, none: 0 };
    fc.assert(
      fc.property(situation, fc.array(fc.nat(), { minLength: 12, maxLength: 12 }), (s, shuffle) => {
        const { hart, core } = fakeMachine({}, 4096);
        hart.writeCsr("mtvec", 0x1000n);
        hart.writeCsr("stvec", 0x2000n);
        hart.writeCsr("vstvec", 0x3000n);
        const steps: (() => void)[] = [
          () => hart.writeCsr("mip", s.software),
          () => hart.writeCsr("hvip", s.hvip),
          () => hart.setMachineSoftware(s.lines[0]!),
          () => hart.setMachineTimer(s.lines[1]!),
          () => hart.setMachineExternal(s.lines[2]!),
          () => hart.setSupervisorExternal(s.lines[3]!),
          () => hart.writeCsr("mie", s.mie),
          () => hart.writeCsr("mideleg", s.mideleg),
          () => hart.writeCsr("hideleg", s.hideleg),
          () => hart.writeCsr("mstatus", (s.mstatusMie ? bit(3) : 0n) | (s.sie ? bit(1) : 0n)),
          () => hart.writeCsr("vsstatus", s.vsie ? bit(1) : 0n),
          () => hart.setMode(s.mode.priv, s.mode.v),
        ];
        for (const [, step] of steps
          .map((step, i) => [shuffle[i]!, step] as const)
          .sort((a, b) => a[0] - b[0]))
          step();
        // mip.VSSIP is hvip's: whichever was written last counts.
        hart.writeCsr("hvip", s.hvip);
        const expected = expectedInterrupt(s);
        seen[expected?.target ?? "none"]++;
        expect(hart.takeInterrupt()).toBe(expected !== undefined);
        if (expected === undefined) return;
        const { target, cause } = expected;
        const [prefix, vector] = { M: ["m", 0x1000n], HS: ["s", 0x2000n], VS: ["vs", 0x3000n] }[target] as [
          string,
          bigint,
        ];
        expect(hart.readCsr(`${prefix}cause`)).toBe(bit(63) | BigInt(cause));
        expect(hart.readCsr(`${prefix}tval`)).toBe(0n);
        expect(core.pc).toBe(vector);
        // Its target has interrupts off now, so that only a higher level's is left.
        if (target === "M") expect(hart.takeInterrupt()).toBe(false);
      }),
      { numRuns: 1500 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10);
  });

  it("show in sip, hip and vsip as aliases, shifted for the guest", () => {
    const { hart } = fakeMachine();
    hart.writeCsr("mideleg", -1n);
    hart.writeCsr("hideleg", -1n);
    const all = () => ["mip", "sip", "hip", "vsip", "hvip"].map((name) => hart.readCsr(name));
    // SSIP, STIP (no Sstc while menvcfg.STCE is clear), SEIP and VSSIP can be written in mip.
    hart.writeCsr("mip", -1n);
    expect(all()).toEqual([0x226n, 0x222n, 0x4n, 0x2n, 0x4n]);
    hart.writeCsr("mip", 0n);
    expect(all()).toEqual([0n, 0n, 0n, 0n, 0n]);
    hart.writeCsr("hvip", -1n);
    expect(all()).toEqual([0x444n, 0n, 0x444n, 0x222n, 0x444n]);
    hart.writeCsr("hideleg", 0x40n);
    expect(hart.readCsr("vsip")).toBe(0x20n);
    // Only VSSIP of hip, and SSIP of vsip when it is delegated, can be written.
    hart.writeCsr("vsip", 0n);
    expect(hart.readCsr("hvip")).toBe(0x444n);
    hart.writeCsr("hideleg", 0x444n);
    hart.writeCsr("vsip", 0n);
    expect(hart.readCsr("hvip")).toBe(0x440n);
    hart.writeCsr("hip", -1n);
    expect(hart.readCsr("hvip")).toBe(0x444n);
    hart.writeCsr("hip", 0n);
    expect(hart.readCsr("hvip")).toBe(0x440n);
    // In VS-mode sip is vsip.
    hart.setMode(1, 1);
    hart.helper(Helper.csrRead, 0x144, 0, 0, 0, 0);
    expect(hart.csrs.lo).toBe(0x220);
  });

  it("enables alias likewise", () => {
    const { hart } = fakeMachine();
    hart.writeCsr("mie", -1n);
    expect(hart.readCsr("mie")).toBe(0x1eeen);
    expect(hart.readCsr("hie")).toBe(0x1444n);
    expect(hart.readCsr("sie")).toBe(0n);
    expect(hart.readCsr("vsie")).toBe(0n);
    hart.writeCsr("mideleg", 0x222n);
    hart.writeCsr("hideleg", 0x444n);
    expect([hart.readCsr("sie"), hart.readCsr("vsie")]).toEqual([0x222n, 0x222n]);
    hart.writeCsr("sie", 0n);
    hart.writeCsr("vsie", 0x200n);
    expect(hart.readCsr("mie")).toBe(0x1c88n);
    hart.writeCsr("hie", 0x40n);
    expect(hart.readCsr("mie")).toBe(0x8c8n);
    expect(hart.readCsr("mideleg")).toBe(0x1666n);
  });

  it("sip.SSIP can be written only when it is delegated", () => {
    const { hart } = fakeMachine();
    hart.writeCsr("sip", 2n);
    expect(hart.readCsr("mip")).toBe(0n);
    hart.writeCsr("mideleg", 2n);
    hart.writeCsr("sip", -1n);
    expect(hart.readCsr("mip")).toBe(2n);
  });

  it("keep the SEIP line out of read-modify-write", () => {
    // The manual's example: B is the software bit, E the line.
    const { hart, core } = fakeMachine();
    const seip = 1 << 9;
    const exchange = (operation: number, value: number): bigint => {
      hart.helper(Helper.csrExchange, 0x344 | (operation << 12), value, 0, 0, 0);
      return core.result;
    };
    hart.setSupervisorExternal(true);
    expect(exchange(2, 0x20)).toBe(BigInt(seip));
    hart.setSupervisorExternal(false);
    expect(hart.readCsr("mip")).toBe(0x20n);
    expect(exchange(2, seip)).toBe(0x20n);
    hart.setSupervisorExternal(true);
    expect(exchange(3, 0x20)).toBe(BigInt(seip | 0x20));
    hart.setSupervisorExternal(false);
    expect(hart.readCsr("mip")).toBe(BigInt(seip));
  });

  it("from guests' external inputs go through hgeie and VGEIN", () => {
    const { hart } = fakeMachine({ features: { geilen: 40 } });
    hart.writeCsr("hgeie", -1n);
    expect(hart.readCsr("hgeie")).toBe((1n << 41n) - 2n);
    hart.writeCsr("hgeie", bit(33));
    hart.setGuestExternal(33, true);
    hart.setGuestExternal(2, true);
    expect(hart.readCsr("hgeip")).toBe(bit(33) | bit(2));
    expect(hart.readCsr("hip")).toBe(bit(12));
    hart.writeCsr("hgeie", bit(3));
    expect(hart.readCsr("hip")).toBe(0n);
    hart.writeCsr("hstatus", 2n << 12n);
    expect(hart.readCsr("hip")).toBe(bit(10));
    hart.writeCsr("hstatus", 33n << 12n);
    expect(hart.readCsr("hip")).toBe(bit(10));
    hart.setGuestExternal(33, false);
    expect(hart.readCsr("hip")).toBe(0n);
    // VGEIN beyond GEILEN is not taken.
    hart.writeCsr("hstatus", 41n << 12n);
    expect((hart.readCsr("hstatus") >> 12n) & 0x3fn).toBe(33n);
    expect(() => hart.setGuestExternal(41, true)).toThrow(RangeError);
  });
});

describe("WFI", () => {
  const wfi = (
    setUp: (machine: ReturnType<typeof fakeMachine>) => void,
  ): { status: number; cause: bigint; exit: unknown } => {
    const machine = fakeMachine();
    setUp(machine);
    const status = machine.hart.helper(Helper.wfi, 0, 0, 0, 0, 0);
    return { status, cause: machine.hart.readCsr("mcause"), exit: machine.core.exit };
  };

  it("waits until something is pending in mip and mie, whatever the global enables", () => {
    expect(wfi(() => {})).toEqual({ status: Status.exit, cause: 0n, exit: { kind: "wait" } });
    const pending = wfi(({ hart }) => {
      hart.writeCsr("mie", 4n);
      hart.writeCsr("hvip", 4n);
    });
    expect(pending).toEqual({ status: Status.next, cause: 0n, exit: null });
    const disabled = wfi(({ hart }) => hart.writeCsr("hvip", 4n));
    expect(disabled.status).toBe(Status.exit);
  });

  // The rules of TW and VTW; refusals come even when something is pending.
  it.each<[string, number, 0 | 1, boolean, boolean, bigint]>([
    ["M, TW", 3, 0, true, true, 0n],
    ["HS", 1, 0, false, true, 0n],
    ["HS, TW", 1, 0, true, false, 2n],
    ["U", 0, 0, false, false, 2n],
    ["VS", 1, 1, false, false, 0n],
    ["VS, VTW", 1, 1, false, true, 22n],
    ["VS, TW and VTW", 1, 1, true, true, 2n],
    ["VU", 0, 1, false, false, 22n],
    ["VU, TW", 0, 1, true, false, 2n],
  ])("in %s gives the exception the manual asks for", (_, priv, v, tw, vtw, cause) => {
    const { status, cause: taken } = wfi(({ hart }) => {
      hart.writeCsr("mie", 4n);
      hart.writeCsr("hvip", 4n);
      if (tw) hart.writeCsr("mstatus", bit(21));
      if (vtw) hart.writeCsr("hstatus", bit(21));
      hart.setMode(priv, v);
    });
    expect([status, taken]).toEqual(cause === 0n ? [Status.next, 0n] : [Status.trap, cause]);
  });

  it("sees a timer that has just come due", () => {
    const { hart, clock } = fakeMachine();
    hart.writeCsr("menvcfg", bit(63));
    hart.writeCsr("stimecmp", 100n);
    hart.writeCsr("mie", 0x20n);
    expect(hart.helper(Helper.wfi, 0, 0, 0, 0, 0)).toBe(Status.exit);
    expect(hart.wakeUp).toBe(false);
    clock.ns = hart.nextDeadline();
    expect(hart.helper(Helper.wfi, 0, 0, 0, 0, 0)).toBe(Status.next);
    expect(hart.wakeUp).toBe(true);
  });
});
