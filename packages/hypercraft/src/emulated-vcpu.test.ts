import { describe, expect, it } from "vitest";
import { type GuestPhysAddr, guestPhysAddr } from "./address.js";
import { EmulatedVCpu, type ExecutedCpu, type ExecutionCore } from "./emulated-vcpu.js";
import type { RawExitCause, VmExitInfo } from "./exit.js";
import type { FirmwarePowerOutcome } from "./firmware.js";

interface Fatal {
  readonly kind: "fatal";
  readonly reason: string;
}
type State = { readonly fields: Record<string, bigint> };
type Step = {
  readonly end: "budget" | "exit" | "stopped" | "breakpoint" | "watchpoint";
  readonly executed: number;
  readonly exit?: unknown;
};

/** Ends its runs as it was told, after so many instructions each. */
class ScriptedCore implements ExecutionCore<State> {
  exit: unknown = null;
  watchHit: bigint | undefined = 0x77n;
  readonly budgets: number[] = [];
  fields: Record<string, bigint> = { pc: 1n, x: 2n };
  private executed = 0;
  private readonly steps: Step[];

  constructor(...steps: Step[]) {
    this.steps = steps;
  }
  run(budget: number): Step["end"] {
    this.budgets.push(budget);
    const step = this.steps.shift() ?? { end: "budget" as const, executed: budget };
    this.executed += step.executed;
    this.exit = step.exit ?? null;
    return step.end;
  }
  instructions(): number {
    return this.executed;
  }
  state(): State {
    return { fields: { ...this.fields } };
  }
  restore(state: State): void {
    this.fields = { ...state.fields };
  }
}

class ScriptedCpu implements ExecutedCpu {
  readonly layout = { fields: new Map([["pc", 0] as const, ["x", 0] as const]) };
  sliceStart = -1;
  wakeUp = false;
  readonly calls: string[] = [];
  updateTimers(): void {
    this.calls.push(`timers ${this.sliceStart}`);
  }
  nextDeadline(): number {
    return 42;
  }
  save(): void {
    this.calls.push("save");
  }
  forget(): void {
    this.calls.push("forget");
  }
  reload(): void {
    this.calls.push("reload");
  }
}

class TestVCpu extends EmulatedVCpu<RawExitCause, Fatal, State> {
  readonly gprNames: readonly string[] = [];
  served = 0;
  /** Traps that are served before one leaves. */
  serve = 0;

  constructor(core: ScriptedCore, cpu: ScriptedCpu) {
    super(0, guestPhysAddr(0), core, cpu, (reason) => ({ arch: "test", reason }) as RawExitCause, "sleep");
  }
  protected override trapped(): VmExitInfo<RawExitCause> | undefined {
    if (this.served++ < this.serve) return undefined;
    return this.power(this.outcome, this.raw("trapped"));
  }
  protected override fatal({ reason }: Fatal): VmExitInfo<RawExitCause> {
    return { kind: "failEntry", code: 1, message: reason, raw: this.raw(reason) };
  }
  readonly resumes: unknown[] = [];
  outcome: FirmwarePowerOutcome = { kind: "stopCpu" };
  protected override suspending(resume: unknown): void {
    this.resumes.push(resume);
  }
  protected override onSetup(): void {}
  protected override onPowerOn(_entry: GuestPhysAddr, _arg: bigint): void {}
  protected override finishExit(): void {}
  override getGprLo(): number {
    return 0;
  }
  override getGprHi(): number {
    return 0;
  }
  override setGprPair(): void {}
  override getPc(): bigint {
    return 0x1234n;
  }
  override setPc(): void {}
  override interrupt(): void {}
  override registers(): never[] {
    return [];
  }
  override disassemble(): string {
    return "";
  }
}

function vcpu(...steps: Step[]) {
  const core = new ScriptedCore(...steps);
  const cpu = new ScriptedCpu();
  const made = new TestVCpu(core, cpu);
  made.setup({ onWake: () => {} } as never, "on");
  return { vcpu: made, core, cpu };
}

describe("an emulated vCPU", () => {
  it("spends exactly its budget, served traps included", () => {
    const {
      vcpu: v,
      core,
      cpu,
    } = vcpu(
      { end: "exit", executed: 10, exit: { kind: "trap" } },
      { end: "exit", executed: 5, exit: { kind: "trap" } },
    );
    v.serve = 2;
    expect(v.run(100)).toMatchObject({ kind: "budgetSpent" });
    expect(core.budgets).toEqual([100, 90, 85]);
    expect(v.retired).toBe(100);
    expect(cpu.sliceStart).toBe(-1);
  });

  it("ends when a trap's service took what was left", () => {
    const { vcpu: v, core } = vcpu({ end: "exit", executed: 100, exit: { kind: "trap" } });
    v.serve = 1;
    expect(v.run(100).kind).toBe("budgetSpent");
    expect(core.budgets).toEqual([100]);
  });

  it.each([
    [{ end: "stopped", executed: 1 }, { kind: "timer" }],
    [{ end: "exit", executed: 1, exit: { kind: "timer" } }, { kind: "timer" }],
    [
      { end: "exit", executed: 1, exit: { kind: "wait" } },
      { kind: "wait", raw: { reason: "sleep" } },
    ],
    [
      { end: "breakpoint", executed: 1 },
      { kind: "debugStop", cause: "breakpoint", address: 0x1234n },
    ],
    [
      { end: "watchpoint", executed: 1 },
      { kind: "debugStop", cause: "watchpoint", address: 0x77n },
    ],
    [
      { end: "exit", executed: 1, exit: { kind: "fatal", reason: "broken" } },
      { kind: "failEntry", message: "broken" },
    ],
  ] as const)("tells why it left: %o", (step, exit) => {
    expect(vcpu(step).vcpu.run(10)).toMatchObject(exit);
  });

  const TRAP = { end: "exit", executed: 1, exit: { kind: "trap" } } as const;

  it.each<[FirmwarePowerOutcome, object]>([
    [
      { kind: "startCpu", target: 3, entry: 0x4000, arg: 5n },
      { kind: "cpuUp", target: 3, entry: 0x4000, arg: 5n },
    ],
    [{ kind: "stopCpu" }, { kind: "cpuDown" }],
    [
      { kind: "shutdown", failure: true, code: 7 },
      { kind: "systemShutdown", failure: true, code: 7 },
    ],
    [
      { kind: "reset", warm: true, failure: false, code: 0 },
      { kind: "systemReset", warm: true, failure: false, code: 0 },
    ],
  ])("makes an exit of a firmware call about power: %o", (outcome, exit) => {
    const { vcpu: v } = vcpu(TRAP);
    v.outcome = outcome;
    expect(v.run(10)).toEqual({ ...exit, raw: { arch: "test", reason: "trapped" } });
    expect(v.suspended).toBe(false);
  });

  it("is suspended until it runs again, or is switched off", () => {
    const { vcpu: v } = vcpu(TRAP, TRAP);
    v.outcome = { kind: "suspendCpu", resume: { entry: 8, arg: 9n } };
    expect(v.run(10).kind).toBe("wait");
    expect(v.resumes).toEqual([{ entry: 8, arg: 9n }]);
    expect([v.state, v.suspended]).toEqual(["Blocked", true]);
    const saved = v.save();
    v.wake();
    expect(v.suspended).toBe(true);
    v.served = -1;
    v.outcome = { kind: "stopCpu" };
    v.run(10);
    expect(v.suspended).toBe(false);
    v.load(saved);
    expect(v.suspended).toBe(true);
    v.powerOff();
    expect(v.suspended).toBe(false);
  });

  it("is saved without what is derived, and restored with it taken anew", () => {
    const { vcpu: v, cpu, core } = vcpu();
    const saved = v.save();
    expect(cpu.calls).toEqual(["save", "forget"]);
    core.fields["x"] = 9n;
    v.load(saved);
    expect(core.fields["x"]).toBe(2n);
    expect(cpu.calls.at(-1)).toBe("reload");
  });

  it("refuses states of another version or shape", () => {
    const { vcpu: v } = vcpu();
    const saved = v.save();
    expect(() => v.load({ ...saved, version: 2 } as never)).toThrow("version 2");
    expect(() => v.load({ ...saved, core: { fields: { pc: 1n } } })).toThrow("no field x");
  });

  it("asks its CPU for deadlines and wake-ups", () => {
    const { vcpu: v, cpu } = vcpu();
    expect(v.nextDeadline()).toBe(42);
    expect(v.hasWakeEvent()).toBe(false);
    cpu.wakeUp = true;
    expect(v.hasWakeEvent()).toBe(true);
    expect(cpu.calls).toEqual(["timers -1", "timers -1"]);
  });
});
