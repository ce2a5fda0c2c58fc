import type { Core } from "@hypercraft/engine";
import { BasePerCpu, type GuestPhysAddr } from "@hypercraft/hypercraft";
import type { ArmPe } from "../cpu/pe.js";
import { hasEl2 } from "./detect.js";
import { ArmVCpu } from "./vcpu.js";

/**
 * The hypervisor's state of one PE. The PE that runs the hypervisor is the one its guest runs on, so a vCPU is the PE
 * itself, entered, and a PE has one: several vCPUs need several PEs, of one engine or not.
 */
export class ArmPerCpu extends BasePerCpu<ArmVCpu> {
  private readonly core: Core;
  private readonly pe: ArmPe;

  constructor(cpuId: number, core: Core, pe: ArmPe) {
    super(cpuId);
    this.core = core;
    this.pe = pe;
  }

  override hasHardwareSupport(): boolean {
    return hasEl2(this.pe);
  }

  /** EL2's registers are written when a guest is entered (world.ts); here they get a defined state. */
  protected override onHardwareEnable(): void {
    for (const name of ["HCR_EL2", "VTTBR_EL2", "MDCR_EL2", "CNTHCTL_EL2"]) this.pe.writeSystem(name, 0n);
  }

  protected override onHardwareDisable(): void {
    this.onHardwareEnable();
  }

  protected override onCreateVcpu(vcpuId: number, entry: GuestPhysAddr): ArmVCpu {
    this.requireFree("PE");
    return new ArmVCpu(vcpuId, entry, this.core, this.pe);
  }
}
