import { describe, expect, it, vi } from "vitest";
import { InstructionClock } from "./clock.js";
import { BufferConsole } from "./console.js";
import type { RawExitCause, VmExitInfo } from "./exit.js";
import { EXIT_ANSWERS, type ExitAnswer, needsAnswer, VM_EXIT_KINDS } from "./exit.js";
import { ExitStats } from "./exit-stats.js";
import { MockGuestPageTable, MockVCpu, mockEntry, mockHost } from "./testing/mock-arch.js";
import { BaseVCpu, type VCpuContext, type VCpuLifecycleSnapshot } from "./vcpu.js";
import { VCPU_TRANSITIONS, VCpuLifecycle, type VCpuState } from "./vcpu-state.js";
import { VmCpus } from "./vcpus.js";

const code = (name: string) => expect.objectContaining({ code: name });
const raw: RawExitCause = { arch: "scripted", reason: "script" };

function context(part: Partial<VCpuContext> = {}): VCpuContext {
  return {
    guestPageTable: new MockGuestPageTable(1),
    vmid: 1,
    clock: new InstructionClock(),
    stats: new ExitStats(),
    vcpus: new VmCpus(),
    console: new BufferConsole(),
    memory: undefined,
    onWake: () => {},
    ...part,
  };
}

/** A vCPU whose every exit is written down beforehand. */
class ScriptedVCpu extends BaseVCpu {
  readonly gprNames = [];
  readonly finished: [string, ExitAnswer][] = [];
  retired = 0;
  readonly script: (VmExitInfo | Error)[];

  constructor(...script: (VmExitInfo | Error)[]) {
    super(0, 0x1000);
    this.script = script;
  }

  protected onSetup(): void {}
  protected onPowerOn(): void {}
  protected enter(): VmExitInfo {
    expect(this.state).toBe("Running");
    const next = this.script.shift() ?? { kind: "budgetSpent", raw };
    if (next instanceof Error) throw next;
    return next;
  }
  protected finishExit(exit: VmExitInfo, answer: ExitAnswer): void {
    this.finished.push([exit.kind, answer]);
  }
  getGprLo(): number {
    return 0;
  }
  getGprHi(): number {
    return 0;
  }
  setGprPair(): void {}
  getPc(): bigint {
    return 0n;
  }
  setPc(): void {}
  nextDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }
  hasWakeEvent(): boolean {
    return false;
  }
  interrupt(): void {
    this.signalWake();
  }
  registers() {
    return [];
  }
  disassemble(): string {
    return "";
  }
  vmid(): number {
    return this.context.vmid;
  }
  save(): VCpuLifecycleSnapshot {
    return this.lifecycleState();
  }
  load(state: VCpuLifecycleSnapshot): void {
    this.restoreLifecycle(state);
  }
}

const exitOf: { [K in VmExitInfo["kind"]]: Extract<VmExitInfo, { kind: K }> } = {
  hypercall: { kind: "hypercall", nr: 1n, args: [], raw },
  mmioRead: { kind: "mmioRead", gpa: 0, width: 4, reg: 1, signed: false, regWidth: 8, raw },
  mmioWrite: { kind: "mmioWrite", gpa: 0, width: 4, reg: 1, lo: 0, hi: 0, raw },
  portRead: { kind: "portRead", port: 0, width: 1, raw },
  portWrite: { kind: "portWrite", port: 0, width: 1, value: 0, raw },
  sysRegRead: { kind: "sysRegRead", sysReg: 0, reg: 1, raw },
  sysRegWrite: { kind: "sysRegWrite", sysReg: 0, reg: 1, lo: 0, hi: 0, raw },
  nestedPageFault: { kind: "nestedPageFault", gpa: 0, access: "execute", tableWalk: false, raw },
  externalInterrupt: { kind: "externalInterrupt", vector: 1, raw },
  timer: { kind: "timer", raw },
  wait: { kind: "wait", raw },
  cpuUp: { kind: "cpuUp", target: 1, entry: 0, arg: 0n, raw },
  cpuDown: { kind: "cpuDown", raw },
  ipi: { kind: "ipi", targets: "all", vector: 1, raw },
  systemReset: { kind: "systemReset", warm: false, failure: false, code: 0, raw },
  systemShutdown: { kind: "systemShutdown", failure: false, code: 0, raw },
  failEntry: { kind: "failEntry", code: 1, message: "no", raw },
  budgetSpent: { kind: "budgetSpent", raw },
  debugStop: { kind: "debugStop", cause: "step", address: 0n, raw },
};

const answers: ExitAnswer[] = [
  { kind: "value", lo: 0, hi: 0 },
  { kind: "done" },
  { kind: "results", values: [] },
  { kind: "status", status: "success" },
  { kind: "retry" },
  { kind: "fault" },
];

describe("VCpuLifecycle", () => {
  const states = Object.keys(VCPU_TRANSITIONS) as VCpuState[];
  const paths: Record<VCpuState, VCpuState[]> = {
    Created: [],
    Ready: ["Ready"],
    Running: ["Ready", "Running"],
    Blocked: ["Ready", "Blocked"],
    PoweredOff: ["PoweredOff"],
  };

  it.each(states.flatMap((from) => states.map((to) => [from, to] as const)))("%s -> %s", (from, to) => {
    const lifecycle = new VCpuLifecycle(0);
    for (const step of paths[from]) lifecycle.to(step);
    expect(lifecycle.state).toBe(from);
    if (VCPU_TRANSITIONS[from].includes(to)) {
      lifecycle.to(to);
      expect(lifecycle.state).toBe(to);
    } else {
      expect(() => lifecycle.to(to)).toThrow(code("BadState"));
      expect(lifecycle.state).toBe(from);
    }
  });

  it("allows exactly what the documentation says", () => {
    expect(VCPU_TRANSITIONS).toEqual({
      Created: ["Ready", "PoweredOff"],
      Ready: ["Running", "Blocked", "PoweredOff"],
      Running: ["Ready", "Blocked"],
      Blocked: ["Ready", "PoweredOff"],
      PoweredOff: ["Ready"],
    });
  });

  it("restores every state but Running", () => {
    const lifecycle = new VCpuLifecycle(0);
    lifecycle.restore("Blocked");
    expect(lifecycle.state).toBe("Blocked");
    expect(() => lifecycle.restore("Running")).toThrow(code("InvalidParam"));
    expect(() => lifecycle.restore("Asleep" as VCpuState)).toThrow(code("InvalidParam"));
  });
});

describe("BaseVCpu", () => {
  it("is Created, then Ready or PoweredOff, and knows its VM only then", () => {
    const on = new ScriptedVCpu();
    expect(on.state).toBe("Created");
    expect(() => on.vmid()).toThrow(code("BadState"));
    expect(() => on.run(1)).toThrow(code("BadState"));
    on.setup(context({ vmid: 9 }), "on");
    expect([on.state, on.vmid()]).toEqual(["Ready", 9]);
    const off = new ScriptedVCpu();
    off.setup(context(), "off");
    expect(off.state).toBe("PoweredOff");
    expect(() => off.setup(context(), "on")).toThrow(code("BadState"));
  });

  it.each(VM_EXIT_KINDS)("takes exactly the fitting answers to %s", (kind) => {
    expect(needsAnswer(kind)).toBe(EXIT_ANSWERS[kind].length > 0);
    for (const answer of answers) {
      const vcpu = new ScriptedVCpu(exitOf[kind]);
      vcpu.setup(context(), "on");
      expect(vcpu.run(1)).toBe(exitOf[kind]);
      if (EXIT_ANSWERS[kind].includes(answer.kind)) {
        expect(vcpu.pendingExit).toBe(exitOf[kind]);
        expect(() => vcpu.run(1)).toThrow(code("BadState"));
        vcpu.completeExit(answer);
        expect(vcpu.finished).toEqual([[kind, answer]]);
        expect(vcpu.pendingExit).toBeUndefined();
        vcpu.run(1);
      } else {
        const wrong = needsAnswer(kind) ? "InvalidParam" : "BadState";
        expect(() => vcpu.completeExit(answer)).toThrow(code(wrong));
        expect(vcpu.finished).toEqual([]);
      }
    }
  });

  it("is Blocked after a wait and Ready after every other exit", () => {
    for (const kind of VM_EXIT_KINDS) {
      const vcpu = new ScriptedVCpu(exitOf[kind]);
      vcpu.setup(context(), "on");
      vcpu.run(1);
      expect(vcpu.state).toBe(kind === "wait" ? "Blocked" : "Ready");
    }
  });

  it("is Ready again when its own code fails", () => {
    const vcpu = new ScriptedVCpu(new Error("bug"));
    vcpu.setup(context(), "on");
    expect(() => vcpu.run(1)).toThrow("bug");
    expect(vcpu.state).toBe("Ready");
    expect(vcpu.run(1).kind).toBe("budgetSpent");
  });

  it("tells its VM about wake events", () => {
    const onWake = vi.fn();
    const vcpu = new ScriptedVCpu();
    vcpu.interrupt();
    vcpu.setup(context({ onWake }), "on");
    vcpu.interrupt();
    expect(onWake).toHaveBeenCalledTimes(1);
  });

  it("saves and restores its state, but not in the middle of an exit", () => {
    const vcpu = new ScriptedVCpu(exitOf.wait, exitOf.hypercall);
    vcpu.setup(context(), "on");
    vcpu.run(1);
    const saved = JSON.parse(JSON.stringify(vcpu.save()));
    expect(saved).toEqual({ version: 1, state: "Blocked" });
    vcpu.wake();
    vcpu.run(1);
    expect(() => vcpu.save()).toThrow(code("BadState"));
    vcpu.load(saved);
    expect([vcpu.state, vcpu.pendingExit]).toEqual(["Blocked", undefined]);
    expect(() => vcpu.load({ version: 2 as 1, state: "Ready" })).toThrow(code("InvalidParam"));
  });

  it.each([-1, 0.5, Number.NaN])("refuses the id %s", (id) => {
    expect(() => new MockVCpu(id, mockEntry(0), mockHost().hal, [])).toThrow(code("OutOfRange"));
  });
});

describe("VmCpus", () => {
  const vcpu = (id: number) => new MockVCpu(id, mockEntry(0), mockHost().hal, []);

  it("finds vCPUs by id and lists them by ascending id", () => {
    const vcpus = new VmCpus<MockVCpu>(4);
    const [two, zero] = [vcpu(2), vcpu(0)];
    vcpus.addVcpu(two);
    vcpus.addVcpu(zero);
    expect(vcpus.getVcpu(2)).toBe(two);
    expect([...vcpus]).toEqual([zero, two]);
    expect(vcpus.count).toBe(2);
  });

  it("refuses an id without a slot and a slot that is filled", () => {
    const vcpus = new VmCpus<MockVCpu>(2);
    expect(() => vcpus.addVcpu(vcpu(2))).toThrow(code("OutOfRange"));
    const first = vcpu(1);
    vcpus.addVcpu(first);
    expect(() => vcpus.addVcpu(vcpu(1))).toThrow(code("AlreadyExists"));
    expect(vcpus.getVcpu(1)).toBe(first);
  });

  it("has eight slots unless told otherwise", () => {
    const vcpus = new VmCpus<MockVCpu>();
    vcpus.addVcpu(vcpu(7));
    expect(() => vcpus.addVcpu(vcpu(8))).toThrow(code("OutOfRange"));
    expect(new VmCpus(64).maxCount).toBe(64);
    for (const count of [0, -1, 1.5, 4097]) expect(() => new VmCpus(count)).toThrow(code("InvalidParam"));
  });

  it("finds nothing where nothing is", () => {
    const vcpus = new VmCpus<MockVCpu>(2);
    for (const id of [0, 2, -1, 0.5]) {
      expect(() => vcpus.getVcpu(id)).toThrow(code("NotFound"));
      expect(vcpus.find(id)).toBeUndefined();
    }
  });
});
