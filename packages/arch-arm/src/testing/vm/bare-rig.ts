import type { Tier } from "@hypercraft/engine";
import { type Clock, guestPhysAddr, type Vm } from "@hypercraft/hypercraft";
import { makeRigVm } from "@hypercraft/hypercraft/testing/rig";
import { createPe } from "../../cpu/create-pe.js";
import { BarePe } from "../../hypervisor/bare-pe.js";
import { createRig, NO_DEVICES, RAM } from "./rig.js";

// PEs that guest code owns, with nothing but RAM on their bus.

export { RAM } from "./rig.js";

const RAM_SIZE = 1 << 20;

/** A VM of bare PEs; PE i enters `entries[i]`, all but the first being off. */
export function createBareVm(entries: readonly number[], tier?: Tier, clock?: Clock): Vm<BarePe> {
  const rig = createRig(clock, tier, { base: RAM, size: RAM_SIZE });
  const vcpus = entries.map((entry, index) => {
    const { core, pe } = createPe(rig.engine, { index, mode: "bare", clock: rig.hal.clock, bus: NO_DEVICES });
    return new BarePe(index, guestPhysAddr(entry), core, pe);
  });
  return makeRigVm(rig, { vcpus, ram: RAM, ramSize: RAM_SIZE, format: undefined });
}
