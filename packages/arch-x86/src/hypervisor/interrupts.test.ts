import type { Tier } from "@hypercraft/engine";
import { InstructionClock } from "@hypercraft/hypercraft";
import { movedVm } from "@hypercraft/hypercraft/testing/rig";
import { describe, expect, test } from "vitest";
import { RFLAG } from "../cpu/control-bits.js";
import { Gpr } from "../cpu/state.js";
import { VmcsField } from "../cpu/vmx/fields.js";
import { le, wrmsr } from "../testing/code-bytes.js";
import {
  CODE,
  codeGuest,
  createRig,
  createRigVm,
  type Guest,
  RAM,
  RAM_SIZE,
  STOP,
} from "../testing/vm/rig.js";
import { LOAD_TABLES, VECTOR_CALL, writeVectors } from "../testing/vm/vectors.js";

// Events of guests: injected one at a time, when the guest takes them, and none lost.

const [STI, CLI, HLT, NOP] = [0xfb, 0xfa, 0xf4, 0x90];
const SPIN = [0xeb, 0xfe];
/** The local APIC in x2APIC mode, and on. */
const APIC = [...wrmsr(0x1b, 0xfee0_0d00), ...wrmsr(0x80f, 0x1ff)];
const STOP_NUMBER = 0x77;

function guest(code: readonly number[], tier: Tier = "cold", cpus = 1): Guest {
  const made = codeGuest([...LOAD_TABLES, ...APIC, ...code], {
    rig: createRig(new InstructionClock(), tier),
    cpus,
  });
  writeVectors(made.vm);
  return made;
}

/** Run until the next call: the handler's vector, or the program's number. */
function nextCall({ vcpu, vm }: Pick<Guest, "vcpu" | "vm">): number {
  for (let i = 0; i < 200; i++) {
    if (vcpu.state === "Blocked") {
      if (!vcpu.hasWakeEvent()) return -1;
      vcpu.wake();
    }
    const exit = vcpu.run(1000);
    if (exit.kind === "hypercall") {
      vcpu.completeExit({ kind: "results", values: [] });
      const number = Number(exit.nr);
      return number >= VECTOR_CALL ? number - VECTOR_CALL : number;
    }
    if (vm.handleExit(vcpu, exit) !== undefined) throw new Error(`the VM ended with ${exit.kind}`);
  }
  throw new Error("no call");
}

/** Run to where the program waits or spins. */
const settle = ({ vcpu, vm }: Guest): void => {
  for (let i = 0; i < 5 && vcpu.state === "Ready"; i++) vm.handleExit(vcpu, vcpu.run(200));
};

const eoi = ({ vcpu }: Guest): void => {
  vcpu.apic?.writeMsr(0x80b, 0n);
};

describe.each<Tier>(["cold", "hot"])("interrupts of a guest (%s tier)", (tier) => {
  test("wait until RFLAGS.IF lets them through, the highest first, and none is lost", () => {
    const g = guest([...Array.from({ length: 300 }, () => NOP), STI, ...SPIN], tier);
    g.vm.handleExit(g.vcpu, g.vcpu.run(20));
    settle(g);
    // All at once; the handler runs with interrupts off, IRETQ lets the next one in.
    for (const vector of [0x31, 0x92, 0x51, 0x50]) g.vcpu.interrupt(vector);
    const order: number[] = [];
    for (let i = 0; i < 4; i++) {
      order.push(nextCall(g));
      eoi(g);
    }
    expect(order).toEqual([0x92, 0x51, 0x50, 0x31]);
  });

  test("come after the instruction behind STI", () => {
    const g = guest([CLI, NOP, STI, 0x49, 0xff, 0xc0, 0x49, 0xff, 0xc0, ...STOP], tier);
    // To behind the APIC's set-up.
    for (let i = 0; i < 100 && g.vcpu.apic?.softwareEnabled !== true; i++)
      g.vm.handleExit(g.vcpu, g.vcpu.run(1));
    g.vcpu.interrupt(0x40);
    expect(nextCall(g)).toBe(0x40);
    // inc r8 was executed once.
    expect(g.vcpu.getGpr(8)).toBe(1n);
    eoi(g);
    expect([nextCall(g), g.vcpu.getGpr(8)]).toEqual([STOP_NUMBER, 2n]);
  });

  test("end HLT where they are enabled, and there only", () => {
    const g = guest([STI, HLT, ...STOP], tier);
    settle(g);
    expect([g.vcpu.state, g.vcpu.hasWakeEvent(), g.vcpu.deaf]).toEqual(["Blocked", false, false]);
    g.vcpu.interrupt(0x40);
    expect([nextCall(g), nextCall(g)]).toEqual([0x40, STOP_NUMBER]);
    const masked = guest([CLI, HLT, ...STOP], tier);
    settle(masked);
    masked.vcpu.interrupt(0x40);
    expect([masked.vcpu.hasWakeEvent(), masked.vcpu.deaf]).toEqual([false, true]);
    masked.vcpu.interrupt(2);
    expect([nextCall(masked), nextCall(masked)]).toEqual([2, STOP_NUMBER]);
  });

  test("a wake without a reason goes on waiting", () => {
    const g = guest([STI, HLT, ...STOP], tier);
    settle(g);
    g.vcpu.wake();
    expect([g.vcpu.run(10).kind, g.vcpu.state]).toEqual(["wait", "Blocked"]);
  });

  test("are held back by the task priority", () => {
    const cr8 = [0xb8, ...le(8), 0x44, 0x0f, 0x22, 0xc0];
    const lower = [0xb8, ...le(2), 0x44, 0x0f, 0x22, 0xc0];
    const g = guest([...cr8, STI, ...Array.from({ length: 600 }, () => NOP), ...lower, ...SPIN], tier);
    settle(g);
    for (let i = 0; i < 3; i++) g.vm.handleExit(g.vcpu, g.vcpu.run(20));
    g.vcpu.interrupt(0x41);
    expect([nextCall(g), g.vcpu.apic?.taskPriority]).toEqual([0x41, 0x20]);
  });

  test("NMIs are blocked until IRET; one waits meanwhile", () => {
    const g = guest([...SPIN], tier);
    settle(g);
    g.vcpu.interrupt(2);
    expect(nextCall(g)).toBe(2);
    // Within the handler: two more, of which one can wait.
    g.vcpu.interrupt(2);
    g.vcpu.interrupt(2);
    expect(nextCall(g)).toBe(2);
    g.vm.handleExit(g.vcpu, g.vcpu.run(500));
    expect(g.vcpu.events.none).toBe(true);
  });

  test("the timer of the local APIC expires", async () => {
    const timer = [...wrmsr(0x83e, 11), ...wrmsr(0x832, 0x44), ...wrmsr(0x838, 5000)];
    const g = guest([...timer, STI, HLT, ...STOP], tier);
    const seen: bigint[] = [];
    const vm = g.vm;
    const started = vm.clock.now();
    for (let i = 0; i < 2; i++) {
      for (;;) {
        const exit = g.vcpu.run(100);
        if (exit.kind === "hypercall") {
          seen.push(exit.nr);
          g.vcpu.completeExit({ kind: "results", values: [] });
          break;
        }
        vm.handleExit(g.vcpu, exit);
        if (g.vcpu.state !== "Blocked") continue;
        (vm.clock as InstructionClock).advanceTo(g.vcpu.nextDeadline());
        vm.timers.runDue(vm.clock.now());
        g.vcpu.wake();
      }
    }
    expect(seen).toEqual([BigInt(VECTOR_CALL + 0x44), BigInt(STOP_NUMBER)]);
    expect(vm.clock.now() - started).toBeGreaterThanOrEqual(5000);
  });
});

test("an interrupt whose delivery faults is delivered again", () => {
  // The stack is where nothing is: #PF on the way to the handler would need it, too, but for its own stack.
  const g = guest([STI, ...SPIN]);
  settle(g);
  const { root } = g.vcpu.cpu.vmx;
  const rsp = g.vcpu.getGpr(Gpr.rsp);
  // Beyond RAM, where the second stage maps nothing.
  g.vcpu.setGpr(Gpr.rsp, 0x3000_0000n);
  g.vcpu.interrupt(0x55);
  const exit = g.vcpu.run(100);
  expect(exit).toMatchObject({
    kind: "nestedPageFault",
    gpa: 0x3000_0000 - 8,
    access: "write",
    tableWalk: false,
  });
  expect(root.get(VmcsField.IDT_VECTORING_INFORMATION)).toBe(0x8000_0055);
  g.vcpu.setGpr(Gpr.rsp, rsp);
  g.vcpu.completeExit({ kind: "retry" });
  expect(nextCall(g)).toBe(0x55);
  expect(g.vm.memory?.readU64(Number(g.vcpu.getGpr(Gpr.rsp)))).toBe(
    BigInt(CODE + LOAD_TABLES.length + APIC.length + 1),
  );
});

test("what waits is in the state: it comes on another host, too", () => {
  const g = guest([CLI, ...Array.from({ length: 400 }, () => NOP), STI, ...SPIN]);
  settle(g);
  for (const vector of [0x61, 2]) g.vcpu.interrupt(vector);
  const vm = movedVm(g.vm, { base: RAM, size: RAM_SIZE }, (clock) => createRigVm(createRig(clock), [CODE]));
  const vcpu = vm.vcpus.getVcpu(0);
  vcpu.apic?.restore(structuredClone(g.vcpu.apic!.state()));
  const copy = { vm, vcpu };
  expect([nextCall(copy), nextCall(copy)]).toEqual([2, 0x61]);
});

describe("processors start others by INIT and start-up IPIs", () => {
  /** x2APIC's ICR: `wrmsr` of both halves. */
  const icr = (low: number, destination: number) => [
    ...[0xb9, ...le(0x830), 0xb8, ...le(low), 0xba, ...le(destination), 0x0f, 0x30],
  ];

  test("the other one begins in real mode at the vector's page", async () => {
    const calls: string[] = [];
    const g = codeGuest([...APIC, ...icr(0x4500, 1), ...icr(0x4608, 1), ...SPIN], {
      cpus: 2,
      handlers: {
        hypercall: ({ nr }, vcpu) => {
          calls.push(`${vcpu.vcpuId}: ${nr}`);
          return { kind: "end", result: { kind: "stopped" } };
        },
      },
    });
    const other = g.vm.vcpus.getVcpu(1);
    other.powerOn(CODE, 0n);
    other.start({ kind: "waiting" });
    // mov ax, cs; vmcall
    g.vm.memory?.write(0x8000, Uint8Array.of(0x8c, 0xc8, 0x0f, 0x01, 0xc1));
    expect(await g.vm.run({ maxInstructions: 100_000 })).toEqual({ kind: "stopped" });
    expect(calls).toEqual([`1: ${0x800}`]);
    expect([other.cpu.protectedMode, other.getPc()]).toEqual([false, 0x8002n]);
  });

  test("INIT takes a running one back, and what it waited for with it", () => {
    const g = guest([STI, ...SPIN]);
    settle(g);
    g.vcpu.interrupt(2);
    g.vcpu.init(false);
    expect([g.vcpu.run(10).kind, g.vcpu.deaf]).toEqual(["wait", true]);
    expect(g.vcpu.cpu.vmx.root.get(VmcsField.GUEST_RFLAGS) & RFLAG.IF).toBe(0);
    g.vcpu.startUp(0x12);
    expect([g.vcpu.hasWakeEvent(), g.vcpu.getPc()]).toEqual([true, 0x1_2000n]);
    // A second one is ignored.
    g.vcpu.startUp(0x13);
    expect(g.vcpu.getPc()).toBe(0x1_2000n);
  });
});
