import { Engine, type Tier } from "@hypercraft/engine";
import type { GuestMemoryInterface } from "@hypercraft/guest-page-table";
import {
  type Clock,
  type GuestMemory,
  guestPhysAddr,
  Host,
  hostPhysAddr,
  InstructionClock,
  MemoryHal,
  TranslatedGuestMemory,
  type Vm,
  VmCpus,
} from "@hypercraft/hypercraft";
import { ARM_FLOATING_POINT, createPe } from "../../cpu/create-pe.js";
import { BarePe } from "../../hypervisor/bare-pe.js";

// PEs that guest code owns, with nothing but RAM on their bus.

export const RAM = 0x4000_0000;
const RAM_SIZE = 1 << 20;
const ARENA = 8 << 20;

const noSecondStage = { token: 0n } as GuestMemoryInterface;

/** A VM of bare PEs; PE i enters `entries[i]`, all but the first being off. */
export function createBareVm(
  entries: readonly number[],
  tier: Tier = "auto",
  clock: Clock = new InstructionClock(),
): Vm<BarePe> {
  const pages = (ARENA + RAM_SIZE) / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const hal = new MemoryHal({ memory, clock, base: hostPhysAddr(RAM), offset: ARENA });
  const engine = new Engine({
    memory,
    arena: { offset: 0, size: ARENA },
    ram: {
      ramOffset: (physical) => (physical >= RAM && physical < RAM + RAM_SIZE ? ARENA + physical - RAM : -1),
      ranges: () => [{ physical: RAM, size: RAM_SIZE, offset: ARENA }],
    },
    floatingPoint: ARM_FLOATING_POINT,
    tier,
  });
  const bus = { read: () => -1, write: () => false };
  const vcpus = new VmCpus<BarePe>(Math.max(8, entries.length));
  for (const [index, entry] of entries.entries()) {
    const { core, pe } = createPe(engine, { index, mode: "bare", clock, bus });
    vcpus.addVcpu(new BarePe(index, guestPhysAddr(entry), core, pe));
  }
  const ram: GuestMemory = new TranslatedGuestMemory({
    memory,
    translate: (gpa) =>
      gpa >= RAM && gpa < RAM + RAM_SIZE
        ? { offset: ARENA + gpa - RAM, length: RAM + RAM_SIZE - gpa }
        : undefined,
    written: (at, length) => engine.ramWritten(at, length),
  });
  const vm = new Host({ hal }).createVm({ vcpus, guestPageTable: () => noSecondStage, memory: ram });
  for (const { vcpuId } of vcpus) vm.initVcpu(vcpuId);
  return vm;
}
