import type { Core } from "@hypercraft/engine";
import { BasePerCpu, type GuestPhysAddr, HyperError } from "@hypercraft/hypercraft";
import type { RiscvHart } from "../cpu/hart.js";
import { hasHypervisorExtension } from "./detect.js";
import { RiscvVCpu } from "./vcpu.js";

/**
 * The hypervisor's state of one hart. The hart that runs the hypervisor is the one its guest runs on, so a
 * vCPU is the hart itself, entered, and a hart has one: several vCPUs need several harts, of one engine or not.
 */
export class RiscvPerCpu extends BasePerCpu<RiscvVCpu> {
  private readonly core: Core;
  private readonly hart: RiscvHart;

  constructor(cpuId: number, core: Core, hart: RiscvHart) {
    super(cpuId);
    this.core = core;
    this.hart = hart;
  }

  override hasHardwareSupport(): boolean {
    return hasHypervisorExtension(this.hart);
  }

  /** Delegation and guest CSRs are written when a guest is entered (world.ts); here they get a defined state. */
  protected override onHardwareEnable(): void {
    if (!this.hart.features.sstc) {
      throw new HyperError("NotSupported", `hart ${this.cpuId} has no vstimecmp (Sstc) for a guest's timer`);
    }
    this.hart.writeCsr("hedeleg", 0n);
    this.hart.writeCsr("hideleg", 0n);
    this.hart.writeCsr("hvip", 0n);
    this.hart.writeCsr("hgatp", 0n);
  }

  protected override onHardwareDisable(): void {
    this.onHardwareEnable();
  }

  protected override onCreateVcpu(vcpuId: number, entry: GuestPhysAddr): RiscvVCpu {
    this.requireFree("hart");
    return new RiscvVCpu(vcpuId, entry, this.core, this.hart);
  }
}
