import type { VCpu, VCpuContext } from "@hypercraft/hypercraft";
import { AffinityState } from "./constants.js";
import type { PsciCpu, PsciHost } from "./host.js";

/** A vCPU that PSCI can name. */
export interface AffineVCpu extends VCpu {
  /** See `PsciCpu.affinity`. */
  readonly affinity: bigint;
}

/** PSCI as a VM's firmware: calls act on its vCPUs, which are all `AffineVCpu`s. */
export class VmPsciHost implements PsciHost {
  private readonly vm: VCpuContext;

  constructor(vm: VCpuContext) {
    this.vm = vm;
  }

  get cpus(): readonly PsciCpu[] {
    return Array.from(this.vm.vcpus, (vcpu) => ({
      vcpuId: vcpu.vcpuId,
      affinity: (vcpu as AffineVCpu).affinity,
    }));
  }

  /** A start is carried out at once, so that nothing is ever pending; waiting and suspended is on. */
  cpuState(vcpuId: number): AffinityState {
    const state = this.vm.vcpus.find(vcpuId)?.state;
    return state === undefined || state === "PoweredOff" || state === "Created"
      ? AffinityState.off
      : AffinityState.on;
  }

  isRam(gpa: number, length: number): boolean {
    return this.vm.memory?.contains(gpa, length) ?? false;
  }
}
