import type { Core } from "@hypercraft/engine";
import {
  BasePerCpu,
  type GuestPhysAddr,
  type HostPhysAddr,
  type HyperCraftHal,
  HyperError,
} from "@hypercraft/hypercraft";
import { CR4 as CR4_BIT } from "../cpu/control-bits.js";
import type { X86Cpu } from "../cpu/cpu.js";
import { CR4 } from "../cpu/state.js";
import { allowVmxon, checkFixedBits, hasVmx, vmxBasic } from "./detect.js";
import { X86GuestVCpu } from "./guest-vcpu.js";
import { enterHostMode } from "./host-processor.js";
import { regionFrame } from "./region.js";
import { rootOperation } from "./root-operation.js";

/**
 * The hypervisor's state of one processor, which it has in 64-bit mode. Its guest runs on the processor that the
 * hypervisor runs on, so a processor has one vCPU. Regions of VMX are frames of the host's.
 */
export class X86PerCpu extends BasePerCpu<X86GuestVCpu> {
  private readonly core: Core;
  readonly cpu: X86Cpu;
  private readonly hal: HyperCraftHal;
  private region: HostPhysAddr | undefined;

  constructor(cpuId: number, core: Core, cpu: X86Cpu, hal: HyperCraftHal) {
    super(cpuId);
    this.core = core;
    this.cpu = cpu;
    this.hal = hal;
    enterHostMode(cpu);
  }

  override hasHardwareSupport(): boolean {
    return hasVmx(this.cpu);
  }

  /** VMXON. Throws NotSupported for a VMX that is not as needed, ResourceBusy, BadState, NoMemory. */
  protected override onHardwareEnable(): void {
    const { cpu, core } = this;
    if ((core.lo(CR4) & CR4_BIT.VMXE) !== 0)
      throw new HyperError("ResourceBusy", `CPU ${this.cpuId}: CR4.VMXE is set, VMX is in use`);
    const { revision } = vmxBasic(cpu);
    allowVmxon(cpu);
    core.set(CR4, core.lo(CR4) | CR4_BIT.VMXE, 0);
    try {
      checkFixedBits(cpu);
      this.region = regionFrame(this.hal, revision);
      rootOperation.vmxon(cpu, this.region);
    } catch (error) {
      this.leaveVmx();
      throw error;
    }
  }

  /** VMXOFF; what was the guest's in the processor is gone. */
  protected override onHardwareDisable(): void {
    rootOperation.vmxoff(this.cpu);
    enterHostMode(this.cpu);
    this.leaveVmx();
  }

  private leaveVmx(): void {
    const { core, region } = this;
    core.set(CR4, core.lo(CR4) & ~CR4_BIT.VMXE, 0);
    if (region !== undefined) this.hal.deallocPage(region);
    this.region = undefined;
  }

  protected override onCreateVcpu(vcpuId: number, entry: GuestPhysAddr): X86GuestVCpu {
    this.requireFree("processor");
    return new X86GuestVCpu(vcpuId, entry, this.core, this.cpu, this.hal);
  }
}
