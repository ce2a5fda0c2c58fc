import { type GuestPhysAddr, type PerCpu, PerCpuArea, type VCpu } from "@hypercraft/hypercraft";

// What boards do alike with their vCPUs, whatever the architecture.

/** A vCPU on each CPU of the hypervisor, whose virtualization hardware is switched on. `made` sees each of them. */
export function vcpuOnEachCpu<V extends VCpu>(
  count: number,
  create: (cpuId: number) => PerCpu<V>,
  entry: GuestPhysAddr,
  made: (vcpu: V, cpu: PerCpu<V>) => void = () => undefined,
): readonly V[] {
  const area = new PerCpuArea(create);
  area.init(0, count);
  return area.cpus.map((cpu) => {
    cpu.hardwareEnable();
    const vcpu = cpu.createVcpu(cpu.cpuId, entry);
    made(vcpu, cpu);
    return vcpu;
  });
}

/** The vCPU whose access a device serves: the one that runs, or whose exit is being handled. */
export function accessor<V extends { readonly pendingExit: unknown }>(
  vcpus: readonly V[] | undefined,
  cpuOf: (vcpu: V) => { readonly sliceStart: number },
): number {
  const index = vcpus?.findIndex((vcpu) => cpuOf(vcpu).sliceStart >= 0 || vcpu.pendingExit !== undefined);
  return Math.max(0, index ?? 0);
}
