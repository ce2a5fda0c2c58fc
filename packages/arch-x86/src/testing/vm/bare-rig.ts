import { Engine, type Tier } from "@hypercraft/engine";
import { guestPhysAddr, type Vm } from "@hypercraft/hypercraft";
import { makeRig, makeRigVm } from "@hypercraft/hypercraft/testing/rig";
import type { PortBus } from "../../cpu/access.js";
import { createCpu, X86_FLOATING_POINT } from "../../cpu/create-cpu.js";
import { BareCpu } from "../../hypervisor/bare-cpu.js";

// Processors that guest code owns, with nothing but RAM on their bus.

const RAM = 0;
const RAM_SIZE = 1 << 20;
const NO_DEVICES = { read: () => -1, write: () => false };

/** A VM of bare processors, all but the first off. */
export function createBareVm(cpus: number, tier: Tier, ports: PortBus): Vm<BareCpu> {
  const rig = makeRig(
    (parts) => new Engine({ ...parts, floatingPoint: X86_FLOATING_POINT, tier }),
    undefined,
    { base: RAM, size: RAM_SIZE },
  );
  const { clock } = rig.hal;
  const vcpus = Array.from({ length: cpus }, (_, index) => {
    const { core, cpu } = createCpu(rig.engine, { index, mode: "bare", clock, bus: NO_DEVICES, ports });
    return new BareCpu(index, guestPhysAddr(0), core, cpu);
  });
  return makeRigVm(rig, { vcpus, ram: RAM, ramSize: RAM_SIZE, format: undefined });
}
