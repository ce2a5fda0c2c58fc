import { type GuestPhysAddr, HyperError, type VCpuContext, type VmExitInfo } from "@hypercraft/hypercraft";
import type { RiscvExitCause } from "./exit-cause.js";
import { HartVCpu } from "./hart-vcpu.js";

/**
 * A hart that guest code owns from M-mode up: traps go to the guest's own vectors and devices are on its
 * physical bus, so nothing but waiting and deadlines leaves it.
 */
export class BareHart extends HartVCpu {
  protected override onSetup(_context: VCpuContext): void {
    this.hart.reset(BigInt(this.entry));
  }

  protected override onPowerOn(entry: GuestPhysAddr, arg: bigint): void {
    this.hart.reset(BigInt(entry));
    this.setGpr(11, arg);
  }

  protected override trapped(): VmExitInfo<RiscvExitCause> {
    throw new HyperError("Internal", "a bare hart has no hypervisor to trap into");
  }

  protected override suspending(): void {
    throw new HyperError("Internal", "a bare hart's firmware is the guest's own");
  }

  protected override finishExit(): void {
    throw new HyperError("Internal", "a bare hart's exits need no answer");
  }

  /** Raise an interrupt input: 3 MSIP, 7 MTIP, 9 SEIP, 11 MEIP. Throws OutOfRange for another number. */
  override interrupt(vector: number): void {
    this.setInput(vector, true);
  }

  /** Drive an interrupt input, by its bit number in mip. Throws OutOfRange. */
  setInput(irq: number, level: boolean): void {
    if (!INPUTS.has(irq)) throw new HyperError("OutOfRange", `a hart has no interrupt input ${irq}`);
    this.hart.interrupts.setLine(irq, level);
    if (level) this.signalWake();
  }
}

const INPUTS = new Set([3, 7, 9, 11]);
