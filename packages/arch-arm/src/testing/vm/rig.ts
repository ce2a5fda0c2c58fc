import { type DeviceBus, Engine, type Tier } from "@hypercraft/engine";
import { aarch64Stage2, MappingFlags } from "@hypercraft/guest-page-table";
import {
  type Clock,
  type DeviceWidth,
  guestPhysAddr,
  type MmioDevice,
  type Vm,
} from "@hypercraft/hypercraft";
import {
  type Rig as AnyRig,
  makeRig,
  makeRigVm,
  type RigVmOptions,
  STOP_CALL,
} from "@hypercraft/hypercraft/testing/rig";
import { ARM_FLOATING_POINT, createPe } from "../../cpu/create-pe.js";
import { ARM_PAGE_WALKER } from "../../cpu/page-walker.js";
import type { TimerName } from "../../cpu/timers.js";
import { ArmPerCpu } from "../../hypervisor/per-cpu.js";
import { type ArmVCpu, GuestInterrupt } from "../../hypervisor/vcpu.js";
import { VIRTUAL_INTERFACE_SIZE, VirtualGicV2 } from "../../hypervisor/vgic/virtual-gicv2.js";
import { VirtualGicV3 } from "../../hypervisor/vgic/virtual-gicv3.js";
import { GicV2 } from "../../interrupts/gicv2.js";
import { GicV3, REDISTRIBUTOR_SIZE } from "../../interrupts/gicv3.js";
import { type Assembled, assemble } from "./assembler.js";

// A host with AArch64 PEs and nothing else, for tests of the hypervisor.

export { reg, runTo, runToStop } from "@hypercraft/hypercraft/testing/rig";

/** Guest-physical RAM of every VM. */
export const RAM = 0x4000_0000;
export const RAM_SIZE = 2 << 20;
export const NO_DEVICES = { read: () => -1, write: () => false };

/** Where the PEs' GIC has its virtual CPU interface on their physical bus: no address of a guest. */
const HOST_GICV = 0x0804_0000;

export interface Rig extends AnyRig<Engine> {
  /** Devices on the PEs' physical bus, each 64 KiB, by address. */
  readonly devices: Map<number, MmioDevice>;
}
export type ArmVm = Vm<ArmVCpu>;

/** A new host with deterministic time of 10 ns an instruction, or another clock. */
export function createRig(
  clock?: Clock,
  tier: Tier = "auto",
  ram?: { readonly base: number; readonly size: number },
): Rig {
  // The reference does all in JavaScript.
  const walker = tier !== "cold" && { pageWalker: ARM_PAGE_WALKER };
  const rig = makeRig(
    (parts) => new Engine({ ...parts, floatingPoint: ARM_FLOATING_POINT, tier, ...walker }),
    clock,
    ram,
  );
  return { ...rig, devices: new Map() };
}

/** The PEs' physical bus. */
function busOf({ devices }: Rig): DeviceBus {
  const at = (physical: number): MmioDevice | undefined => devices.get(physical - (physical % BLOCK));
  return {
    read: (physical, width) => at(physical)?.read(physical % BLOCK, width as DeviceWidth) ?? -1,
    write(physical, width, value) {
      const device = at(physical);
      device?.write(physical % BLOCK, width as DeviceWidth, value);
      return device !== undefined;
    },
  };
}

/** A PE of the rig, as a host CPU. */
export function createCpu(rig: Rig, cpuId: number): ArmPerCpu {
  const { clock } = rig.hal;
  const { core, pe } = createPe(rig.engine, { index: cpuId, mode: "vm", clock, bus: busOf(rig) });
  return new ArmPerCpu(cpuId, core, pe);
}

/** Where the GIC's registers lie. */
export const GICD = 0x0800_0000;
export const GICC = 0x0801_0000;
export const GICR = 0x080a_0000;
const BLOCK = 0x1_0000;
const TIMER_INTERRUPTS: Readonly<Record<TimerName, number>> = { physical: 30, virtual: 27, hyp: 26 };

/** A VM's GIC: emulated as a whole, or with the guest's CPU interface and its interrupts in hardware. */
export type RigGic = 2 | 3 | "virtual 2" | "virtual 3";

/** Gives a VM a GIC whose registers are devices on its bus, or system registers. */
function addGic(vm: ArmVm, kind: RigGic, rig: Rig): void {
  const vcpus = [...vm.vcpus];
  const accessor = () => vcpus.findIndex(({ pendingExit }) => pendingExit !== undefined);
  const own = { accessor, cpus: vcpus.length, vcpu: (cpu: number) => vcpus[cpu] };
  const emulated = {
    cpus: vcpus.map((vcpu) => ({
      setIrq: (level: boolean) => vcpu.setInterrupt(GuestInterrupt.irq, level),
      setFiq: (level: boolean) => vcpu.setInterrupt(GuestInterrupt.fiq, level),
      setVirtualIrq: () => {},
      setVirtualFiq: () => {},
    })),
    accessor,
    virtualization: false,
  };
  const made = {
    2: () => new GicV2(emulated),
    3: () => new GicV3(emulated),
    "virtual 2": () => new VirtualGicV2(own),
    "virtual 3": () => new VirtualGicV3(own),
  };
  const gic = made[kind]();
  gics.set(vm, gic);
  vm.mmio.add({ name: "distributor", base: GICD, size: BLOCK, device: gic.distributor });
  if (gic instanceof VirtualGicV2) {
    rig.devices.set(HOST_GICV, gic.cpuInterface);
    const flags = MappingFlags.READ | MappingFlags.WRITE | MappingFlags.DEVICE | MappingFlags.USER;
    vm.guestPageTable.mapRegion(GICC, HOST_GICV, VIRTUAL_INTERFACE_SIZE, flags);
  } else if (gic instanceof GicV2)
    vm.mmio.add({ name: "CPU interface", base: GICC, size: BLOCK, device: gic.cpuInterface });
  else {
    const size = REDISTRIBUTOR_SIZE * vcpus.length;
    vm.mmio.add({ name: "redistributors", base: GICR, size, device: gic.redistributors });
  }
  for (const [cpu, vcpu] of vcpus.entries()) {
    vcpu.interruptController =
      gic instanceof VirtualGicV2 || gic instanceof VirtualGicV3
        ? gic.controllerOf(cpu)
        : { raise: (id) => gic.raise(cpu, id) };
    vcpu.pe.onTimer = (timer, level) => gic.privateLine(cpu, TIMER_INTERRUPTS[timer]).set(level);
    if (gic instanceof VirtualGicV3) vcpu.pe.gic = gic.guestRegisters(cpu, () => vcpu.pe.routing);
    else if (gic instanceof GicV3) vcpu.pe.gic = gic.systemRegisters(cpu);
  }
}

const gics = new WeakMap<ArmVm, GicV2 | GicV3>();
/** A VM's GIC. Throws an Error if it has none. */
export function gicOf(vm: ArmVm): GicV2 | GicV3 {
  const gic = gics.get(vm);
  if (gic === undefined) throw new Error("the VM has no GIC");
  return gic;
}

/** A VM with zeroed RAM and one vCPU per entry point; vCPU 0 is on. */
export function createRigVm(
  rig: Rig,
  entries: readonly number[],
  options: RigVmOptions<ArmVCpu> & { readonly gic?: RigGic } = {},
): ArmVm {
  const { gic, ...rest } = options;
  const vcpus = entries.map((entry, vcpuId) => {
    const cpu = createCpu(rig, vcpuId);
    cpu.hardwareEnable();
    return cpu.createVcpu(vcpuId, guestPhysAddr(entry));
  });
  const domain = vcpus.map(({ pe }) => pe);
  for (const pe of domain) pe.domain = domain;
  const vm = makeRigVm(rig, { vcpus, ram: RAM, ramSize: RAM_SIZE, format: aarch64Stage2 }, rest);
  if (gic !== undefined) addGic(vm, gic, rig);
  return vm;
}

/** A guest program at the start of RAM, and what it needs to run. */
export interface Guest {
  readonly rig: Rig;
  readonly vm: ArmVm;
  readonly vcpu: ArmVCpu;
  readonly labels: Assembled["labels"];
}

/**
 * A VM that runs assembly text from the start of RAM. vCPU i enters label `pe<i>` if there is one, else the
 * start; `cpus` is how many there are.
 */
export function assembleGuest(
  source: string,
  options: Parameters<typeof createRigVm>[2] & { readonly cpus?: number; readonly rig?: Rig } = {},
): Guest {
  const { cpus = 1, rig = createRig(), ...rest } = options;
  const { bytes, labels } = assemble(source, RAM);
  const entries = Array.from({ length: cpus }, (_, i) => labels.get(`pe${i}`) ?? RAM);
  const vm = createRigVm(rig, entries, rest);
  vm.memory?.write(RAM, bytes);
  return { rig, vm, vcpu: vm.vcpus.getVcpu(0), labels };
}

/** The end of a program: a hypercall, so that a test can look at registers. */
export const STOP = `
  hvc #${STOP_CALL}
`;
