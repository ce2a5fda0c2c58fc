import { describe, expect, it, vi } from "vitest";
import { WallClock } from "./clock.js";
import { DeviceBus } from "./device-bus.js";
import type { RawExitCause, VmExitInfo } from "./exit.js";
import type { ExitHandlers } from "./exit-handlers.js";
import { TranslatedGuestMemory } from "./guest-memory.js";
import { formatReport } from "./report.js";
import { isResumable } from "./run-result.js";
import type { GuestOp, GuestProgram } from "./testing/guest-program.js";
import {
  MOCK_IPI,
  MOCK_LAYOUT,
  MockPerCpu,
  MockVCpu,
  mockEntry,
  mockGuestPageTable,
  mockHost,
} from "./testing/mock-arch.js";
import { VmCpus } from "./vcpus.js";
import { Vm, type VmOptions } from "./vm.js";

const code = (name: string) => expect.objectContaining({ code: name });
const call = (nr: number): GuestOp => ({ op: "hypercall", nr, args: [0n, 0n, 0n], result: 3 });
const nops = (count: number): GuestOp[] => Array.from({ length: count }, () => ({ op: "nop" }));
const SPIN: GuestOp = { op: "spin" };
const WAIT: GuestOp = { op: "wait" };
const OFF: GuestOp = { op: "shutdown", failure: false };
const up = (target: number, program = target): GuestOp => ({
  op: "cpuUp",
  target,
  program,
  arg: 0,
  result: 0,
});

type Part = Partial<VmOptions<MockVCpu>>;

/** A VM of the mock architecture, one vCPU per program. */
function make(programs: readonly GuestProgram[], part: Part = {}, initialize = true) {
  const { hal } = mockHost();
  const cpu = new MockPerCpu(0, hal, programs);
  cpu.hardwareEnable();
  const vcpus = new VmCpus<MockVCpu>(programs.length);
  for (const index of programs.keys()) vcpus.addVcpu(cpu.createVcpu(index, mockEntry(index)));
  const guestPageTable = mockGuestPageTable(hal, 1);
  const vm = new Vm({ vcpus, guestPageTable, vmid: 1, clock: hal.clock, ...part });
  if (initialize) for (const { vcpuId } of vcpus) vm.initVcpu(vcpuId);
  return vm;
}

/** A VM whose only vCPU exits as written down, then for ever with its budget spent. */
function scripted(exits: readonly VmExitInfo[], part: Part = {}) {
  const queue = [...exits];
  const answers: string[] = [];
  class Scripted extends MockVCpu {
    protected override enter(budget: number): never {
      return (queue.shift() ?? super.enter(budget)) as never;
    }
    protected override finishExit(exit: VmExitInfo, answer: { kind: string }): void {
      answers.push(`${exit.kind}:${JSON.stringify(answer)}`);
    }
  }
  const { hal } = mockHost();
  const vcpus = new VmCpus<MockVCpu>(1);
  vcpus.addVcpu(new Scripted(0, mockEntry(0), hal, [[SPIN]]));
  const vm = new Vm({
    vcpus,
    guestPageTable: mockGuestPageTable(hal, 1),
    vmid: 1,
    clock: hal.clock,
    ...part,
  });
  vm.initVcpu(0);
  return { vm, answers };
}

const raw: RawExitCause = { arch: "mock", reason: "script" };
const portRead = (port: number, width: 1 | 2 | 4 = 1): VmExitInfo => ({ kind: "portRead", port, width, raw });
const portWrite = (port: number, value: number): VmExitInfo => ({
  kind: "portWrite",
  port,
  width: 1,
  value,
  raw,
});

describe("Vm: construction", () => {
  it("needs vCPUs, and the boot vCPU among them", () => {
    expect(() => make([])).toThrow(code("InvalidParam"));
    expect(() => make([[SPIN]], { bootVcpuId: 1 })).toThrow(code("NotFound"));
  });

  it("has buses, timers, a console and a name of its own unless they are given", () => {
    const [a, b] = [make([[SPIN]]), make([[SPIN]])];
    expect(a.name).toBe("VM 1");
    expect(a.mmio).not.toBe(b.mmio);
    expect(a.ports).not.toBe(b.ports);
    expect(a.timers).not.toBe(b.timers);
    expect(a.console).not.toBe(b.console);
    const mmio = DeviceBus.mmio();
    expect(make([[SPIN]], { mmio, name: "n" })).toMatchObject({ mmio, name: "n" });
  });

  it("powers on the boot vCPU, or those it is told to", () => {
    const vm = make([[SPIN], [SPIN], [SPIN]], { bootVcpuId: 1 }, false);
    expect(vm.initVcpu(0).state).toBe("PoweredOff");
    expect(vm.initVcpu(1).state).toBe("Ready");
    expect(vm.initVcpu(2, "on").state).toBe("Ready");
    expect(() => vm.initVcpu(3)).toThrow(code("NotFound"));
  });

  it("gives its vCPUs what they need of it", () => {
    const memory = new TranslatedGuestMemory({
      memory: { buffer: new ArrayBuffer(0) },
      translate: () => undefined,
    });
    const vm = make([[SPIN], [SPIN]], { memory }, false);
    const vcpu = vm.vcpus.getVcpu(1);
    const setup = vi.spyOn(vcpu, "setup");
    vm.initVcpu(1);
    const { vcpus, console, guestPageTable, vmid, clock, stats } = vm;
    expect(setup).toHaveBeenCalledWith(
      { vcpus, console, guestPageTable, vmid, clock, stats, memory, onWake: expect.any(Function) },
      "off",
    );
    expect(setup.mock.calls[0]![0].vcpus.find(0)).toBe(vm.vcpus.getVcpu(0));
  });

  it("does not run with a vCPU that was not initialized", async () => {
    const vm = make([[OFF], [SPIN]], {}, false);
    vm.initVcpu(0);
    await expect(vm.run()).rejects.toThrow(code("BadState"));
    vm.initVcpu(1);
    expect((await vm.run()).kind).toBe("shutdown");
    await expect(vm.run()).rejects.toThrow(code("BadState"));
  });
});

describe("Vm: dispatch", () => {
  it("asks the hook, then the handler, then the devices", async () => {
    const order: string[] = [];
    const load: GuestOp = { op: "load", reg: 0, address: MOCK_LAYOUT.device, width: 4, signed: false };
    const answerFrom = { hook: false, handler: false };
    const run = async (which: Partial<typeof answerFrom>) => {
      order.length = 0;
      const vm = make([[load, OFF]], {
        onVmExit: (_vcpu, { kind }) => {
          if (kind === "mmioRead") order.push("hook");
          return kind === "mmioRead" && which.hook ? { kind: "value", lo: 1, hi: 0 } : undefined;
        },
        handlers: {
          mmioRead: () => {
            order.push("handler");
            return which.handler ? { kind: "value", lo: 2, hi: 0 } : undefined;
          },
        },
      });
      const read = () => {
        order.push("device");
        return 3;
      };
      vm.mmio.add({ name: "d", base: MOCK_LAYOUT.device, size: 4, device: { read, write: () => {} } });
      expect((await vm.run()).kind).toBe("shutdown");
      return [vm.vcpus.getVcpu(0).getGpr(1), ...order];
    };
    expect(await run({ hook: true })).toEqual([1n, "hook"]);
    expect(await run({ handler: true })).toEqual([2n, "hook", "handler"]);
    expect(await run({})).toEqual([3n, "hook", "handler", "device"]);
  });

  it("serves I/O ports, and reads all ones where there is no device", async () => {
    const written: number[] = [];
    const exits = [portRead(0x3f8), portRead(0x60, 4), portWrite(0x3f8, 0x41), portWrite(0x61, 9)];
    const { vm, answers } = scripted(exits);
    const device = {
      read: () => 0x5a,
      write: (_o: number, _w: number, value: number) => void written.push(value),
    };
    vm.ports.add({ name: "com1", base: 0x3f8, size: 8, device });
    await vm.run({ maxInstructions: 1 });
    expect(answers).toEqual([
      'portRead:{"kind":"value","lo":90,"hi":0}',
      'portRead:{"kind":"value","lo":4294967295,"hi":0}',
      'portWrite:{"kind":"done"}',
      'portWrite:{"kind":"done"}',
    ]);
    expect(written).toEqual([0x41]);
  });

  it.each([portRead(0x60), portWrite(0x60, 1)])(
    "reports $kind of a port without a device if told to",
    async (exit) => {
      const { vm } = scripted([exit], { unmapped: "report" });
      const result = await vm.run();
      expect(result).toMatchObject({ kind: "failed", report: { exit } });
    },
  );

  it("answers an access that nobody takes with the guest's own fault", async () => {
    const mmio = { gpa: 0x50_0000, width: 4, reg: 1, raw } as const;
    const { vm, answers } = scripted([
      { kind: "mmioRead", signed: false, regWidth: 8, ...mmio },
      { kind: "mmioWrite", lo: 1, hi: 0, ...mmio },
      { kind: "nestedPageFault", gpa: 0x50_0000, access: "execute", tableWalk: false, raw },
    ]);
    await vm.run({ maxInstructions: 1 });
    expect(answers).toEqual([
      'mmioRead:{"kind":"fault"}',
      'mmioWrite:{"kind":"fault"}',
      'nestedPageFault:{"kind":"fault"}',
    ]);
  });

  it("goes on after exits that ask for nothing", async () => {
    const { vm, answers } = scripted([
      { kind: "timer", raw },
      { kind: "externalInterrupt", vector: 3, raw },
      { kind: "budgetSpent", raw },
    ]);
    expect(await vm.run({ maxInstructions: 5 })).toEqual({ kind: "budget" });
    expect(answers).toEqual([]);
    expect(vm.stats.toJSON()).toEqual({
      total: 4,
      byKind: { externalInterrupt: 1, timer: 1, budgetSpent: 2 },
      byDetail: { script: 3, budget: 1 },
    });
  });

  it.each<VmExitInfo>([
    { kind: "hypercall", nr: 1n, args: [], raw },
    { kind: "sysRegRead", sysReg: 0x345, reg: 1, raw },
    { kind: "sysRegWrite", sysReg: 0x345, reg: 1, lo: 0, hi: 0, raw },
    { kind: "failEntry", code: 7, message: "invalid guest state", raw },
  ])("ends with a report at $kind, which only the owner can know", async (exit) => {
    const { vm } = scripted([exit]);
    const result = await vm.run();
    expect(result).toMatchObject({ kind: "failed", report: { exit, vcpuId: 0 } });
    if (result.kind !== "failed") return;
    const reason = exit.kind === "failEntry" ? "invalid guest state" : exit.kind;
    expect(result.report.reason).toContain(reason);
    expect(formatReport(result.report)).toContain("script");
    expect(vm.result).toBe(result);
  });

  it("handles a system register for its owner", async () => {
    const { vm, answers } = scripted([{ kind: "sysRegRead", sysReg: 0x345, reg: 1, raw }], {
      handlers: { sysRegRead: ({ sysReg }) => ({ kind: "value", lo: sysReg + 1, hi: 0 }) },
    });
    await vm.run({ maxInstructions: 1 });
    expect(answers).toEqual(['sysRegRead:{"kind":"value","lo":838,"hi":0}']);
  });

  it("reports a handler that resumes without an answer, answers wrongly, or throws", async () => {
    const handlers: ExitHandlers<MockVCpu>[] = [
      { hypercall: () => ({ kind: "resume" }) },
      { hypercall: () => ({ kind: "done" }) },
      {
        hypercall: () => {
          throw new Error("handler bug");
        },
      },
    ];
    const reasons: string[] = [];
    for (const each of handlers) {
      const result = await make([[call(1), SPIN]], { handlers: each }).run();
      expect(result.kind).toBe("failed");
      if (result.kind === "failed") reasons.push(result.report.reason);
    }
    expect(reasons[0]).toContain("resumed without an answer");
    expect(reasons[1]).toContain('"done" does not answer hypercall');
    expect(reasons[2]).toBe("the hypervisor failed: handler bug");
  });

  it("lets a handler answer by itself and resume", async () => {
    const vm = make([[call(1), OFF]], {
      handlers: {
        hypercall: (_exit, vcpu) => {
          vcpu.completeExit({ kind: "results", values: [5n] });
          return { kind: "resume" };
        },
      },
    });
    expect((await vm.run()).kind).toBe("shutdown");
    expect(vm.vcpus.getVcpu(0).getGpr(4)).toBe(5n);
  });

  it("reports a device that throws, with what it threw", async () => {
    const store: GuestOp = { op: "store", reg: 0, address: MOCK_LAYOUT.device, width: 4 };
    const vm = make([[store, OFF]]);
    const error = new Error("device bug");
    const write = () => {
      throw error;
    };
    vm.mmio.add({ name: "d", base: MOCK_LAYOUT.device, size: 4, device: { read: () => 0, write } });
    const result = await vm.run();
    expect(result).toMatchObject({ kind: "failed", report: { error, exit: { kind: "mmioWrite" } } });
  });

  it("ends a guest that faults at one place for ever", async () => {
    // Behind the end of its program there is nothing; the mock's fault leaves it there.
    const vm = make([nops(2)]);
    const result = await vm.run();
    expect(result).toMatchObject({
      kind: "failed",
      report: { reason: "the guest faults at one place for ever", exit: { kind: "nestedPageFault" } },
    });
    expect(vm.stats.of("nestedPageFault")).toBeLessThan(1000);
  });

  it("does not take a guest that probes the same hole again and again for stuck", async () => {
    const { layout } = { layout: MOCK_LAYOUT };
    const load: VmExitInfo = {
      kind: "mmioRead",
      gpa: layout.hole,
      width: 4,
      reg: 1,
      signed: false,
      regWidth: 8,
      raw,
    };
    class Prober extends MockVCpu {
      probes = 0;
      protected override enter(budget: number): never {
        const exit = super.enter(Math.min(budget, 3));
        return (exit.kind === "budgetSpent" && this.probes++ < 500 ? load : exit) as never;
      }
    }
    const { hal } = mockHost();
    const vcpus = new VmCpus<Prober>(1);
    const prober = new Prober(0, mockEntry(0), hal, [[SPIN]]);
    vcpus.addVcpu(prober);
    const vm = new Vm({ vcpus, guestPageTable: mockGuestPageTable(hal, 1), vmid: 1, clock: hal.clock });
    vm.initVcpu(0);
    expect((await vm.run({ maxInstructions: 2000 })).kind).toBe("budget");
    expect(vm.stats.of("mmioRead")).toBe(500);
  });

  it("gives the host its turn when a guest only exits", async () => {
    const load: GuestOp = { op: "load", reg: 0, address: MOCK_LAYOUT.device, width: 4, signed: false };
    const vm = make([[load, SPIN]], { handlers: { mmioRead: () => ({ kind: "retry" }) } });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    expect(await vm.run({ signal: controller.signal })).toEqual({ kind: "stopped" });
    expect(vm.vcpus.getVcpu(0).retired).toBe(0);
  });
});

describe("Vm: vCPUs", () => {
  it("starts, interrupts and stops them as the guest asks", async () => {
    const vm = make([
      [up(1), up(2), ...nops(30), { op: "ipi", target: 2 }, { op: "cpuDown" }],
      [{ op: "cpuDown" }],
      [WAIT, OFF],
    ]);
    expect(await vm.run({ slice: 10 })).toMatchObject({ kind: "shutdown", vcpuId: 2 });
    expect([...vm.vcpus].map(({ state }) => state)).toEqual(["PoweredOff", "PoweredOff", "Ready"]);
  });

  it.each([
    ["all", [true, true, false]],
    ["others", [false, true, false]],
    [
      [2, 1],
      [false, true, false],
    ],
  ] as const)("interrupts %s, except those that are off", async (targets, expected) => {
    const { vm } = (() => {
      const vm = make([[SPIN], [SPIN], [SPIN]], {}, false);
      vm.initVcpu(0);
      vm.initVcpu(1, "on");
      vm.initVcpu(2);
      return { vm };
    })();
    const sender = vm.vcpus.getVcpu(0);
    const spies = [...vm.vcpus].map((vcpu) => vi.spyOn(vcpu, "interrupt"));
    vi.spyOn(sender, "completeExit").mockImplementation(() => {});
    vm.handleExit(sender, { kind: "ipi", targets, vector: MOCK_IPI, raw });
    expect(spies.map((spy) => spy.mock.calls.length > 0)).toEqual(expected);
    expect(sender.completeExit).toHaveBeenCalledWith({ kind: "status", status: "success" });
  });

  it("refuses an interrupt for a vCPU that is not there, and sends none", () => {
    const vm = make([[SPIN], [SPIN]]);
    const sender = vm.vcpus.getVcpu(0);
    const spies = [...vm.vcpus].map((vcpu) => vi.spyOn(vcpu, "interrupt"));
    const answer = vi.spyOn(sender, "completeExit").mockImplementation(() => {});
    vm.handleExit(sender, { kind: "ipi", targets: [0, 9], vector: MOCK_IPI, raw });
    expect(answer).toHaveBeenCalledWith({ kind: "status", status: "invalidParam" });
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  });

  it("runs them round robin, one slice each, skipping who waits", async () => {
    const vm = make([[up(1), up(2), SPIN], [WAIT, SPIN], [SPIN]]);
    await vm.run({ slice: 100, maxInstructions: 901 });
    const [a, b, c] = [...vm.vcpus].map(({ retired }) => retired);
    // The first has 5 slices, the third 4 slices; the second's wait is one instruction.
    expect([a, b, c]).toEqual([500, 1, 400]);
  });

  it("has as long a pass with several on as with one", async () => {
    const vm = make([[up(1), SPIN], [SPIN]]);
    const alone = vm.turnsInPass;
    await vm.run({ slice: 100, maxInstructions: 1000 });
    expect([alone, vm.turnsInPass]).toEqual([1, 300_000 / 20_000]);
  });

  it("gives the host back after many exits, and goes on in the same slice", async () => {
    const chatter = Array.from({ length: 1000 }, () => call(7));
    const vm = make([[up(1), ...chatter, SPIN], [SPIN]], {
      handlers: { hypercall: () => ({ kind: "results", values: [] }) },
    });
    const [talks, spins] = [...vm.vcpus];
    const limits = { slice: 10_000, instructionsLeft: Number.POSITIVE_INFINITY };
    expect(vm.turn(limits)).toEqual({ kind: "ran", long: true });
    const { retired } = talks!;
    expect(retired).toBeGreaterThan(100);
    expect(retired).toBeLessThan(400);
    while (spins!.retired === 0) vm.turn(limits);
    expect(talks!.retired).toBe(10_000);
  });

  it("uses shorter slices when several are on", async () => {
    const turns: number[] = [];
    const vm = make([[up(1), SPIN], [SPIN]]);
    const run = vm.vcpus.getVcpu(0).run.bind(vm.vcpus.getVcpu(0));
    vi.spyOn(vm.vcpus.getVcpu(0), "run").mockImplementation((budget) => {
      turns.push(budget);
      return run(budget);
    });
    await vm.run({ maxInstructions: 600_000 });
    expect(turns.slice(0, 3)).toEqual([300_000, 299_999, 20_000]);
  });

  it("continues inside a slice where its state was saved", async () => {
    const programs: GuestProgram[] = [[up(1), SPIN], [SPIN]];
    const whole = make(programs);
    await whole.run({ slice: 100, maxInstructions: 1234 });
    const parts = make(programs);
    for (let left = 1234; left > 0; left -= Math.min(left, 77))
      await parts.run({ slice: 100, maxInstructions: Math.min(left, 77) });
    const counts = (vm: Vm<MockVCpu>) => [...vm.vcpus].map(({ retired }) => retired);
    expect(counts(parts)).toEqual(counts(whole));
    expect(parts.state()).toEqual(whole.state());
    expect(whole.state()).toEqual({ version: 1, currentVcpuId: 0, sliceLeft: 66 });

    const fresh = make(programs);
    fresh.restore({ version: 1, currentVcpuId: 1, sliceLeft: 5 });
    expect(fresh.state()).toEqual({ version: 1, currentVcpuId: 1, sliceLeft: 5 });
    expect(() => fresh.restore({ version: 1, currentVcpuId: 8, sliceLeft: 0 })).toThrow(code("NotFound"));
    expect(() => fresh.restore({ version: 2 as 1, currentVcpuId: 0, sliceLeft: 0 })).toThrow(
      code("InvalidParam"),
    );
  });
});

describe("Vm: time", () => {
  it("runs device timers at their exact virtual time, in the middle of a slice", async () => {
    const vm = make([[SPIN]]);
    const times: number[] = [];
    const tick = () => {
      times.push(vm.clock.now());
      if (times.length < 4) vm.timers.schedule(vm.clock.now() + 1230, tick);
    };
    vm.timers.schedule(1000, tick);
    await vm.run({ maxInstructions: 10_000 });
    expect(times).toEqual([1000, 2230, 3460, 4690]);
  });

  it("sees in a device the time of the instruction that accesses it", async () => {
    const store: GuestOp = { op: "store", reg: 0, address: MOCK_LAYOUT.device, width: 4 };
    const vm = make([[...nops(7), store, ...nops(2), store, OFF]]);
    const times: number[] = [];
    const write = () => void times.push(vm.clock.now());
    vm.mmio.add({ name: "d", base: MOCK_LAYOUT.device, size: 4, device: { read: () => 0, write } });
    await vm.run();
    expect(times).toEqual([70, 100]);
  });

  it("cuts the slice short for a timer that a device sets during it", async () => {
    const store: GuestOp = { op: "store", reg: 0, address: MOCK_LAYOUT.device, width: 4 };
    const vm = make([[store, SPIN]]);
    let fired = 0;
    const write = () => {
      vm.timers.schedule(vm.clock.now() + 500, () => {
        fired = vm.clock.now();
      });
    };
    vm.mmio.add({ name: "d", base: MOCK_LAYOUT.device, size: 4, device: { read: () => 0, write } });
    await vm.run({ maxInstructions: 1000 });
    expect(fired).toBe(500);
  });

  it("ends a long slice about when a timer of the real world is due", async () => {
    // 10 instructions a microsecond, the speed that is assumed before any was measured.
    let retired = () => 0;
    const vm = make([[SPIN]], { clock: new WallClock(() => retired() / 10_000) });
    retired = () => vm.vcpus.getVcpu(0).retired;
    const late: number[] = [];
    let due = 0;
    const tick = () => {
      // By the world's clock: the VM's own waits.
      if (due > 0) late.push(retired() * 100 - due);
      due = vm.clock.now() + 7_000_000;
      vm.timers.schedule(due, tick);
    };
    tick();
    await vm.run({ maxInstructions: 1_000_000 });
    expect(late.length).toBeGreaterThan(10);
    for (const ns of late) expect(ns).toBeLessThan(500_000);
  });

  it("lets a guest that the host kept waiting serve each timer at its time", async () => {
    let retired = () => 0;
    // The host is away for 60 ms after 30,000 instructions, which are 3 ms.
    const milliseconds = () => retired() / 10_000 + (retired() > 30_000 ? 60 : 0);
    const vm = make([[SPIN]], { clock: new WallClock(milliseconds) });
    retired = () => vm.vcpus.getVcpu(0).retired;
    const ticks: { readonly at: number; readonly retired: number }[] = [];
    let due = 0;
    const tick = () => {
      ticks.push({ at: vm.clock.now() / 1e6, retired: retired() });
      // As devices do that count periods: those that passed meanwhile are one.
      do due += 4_000_000;
      while (due <= vm.clock.now());
      vm.timers.schedule(due, tick);
    };
    tick();
    await vm.run({ maxInstructions: 2_000_000 });
    const times = ticks.slice(0, 16).map(({ at }) => at);
    expect(times).toEqual(times.map((_, i) => 4 * i));
    const between = ticks.slice(1).map((one, i) => one.retired - ticks[i]!.retired);
    expect(Math.min(...between)).toBeGreaterThan(5000);
    // In the end it is as late as the world says.
    expect(vm.clock.now() / 1e6).toBeCloseTo(260, 0);
  });

  it("stands still while a timer's promise is open, and goes on in the same slice", async () => {
    const vm = make([[SPIN]]);
    const opened = Promise.withResolvers<void>();
    let heldAt = -1;
    vm.timers.schedule(200, () => {
      heldAt = vm.clock.now();
      return opened.promise;
    });
    const run = vm.run({ slice: 50, maxInstructions: 100 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([heldAt, vm.clock.now(), vm.vcpus.getVcpu(0).retired]).toEqual([200, 200, 20]);
    opened.resolve();
    expect(await run).toEqual({ kind: "budget" });
    expect(vm.state().sliceLeft).toBe(0);
  });

  it("can be stopped while held, and is still held when run again", async () => {
    const vm = make([[SPIN]]);
    const opened = Promise.withResolvers<void>();
    vm.timers.schedule(0, () => opened.promise);
    const run = vm.run({ maxInstructions: 10 });
    vm.stop();
    expect(await run).toEqual({ kind: "stopped" });
    const second = vm.run({ maxInstructions: 10 });
    await new Promise((resolve) => setTimeout(resolve, 3));
    expect(vm.vcpus.getVcpu(0).retired).toBe(0);
    opened.resolve();
    expect(await second).toEqual({ kind: "budget" });
  });

  it("reports a timer whose promise fails", async () => {
    const vm = make([[SPIN]]);
    const error = new Error("disk gone");
    vm.timers.schedule(100, () => Promise.reject(error));
    const result = await vm.run();
    expect(result).toMatchObject({ kind: "failed", report: { reason: "a device failed: disk gone", error } });
  });

  it("sleeps by a wall clock until a vCPU's deadline", async () => {
    let ms = 0;
    const clock = new WallClock(() => ms);
    const vm = make([[{ op: "setTimer", delayNs: 30_000_000 }, WAIT, OFF]], { clock });
    const sleeps: number[] = [];
    const eventLoop = {
      yield: async () => {},
      sleep: (milliseconds: number) => {
        sleeps.push(milliseconds);
        ms += milliseconds;
        return { done: Promise.resolve(), cancel: () => {} };
      },
    };
    expect((await vm.run({ eventLoop })).kind).toBe("shutdown");
    expect(sleeps).toEqual([30]);
  });

  it("wakes from sleep when a timer is scheduled from outside", async () => {
    const clock = new WallClock(() => performance.now());
    const vm = make([[WAIT, OFF]], { clock });
    const run = vm.run();
    setTimeout(() => {
      vm.timers.schedule(clock.now() + 2e6, () => vm.vcpus.getVcpu(0).interrupt(MOCK_IPI));
    }, 3);
    expect((await run).kind).toBe("shutdown");
  });

  it("does not spin on a deadline that has passed but wakes nobody", async () => {
    const vm = make([[WAIT, SPIN]]);
    const vcpu = vm.vcpus.getVcpu(0);
    vi.spyOn(vcpu, "nextDeadline").mockReturnValue(-5);
    vi.spyOn(vcpu, "hasWakeEvent").mockReturnValue(false);
    expect((await vm.run({ onIdle: "stop" })).kind).toBe("idle");
  });
});

describe("Vm: ending", () => {
  it("stops when told to, after the exit that is being served, and can be run on", async () => {
    const vm = make([[call(1), ...nops(50), OFF]], {
      handlers: {
        hypercall: () => {
          vm.stop();
          return { kind: "results", values: [] };
        },
      },
    });
    const result = await vm.run({ slice: 20 });
    expect(result).toEqual({ kind: "stopped" });
    expect(isResumable(result)).toBe(true);
    expect(vm.vcpus.getVcpu(0).retired).toBe(1);
    expect((await vm.run()).kind).toBe("shutdown");
  });

  it("runs an exact number of instructions", async () => {
    const vm = make([[SPIN]]);
    for (const count of [1, 10, 99_999, 100_001]) {
      const before = vm.vcpus.getVcpu(0).retired;
      expect(await vm.run({ maxInstructions: count })).toEqual({ kind: "budget" });
      expect(vm.vcpus.getVcpu(0).retired - before).toBe(count);
    }
  });

  it("ends at a debug stop and goes on from it", async () => {
    const exit: VmExitInfo = { kind: "debugStop", cause: "breakpoint", address: 0x1000n, raw };
    const { vm } = scripted([exit]);
    expect(await vm.run()).toEqual({ kind: "debug", vcpuId: 0, exit });
    expect(await vm.run({ maxInstructions: 3 })).toEqual({ kind: "budget" });
  });

  it("passes a reset on, or refuses it for its owner", async () => {
    expect(await make([[{ op: "reset" }]]).run()).toEqual({
      kind: "reset",
      vcpuId: 0,
      warm: false,
      failure: false,
      code: 0,
    });
    const vm = make([[{ op: "reset" }, OFF]], {
      handlers: { systemReset: () => ({ kind: "status", status: "notSupported" }) },
    });
    expect((await vm.run()).kind).toBe("shutdown");
  });

  it("serves exits one by one for a loop of one's own", () => {
    const vm = make([[call(3), OFF]], { handlers: { hypercall: () => ({ kind: "results", values: [] }) } });
    const vcpu = vm.vcpus.getVcpu(0);
    expect(vm.handleExit(vcpu, vcpu.run(100))).toBeUndefined();
    expect(vm.handleExit(vcpu, vcpu.run(100))).toMatchObject({ kind: "shutdown" });
    expect(vm.stats.toJSON().byKind).toEqual({ hypercall: 1, systemShutdown: 1 });
  });
});
