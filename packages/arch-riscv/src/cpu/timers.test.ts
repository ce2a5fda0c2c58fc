import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FakeMachine, fakeMachine } from "../testing/cpu/fake-core.js";
import { Helper } from "./helper-ids.js";

const STCE = 1n << 63n;
const U64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** `time` as the current mode reads it. */
function rdtime({ hart, core }: FakeMachine): bigint {
  hart.helper(Helper.csrRead, 0xc01, 0, 0, 0, 0);
  return core.result;
}

describe("time", () => {
  it("counts ticks of the timebase, pending instructions included", () => {
    const machine = fakeMachine();
    machine.clock.ns = 12_345;
    expect(rdtime(machine)).toBe(123n);
    machine.core.pending = 60;
    expect(rdtime(machine)).toBe(124n);
    machine.clock.ns = 2 ** 50;
    machine.core.pending = 0;
    expect(rdtime(machine)).toBe(2n ** 50n / 100n);
  });

  it("works for a timebase that does not divide a nanosecond count", () => {
    const machine = fakeMachine({ timebaseHz: 32_768 });
    for (const [ns, ticks] of [
      [30_517, 0n],
      [30_518, 1n],
      [999_999_999, 32_767n],
      [1_000_000_000, 32_768n],
      [86_400e9 * 3, 32_768n * 86_400n * 3n],
    ] as const) {
      machine.clock.ns = ns;
      expect(rdtime(machine)).toBe(ticks);
    }
  });

  it("is mtime: whoever owns that may set it", () => {
    const machine = fakeMachine();
    machine.clock.ns = 1_000_000;
    machine.hart.timers.setTime(-16, -1);
    expect(rdtime(machine)).toBe(U64(-16n));
    machine.clock.ns += 2000;
    expect(rdtime(machine)).toBe(4n);
    machine.hart.timers.setTime(5, 7);
    expect(rdtime(machine)).toBe((7n << 32n) | 5n);
  });

  it("has htimedelta added, modulo 2^64, when V=1", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: U64(-1n) }),
        fc.integer({ min: 0, max: 2 ** 50 }),
        (delta, ns) => {
          const machine = fakeMachine({}, 4096);
          const { hart, clock } = machine;
          clock.ns = ns;
          hart.writeCsr("htimedelta", delta);
          hart.writeCsr("mcounteren", 2n);
          hart.writeCsr("hcounteren", 2n);
          hart.setMode(1, 1);
          const ticks = BigInt(Math.floor(ns / 100));
          expect(rdtime(machine)).toBe(U64(ticks + delta));
          hart.setMode(1, 0);
          expect(rdtime(machine)).toBe(ticks);
        },
      ),
    );
  });
});

describe("stimecmp and vstimecmp", () => {
  const enabled = (): FakeMachine => {
    const machine = fakeMachine({}, 4096);
    machine.hart.writeCsr("menvcfg", STCE);
    machine.hart.writeCsr("henvcfg", STCE);
    return machine;
  };

  it("make their interrupts pending from the exact tick on, at the deadline they announce", () => {
    const u64 = fc.oneof(
      fc.bigInt({ min: 0n, max: 100_000n }),
      fc.bigInt({ min: 0n, max: U64(-1n) }),
      fc.bigInt({ min: U64(-100_000n), max: U64(-1n) }),
    );
    const hz = fc.constantFrom(10_000_000, 32_768, 24_000_000, 1_000_000_000);
    fc.assert(
      fc.property(
        u64,
        u64,
        u64,
        fc.integer({ min: 0, max: 10_000_000 }),
        hz,
        (s, vs, delta, ns, timebaseHz) => {
          const machine = fakeMachine({ timebaseHz }, 4096);
          const { hart, clock } = machine;
          clock.ns = ns;
          hart.writeCsr("menvcfg", STCE);
          hart.writeCsr("henvcfg", STCE);
          hart.writeCsr("htimedelta", delta);
          hart.writeCsr("stimecmp", s);
          hart.writeCsr("vstimecmp", vs);
          const ticks = (at: number): bigint => (BigInt(at) * BigInt(timebaseHz)) / 1_000_000_000n;
          const expected = (at: number): bigint =>
            (ticks(at) >= s ? 0x20n : 0n) | (U64(ticks(at) + delta) >= vs ? 0x40n : 0n);
          const pending = (): bigint => hart.readCsr("mip");
          expect(pending()).toBe(expected(ns));
          const deadline = hart.nextDeadline();
          if (deadline === Number.POSITIVE_INFINITY) return;
          // Where guest time wraps around in between, a pending interrupt vanishes without a deadline.
          if ((ticks(ns) + delta) >> 64n !== (ticks(deadline) + delta) >> 64n) return;
          expect(deadline).toBeGreaterThan(ns);
          clock.ns = deadline - 1;
          hart.updateTimers();
          expect(pending()).toBe(expected(ns));
          clock.ns = deadline;
          hart.updateTimers();
          expect(pending()).toBe(expected(deadline));
          expect(pending()).not.toBe(expected(ns));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("have no deadline while pending or far beyond any run", () => {
    const { hart } = enabled();
    hart.writeCsr("vstimecmp", U64(-1n));
    hart.writeCsr("stimecmp", 0n);
    expect(hart.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    hart.writeCsr("stimecmp", 1000n);
    expect(hart.nextDeadline()).toBe(100_000);
  });

  it("end the run for a new deadline when the one that the loop knows is over", () => {
    const { hart, core, clock } = enabled();
    hart.writeCsr("vstimecmp", U64(-1n));
    hart.writeCsr("stimecmp", 1000n);
    expect(hart.nextDeadline()).toBe(100_000);
    // The loop asks when it is there, before the hart has looked at the clock.
    clock.ns = 100_000;
    expect(hart.nextDeadline()).toBe(100_000);
    hart.updateTimers();
    hart.writeCsr("stimecmp", U64(-1n));
    expect(hart.takeInterrupt()).toBe(false);
    hart.writeCsr("stimecmp", 3000n);
    expect(hart.takeInterrupt()).toBe(true);
    expect(core.exit).toEqual({ kind: "timer" });
    expect(hart.nextDeadline()).toBe(300_000);
  });

  it("end the run when a deadline comes nearer than the loop knows, and only then", () => {
    const { hart, core } = enabled();
    hart.writeCsr("vstimecmp", U64(-1n));
    hart.writeCsr("stimecmp", 1000n);
    expect(hart.nextDeadline()).toBe(100_000);
    expect(hart.takeInterrupt()).toBe(false);
    hart.writeCsr("stimecmp", 2000n);
    expect(hart.takeInterrupt()).toBe(false);
    hart.writeCsr("stimecmp", 500n);
    expect(hart.takeInterrupt()).toBe(true);
    expect(core.exit).toEqual({ kind: "timer" });
    expect(hart.takeInterrupt()).toBe(false);
    expect(hart.nextDeadline()).toBe(50_000);
  });

  it("count only with STCE; STIP is a software bit otherwise", () => {
    const { hart } = fakeMachine();
    hart.writeCsr("stimecmp", 0n);
    hart.writeCsr("vstimecmp", 0n);
    expect(hart.readCsr("mip")).toBe(0n);
    hart.writeCsr("mip", 0x20n);
    expect(hart.readCsr("mip")).toBe(0x20n);
    hart.writeCsr("stimecmp", U64(-1n));
    hart.writeCsr("menvcfg", STCE);
    expect(hart.readCsr("mip")).toBe(0n);
    hart.writeCsr("mip", 0x20n);
    expect(hart.readCsr("mip")).toBe(0n);
    hart.writeCsr("henvcfg", STCE);
    expect(hart.readCsr("mip")).toBe(0x40n);
    hart.writeCsr("menvcfg", 0n);
    expect(hart.readCsr("mip")).toBe(0x20n);
    expect(hart.readCsr("henvcfg")).toBe(0n);
  });

  it("show to a read of sip as soon as they are due", () => {
    const { hart, clock } = enabled();
    hart.writeCsr("mideleg", 0x20n);
    hart.writeCsr("stimecmp", 10n);
    expect(hart.readCsr("sip")).toBe(0n);
    clock.ns = 1000;
    expect(hart.readCsr("sip")).toBe(0x20n);
  });
});

describe("counters", () => {
  const read = ({ hart, core }: FakeMachine, csr: number): bigint => {
    hart.helper(Helper.csrRead, csr, 0, 0, 0, 0);
    return core.result;
  };
  const MCYCLE = 0xb00;
  const MINSTRET = 0xb02;

  it("count instructions; a trapped one is a cycle but not retired", () => {
    const machine = fakeMachine();
    machine.core.executed = 10;
    expect([read(machine, MCYCLE), read(machine, MINSTRET)]).toEqual([10n, 10n]);
    machine.hart.helper(Helper.ecall, 0, 0, 0, 0, 0);
    machine.core.executed = 15;
    expect([read(machine, MCYCLE), read(machine, MINSTRET)]).toEqual([15n, 14n]);
    expect([read(machine, 0xc00), read(machine, 0xc02)]).toEqual([15n, 14n]);
  });

  it("read back at the next instruction what was written, and carry into their upper half", () => {
    const machine = fakeMachine();
    machine.core.executed = 5_000_000_000;
    for (const value of [0n, 7n, 0xffff_ffffn, U64(-2n)]) {
      machine.hart.helper(
        Helper.csrWrite,
        MCYCLE,
        Number(value & 0xffff_ffffn) | 0,
        Number(value >> 32n) | 0,
        0,
        0,
      );
      machine.core.executed++;
      expect(read(machine, MCYCLE)).toBe(value);
      machine.core.executed += 3;
      expect(read(machine, MCYCLE)).toBe(U64(value + 3n));
    }
  });

  it("stand still while inhibited", () => {
    const machine = fakeMachine();
    const { hart, core } = machine;
    core.executed = 100;
    hart.writeCsr("mcountinhibit", -1n);
    expect(hart.readCsr("mcountinhibit")).toBe(5n);
    core.executed = 200;
    expect([read(machine, MCYCLE), read(machine, MINSTRET)]).toEqual([100n, 100n]);
    hart.helper(Helper.ecall, 0, 0, 0, 0, 0);
    hart.writeCsr("minstret", 7n);
    expect(read(machine, MINSTRET)).toBe(7n);
    hart.writeCsr("mcountinhibit", 4n);
    core.executed = 250;
    expect([read(machine, MCYCLE), read(machine, MINSTRET)]).toEqual([150n, 7n]);
  });

  it("survive a move to another core", () => {
    const first = fakeMachine();
    first.core.executed = 1000;
    first.hart.writeCsr("mcycle", 5000n);
    first.core.executed = 1101;
    first.hart.save();
    const second = fakeMachine();
    second.core.executed = 77;
    for (const field of first.hart.layout.fields.values()) second.core.setBig(field, first.core.big(field));
    second.hart.reload();
    expect(read(second, MCYCLE)).toBe(5100n);
    second.core.executed = 80;
    expect(read(second, MCYCLE)).toBe(5103n);
  });
});
