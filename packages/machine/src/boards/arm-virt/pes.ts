import {
  ARM_FLOATING_POINT,
  ARM_PAGE_WALKER,
  ArmPerCpu,
  ArmVCpu,
  BarePe,
  createPe,
  type GicOutputs,
  type GicV2,
  GicV3,
  PeInput,
  type PeVCpu,
  type TimerName,
  VIRTUAL_INTERFACE_SIZE,
  VirtualGicV2,
  VirtualGicV3,
} from "@hypercraft/arch-arm";
import type { DeviceBus, Engine } from "@hypercraft/engine";
import { type GuestMemoryInterface, MappingFlags } from "@hypercraft/guest-page-table";
import { type DeviceWidth, guestPhysAddr, type IrqLine } from "@hypercraft/hypercraft";
import {
  bareEngine,
  type CpuWiring,
  type EngineRules,
  guestEngine,
  NO_DEVICES,
  tellPending,
} from "../common/engine.js";
import { vcpuOnEachCpu } from "../common/vcpus.js";
import { type ArmAddressMap, PrivateInterrupt } from "./address-map.js";

/** The board sets the first pc once its images are placed. */
const RESET_ENTRY = guestPhysAddr(0);
const RULES: EngineRules = { floatingPoint: ARM_FLOATING_POINT, pageWalker: ARM_PAGE_WALKER };

const TIMER_INTERRUPTS: Readonly<Record<TimerName, number>> = {
  physical: PrivateInterrupt.physicalTimer,
  virtual: PrivateInterrupt.virtualTimer,
  hyp: PrivateInterrupt.hypervisorTimer,
};

/** The machine's GIC, or the VM's. */
export type BoardGic = GicV2 | GicV3 | VirtualGicV2 | VirtualGicV3;

/** The PEs of a board. */
export interface BoardPes {
  readonly engine: Engine;
  readonly vcpus: readonly PeVCpu[];
  /** Where the outputs of a board's GIC lead, by PE; a VM's has found its PEs itself. */
  readonly inputs: readonly GicOutputs[];
}

/** PEs that own the board: interrupts are inputs of the PE, devices lie on its physical bus. */
export function barePes(wiring: CpuWiring): BoardPes {
  const { bus, clock, cpus } = wiring;
  const engine = bareEngine(wiring, RULES);
  const vcpus = Array.from({ length: cpus }, (_, index) => {
    const { core, pe } = createPe(engine, { index, mode: "bare", clock, bus });
    return new BarePe(index, RESET_ENTRY, core, pe);
  });
  tellPending(clock, shareDomain(vcpus));
  const inputs = vcpus.map((vcpu) => ({
    setIrq: (level: boolean) => vcpu.setInput(PeInput.irq, level),
    setFiq: (level: boolean) => vcpu.setInput(PeInput.fiq, level),
    setVirtualIrq: (level: boolean) => vcpu.pe.setVirtualIrq(level),
    setVirtualFiq: (level: boolean) => vcpu.pe.setVirtualFiq(level),
  }));
  return { engine, vcpus, inputs };
}

/** PEs under the hypervisor, whose interrupts come from the VM's GIC. `bus`: devices of the host that its guest may use. */
export function guestPes(wiring: CpuWiring, bus: DeviceBus): BoardPes {
  const { clock, cpus } = wiring;
  const engine = guestEngine(wiring, RULES);
  const create = (index: number) => {
    const { core, pe } = createPe(engine, { index, mode: "vm", clock, bus });
    return new ArmPerCpu(index, core, pe);
  };
  const vcpus = vcpuOnEachCpu(cpus, create, RESET_ENTRY);
  shareDomain(vcpus);
  return { engine, vcpus, inputs: [] };
}

/** Maintenance that one PE broadcasts reaches all. */
function shareDomain(vcpus: readonly PeVCpu[]): readonly PeVCpu["pe"][] {
  const pes = vcpus.map(({ pe }) => pe);
  for (const pe of pes) pe.domain = pes;
  return pes;
}

/** The bus of PEs whose guest has its CPU interface in hardware: GICV at its place on this board. */
export function hostBus(gic: BoardGic, { gic: places }: ArmAddressMap): DeviceBus {
  if (!(gic instanceof VirtualGicV2)) return NO_DEVICES;
  const { base } = places.virtualCpuInterface;
  const inside = (physical: number): boolean => physical >= base && physical < base + VIRTUAL_INTERFACE_SIZE;
  return {
    read: (physical, width) =>
      inside(physical) ? gic.cpuInterface.read(physical - base, width as DeviceWidth) : -1,
    write(physical, width, value) {
      if (inside(physical)) gic.cpuInterface.write(physical - base, width as DeviceWidth, value);
      return inside(physical);
    },
  };
}

/** Where the guest has its GICC, the second stage leads to that GICV. */
export function mapHostBus(
  secondStage: GuestMemoryInterface,
  gic: BoardGic,
  { gic: places }: ArmAddressMap,
): void {
  if (!(gic instanceof VirtualGicV2)) return;
  secondStage.mapRegion(
    places.cpuInterface.base,
    places.virtualCpuInterface.base,
    VIRTUAL_INTERFACE_SIZE,
    MappingFlags.READ | MappingFlags.WRITE | MappingFlags.DEVICE | MappingFlags.USER,
  );
}

/** What the GIC tells a PE that is made after it. */
export function gicOutputs(input: () => GicOutputs | undefined): GicOutputs {
  return {
    setIrq: (level) => input()?.setIrq(level),
    setFiq: (level) => input()?.setFiq(level),
    setVirtualIrq: (level) => input()?.setVirtualIrq(level),
    setVirtualFiq: (level) => input()?.setVirtualFiq(level),
  };
}

/** The wires from the PEs to the GIC: timers, performance monitors, and GICv3's system registers. */
export function connectGic(vcpus: readonly PeVCpu[], gic: BoardGic): void {
  vcpus.forEach((vcpu, cpu) => {
    const { pe } = vcpu;
    if (vcpu instanceof ArmVCpu && "controllerOf" in gic) vcpu.interruptController = gic.controllerOf(cpu);
    const lines = new Map<TimerName, IrqLine>();
    for (const [timer, id] of Object.entries(TIMER_INTERRUPTS))
      lines.set(timer as TimerName, gic.privateLine(cpu, id));
    pe.onTimer = (timer, level) => lines.get(timer)?.set(level);
    const monitors = gic.privateLine(cpu, PrivateInterrupt.performanceMonitors);
    pe.onPmu = (level) => monitors.set(level);
    const routing = () => pe.routing;
    if (gic instanceof VirtualGicV3) pe.gic = gic.guestRegisters(cpu, routing);
    else if (gic instanceof GicV3) pe.gic = gic.systemRegisters(cpu, routing);
  });
}
