import { Access, Engine } from "@hypercraft/engine";
import { DeadlineQueue, InstructionClock } from "@hypercraft/hypercraft";
import { describe, expect, it } from "vitest";
import { createCpu, X86_FLOATING_POINT } from "../cpu/create-cpu.js";
import { Fault } from "../cpu/fault.js";
import { activity, CR0, EFER, GPR, msr, SEGMENTS, Seg, XMM, x86Layout } from "../cpu/state.js";
import { extend, get, set } from "../testing/apic-rig.js";
import { ApicBus } from "./apic-bus.js";
import { connectLocalApic } from "./connect.js";
import { localApicPage } from "./local-apic-page.js";

const ARENA = 16 << 20;
const RAM = 1 << 20;

/** Two processors with RAM at 0: the first runs, the second one is as after power-up. */
function machine() {
  const pages = (ARENA + RAM) / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const ram = new Uint8Array(memory.buffer, ARENA);
  const engine = new Engine({
    memory,
    arena: { offset: 0, size: ARENA },
    ram: {
      ramOffset: (physical) => (physical < RAM ? ARENA + physical : -1),
      ranges: () => [{ physical: 0, size: RAM, offset: ARENA }],
    },
    floatingPoint: X86_FLOATING_POINT,
    tier: "cold",
  });
  const clock = new InstructionClock(1, 1);
  const timers = new DeadlineQueue();
  const apicBus = new ApicBus();
  const ports = { read: () => 0, write: () => undefined };
  const bus = { read: () => -1, write: () => false };
  const processors = [0, 1].map((index) => {
    const { core, cpu } = createCpu(engine, { index, mode: "bare", clock, bus, ports });
    const woken: number[] = [];
    const wake = () => woken.push(core.lo(activity));
    const apic = connectLocalApic(cpu, { bus: apicBus, clock, timers, woken: wake });
    return { core, cpu, apic, woken };
  });
  return { ram, clock, timers, processors: processors as [(typeof processors)[0], (typeof processors)[0]] };
}

const faults = (action: () => unknown): boolean => {
  try {
    action();
    return false;
  } catch (error) {
    return error instanceof Fault && error.vector === 13;
  }
};

describe("a processor with a local APIC", () => {
  it("has its registers", () => {
    const [{ cpu, apic }] = machine().processors;
    expect(cpu.msrs.read(0x1b)).toBe(0xfee0_0900n);
    expect(faults(() => cpu.msrs.read(0x802))).toBe(true);
    expect(faults(() => cpu.msrs.write(0x1b, 0xfee0_0d01n))).toBe(true);
    cpu.msrs.write(0x1b, 0xfee0_0d00n);
    expect([cpu.msrs.read(0x802), cpu.msrs.read(0x80d)]).toEqual([0n, 1n]);
    expect(faults(() => cpu.msrs.read(0x80b))).toBe(true);
    expect(faults(() => cpu.msrs.write(0x803, 0n))).toBe(true);
    cpu.taskPriority!.write(5);
    expect([apic.taskPriority, cpu.msrs.read(0x808)]).toEqual([0x50, 0x50n]);
    cpu.msrs.write(0x808, 0x7fn);
    expect(cpu.taskPriority!.read()).toBe(7);
  });

  it("has them where IA32_APIC_BASE says", () => {
    const [{ cpu, apic, core }] = machine().processors;
    const version = apic.read(0x30, 4);
    const load = (physical: number) => {
      cpu.physicalAccess(Access.read, physical, 4, 0, 0);
      return core.answerLo >>> 0;
    };
    cpu.msrs.write(0x1b, 0x4200_0900n);
    expect([load(0x4200_0030), load(0x4200_1030), load(0x41ff_fffc)]).toEqual([
      version,
      0xffff_ffff,
      0xffff_ffff,
    ]);
    cpu.physicalAccess(Access.write, 0x4200_0080, 4, 0x30, 0);
    expect(apic.taskPriority).toBe(0x30);
    expect(localApicPage([apic], () => 0).read(0x30, 4)).toBe(0xffff_ffff);
    cpu.msrs.write(0x1b, 0xfee0_0900n);
    expect([load(0x4200_0030), localApicPage([apic], () => 0).read(0x30, 4)]).toEqual([0xffff_ffff, version]);
  });

  it("tells in CPUID whether that is on", () => {
    const [{ cpu }] = machine().processors;
    const there = () => (cpu.cpuid.leaf(1, 0)[3] >> 9) & 1;
    expect(there()).toBe(1);
    cpu.msrs.write(0x1b, 0xfee0_0100n);
    expect(there()).toBe(0);
  });

  it("tells in CPUID how fast its clocks are", () => {
    const { clock, processors } = machine();
    const [{ cpu, apic }] = processors;
    const [denominator, numerator, crystalHz] = cpu.cpuid.leaf(0x15, 0);
    // No leaf 16H: what is beyond the last is like that.
    expect([cpu.cpuid.leaf(0, 0)[0], cpu.cpuid.leaf(0x16, 0)]).toEqual([0x15, cpu.cpuid.leaf(0x15, 0)]);
    set(apic, 0x3e0, 0xb);
    set(apic, 0x380, 0xffff_ffff);
    const [began, second] = [cpu.msrs.read(0x10), 1_000_000_000];
    clock.advanceTo(second);
    expect(0xffff_ffff - apic.read(0x390, 4)).toBe(crystalHz);
    expect(Number(cpu.msrs.read(0x10) - began)).toBe((crystalHz * numerator) / denominator);
  });

  it("has deadlines of its time-stamp counter, which follow when that is written", () => {
    const { timers, clock, processors } = machine();
    const [{ cpu, apic }] = processors;
    clock.advanceTo(1000);
    set(apic, 0xf0, 0x1ff);
    set(apic, 0x320, 0x4_00f0);
    cpu.msrs.write(0x6e0, 20_000n);
    expect(timers.nextDeadline()).toBe(5000);
    cpu.msrs.write(0x10, 12_000n);
    expect([cpu.msrs.read(0x3b), timers.nextDeadline()]).toEqual([8000n, 3000]);
    cpu.msrs.write(0x3b, 0n);
    expect([cpu.msrs.read(0x10), timers.nextDeadline()]).toEqual([4000n, 5000]);
    clock.advanceTo(5000);
    timers.runDue(5000);
    expect([apic.pending, cpu.msrs.read(0x6e0)]).toEqual([true, 0n]);
  });

  it("starts by INIT and SIPI, waits, and goes on at an interrupt", () => {
    const { ram, processors } = machine();
    const [first, second] = processors;
    set(first.apic, 0xf0, 0x1ff);
    const send = (command: number) => {
      set(first.apic, 0x310, 1 << 24);
      set(first.apic, 0x300, command);
    };
    // sti; hlt; inc byte [0x502]; jmp to the hlt
    ram.set([0xfb, 0xf4, 0xfe, 0x06, 0x02, 0x05, 0xeb, 0xf9], 0x2000);
    // Vector 0x41: inc byte [0x500]; iret. NMI: inc byte [0x501]; iret.
    ram.set([0x00, 0x30, 0, 0], 0x41 * 4);
    ram.set([0xfe, 0x06, 0x00, 0x05, 0xcf], 0x3000);
    ram.set([0x00, 0x31, 0, 0], 2 * 4);
    ram.set([0xfe, 0x06, 0x01, 0x05, 0xcf], 0x3100);

    send(0x4500);
    expect([second.core.lo(activity), second.cpu.wakeUp]).toEqual([3, false]);
    send(0x0602);
    expect([second.core.lo(activity), second.cpu.wakeUp]).toEqual([0, true]);
    expect(second.core.lo(SEGMENTS[Seg.cs]!.selector)).toBe(0x200);
    // Another one is ignored.
    send(0x0603);
    second.core.set(GPR[4]!, 0x1000, 0);
    second.core.run(100);
    expect(second.core.exit).toEqual({ kind: "wait" });
    expect([second.cpu.ip, second.cpu.wakeUp]).toEqual([2n, false]);

    // Its own APIC is still disabled.
    send(0x41);
    expect(second.cpu.wakeUp).toBe(false);
    set(second.apic, 0xf0, 0x1ff);
    second.woken.length = 0;
    send(0x41);
    expect([second.cpu.wakeUp, second.woken, first.woken]).toEqual([true, [1], []]);
    second.core.run(100);
    expect([...ram.subarray(0x500, 0x503), second.apic.pending]).toEqual([1, 0, 1, false]);
    expect(get(second.apic, 0x120)).toBe(2);
    send(0x0400);
    expect(second.cpu.wakeUp).toBe(true);
    second.core.run(100);
    expect([...ram.subarray(0x500, 0x503)]).toEqual([1, 1, 2]);
  });

  it("keeps at INIT what table 9-1 says", () => {
    const [, { core, cpu, apic }] = machine().processors;
    core.setBig(XMM[3]!, 7n);
    core.setBig(msr("IA32_LSTAR"), 9n);
    core.setBig(GPR[3]!, 5n);
    core.set(CR0, 0x8000_0011 | 0, 0);
    core.set(EFER, 0x500, 0);
    extend(apic);
    apic.accept({ mode: 5, vector: 0, level: false, logical: false, destination: 1, wide: false });
    expect([core.big(XMM[3]!), core.big(msr("IA32_LSTAR")), core.big(GPR[3]!)]).toEqual([7n, 9n, 0n]);
    expect([core.lo(CR0), core.lo(EFER), core.lo(activity)]).toEqual([0x10, 0, 3]);
    expect(core.big(x86Layout.pc)).toBe(0xffff_fff0n);
    expect([apic.extended, cpu.msrs.read(0x80f)]).toEqual([true, 0xffn]);
  });
});
