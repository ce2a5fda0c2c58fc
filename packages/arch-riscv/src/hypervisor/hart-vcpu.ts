import type { Core, CoreState, Translation } from "@hypercraft/engine";
import {
  BaseVCpu,
  type GuestPhysAddr,
  HyperError,
  type RegisterValue,
  type VCpuLifecycleSnapshot,
  type VmExitInfo,
} from "@hypercraft/hypercraft";
import type { FatalExit, HartExit } from "../cpu/exit.js";
import type { RiscvHart } from "../cpu/hart.js";
import { registerReport } from "../cpu/report.js";
import { X } from "../cpu/state.js";
import { disassemble } from "../isa/lift.js";
import { X_NAMES } from "../isa/registers.js";
import type { RiscvExitCause } from "./exit-cause.js";

const RAW = (reason: string): RiscvExitCause => ({
  arch: "riscv64",
  reason,
  scause: 0n,
  sepc: 0n,
  stval: 0n,
  htval: 0n,
  htinst: 0n,
  spvp: 0,
});
const BUDGET_SPENT: VmExitInfo<RiscvExitCause> = { kind: "budgetSpent", raw: RAW("the slice is used up") };
const TIMER: VmExitInfo<RiscvExitCause> = { kind: "timer", raw: RAW("a timer deadline moved") };
const WAIT: VmExitInfo<RiscvExitCause> = { kind: "wait", raw: RAW("WFI") };

const NOWHERE: Translation = {
  physical: 0,
  readable: false,
  writable: false,
  cacheable: false,
  pageShift: 12,
};

/** A hart's state as plain data. */
export interface HartVCpuState {
  readonly version: 1;
  readonly lifecycle: VCpuLifecycleSnapshot;
  readonly core: CoreState;
}

/**
 * A hart as a vCPU of the contracts: registers, the run loop and the exits that any hart has. What a trap
 * into the hypervisor means is the subclass's.
 */
export abstract class HartVCpu extends BaseVCpu<RiscvExitCause> {
  readonly gprNames: readonly string[] = X_NAMES;
  readonly core: Core;
  readonly hart: RiscvHart;

  constructor(vcpuId: number, entry: GuestPhysAddr, core: Core, hart: RiscvHart) {
    super(vcpuId, entry);
    this.core = core;
    this.hart = hart;
  }

  /** A trap into the level above: an exit, or undefined when it was served and the guest goes on. */
  protected abstract trapped(): VmExitInfo<RiscvExitCause> | undefined;

  get retired(): number {
    return this.core.instructions();
  }

  protected override enter(budget: number): VmExitInfo<RiscvExitCause> {
    const { core, hart } = this;
    hart.updateTimers();
    hart.sliceStart = core.instructions();
    try {
      return this.slice(hart.sliceStart + budget);
    } finally {
      hart.sliceStart = -1;
    }
  }

  private slice(end: number): VmExitInfo<RiscvExitCause> {
    const { core } = this;
    for (;;) {
      const left = end - core.instructions();
      if (left <= 0) return BUDGET_SPENT;
      const why = core.run(left);
      if (why === "budget") return BUDGET_SPENT;
      if (why === "stopped") return TIMER;
      if (why === "breakpoint") {
        return { kind: "debugStop", cause: "breakpoint", address: this.getPc(), raw: RAW("breakpoint") };
      }
      if (why === "watchpoint") {
        return {
          kind: "debugStop",
          cause: "watchpoint",
          address: core.watchHit ?? 0n,
          raw: RAW("watchpoint"),
        };
      }
      const exit = this.exited(core.exit as HartExit);
      if (exit !== undefined) return exit;
    }
  }

  /** Everything the vCPU is, as plain data. Throws BadState while it runs or waits for an answer. */
  save(): HartVCpuState {
    const lifecycle = this.lifecycleState();
    const { core, hart } = this;
    hart.save();
    // What a restored hart starts without, this one goes on without, so that both go the same way.
    hart.contexts.dropAll();
    hart.mmu.gStage.flush();
    return { version: 1, lifecycle, core: core.state() };
  }

  /** Throws InvalidParam for a state of another version or shape. */
  load(state: HartVCpuState): void {
    if (state.version !== 1) {
      throw new HyperError("InvalidParam", `hart state version ${state.version} is not 1`);
    }
    for (const name of this.hart.layout.fields.keys()) {
      if (typeof state.core.fields[name] === "bigint") continue;
      throw new HyperError("InvalidParam", `the saved hart state has no field ${name}`);
    }
    this.restoreLifecycle(state.lifecycle);
    this.core.restore(state.core);
    this.hart.reload();
  }

  private exited(exit: HartExit): VmExitInfo<RiscvExitCause> | undefined {
    switch (exit.kind) {
      case "wait":
        return WAIT;
      case "timer":
        return TIMER;
      case "trap":
        return this.trapped();
      case "fatal":
        return this.fatal(exit);
      default:
        throw new HyperError("Internal", `the hart left with ${JSON.stringify(exit satisfies never)}`);
    }
  }

  /** The hart cannot go on. */
  protected fatal({ cause, interrupt, reason, pc, value }: FatalExit): VmExitInfo<RiscvExitCause> {
    const scause = (interrupt ? 1n << 63n : 0n) | BigInt(cause);
    return {
      kind: "failEntry",
      code: cause,
      message: reason,
      raw: { ...RAW(reason), scause, sepc: pc, stval: value },
    };
  }

  override getGprLo(index: number): number {
    return this.core.lo(this.gpr(index)) >>> 0;
  }
  override getGprHi(index: number): number {
    return this.core.hi(this.gpr(index)) >>> 0;
  }
  override setGprPair(index: number, lo: number, hi: number): void {
    const field = this.gpr(index);
    if (index !== 0) this.core.set(field, lo | 0, hi | 0);
  }
  private gpr(index: number) {
    const field = X[index];
    if (field === undefined) throw new HyperError("OutOfRange", `there is no register x${index}`);
    return field;
  }

  override getPc(): bigint {
    return this.core.big(this.hart.layout.pc);
  }
  override setPc(pc: bigint): void {
    this.core.setBig(this.hart.layout.pc, pc);
  }

  override nextDeadline(): number {
    return this.hart.nextDeadline();
  }
  override hasWakeEvent(): boolean {
    this.hart.updateTimers();
    return this.hart.wakeUp;
  }

  override registers(): RegisterValue[] {
    return registerReport(this.core);
  }

  override disassemble(): string {
    const { core, hart } = this;
    const pc = this.getPc();
    const bits = hart.instructionBits();
    // Zero is also what an unreadable instruction reads as.
    if (bits === 0 && !hart.probeFetch(core.pcLo(), core.pcHi(), { ...NOWHERE })) {
      return `0x${pc.toString(16)}: the instruction cannot be fetched`;
    }
    const digits = (bits & 3) === 3 ? 8 : 4;
    return `0x${pc.toString(16)}: ${(bits >>> 0).toString(16).padStart(digits, "0")}  ${disassemble(bits, pc)}`;
  }
}
