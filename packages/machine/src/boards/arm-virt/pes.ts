import {
  ARM_FLOATING_POINT,
  ARM_PAGE_WALKER,
  ArmPerCpu,
  ArmVCpu,
  BarePe,
  createPe,
  type GicOutputs,
  type GicV2,
  type GicV3,
  GuestInterrupt,
  PeInput,
  type PeVCpu,
  type TimerName,
} from "@hypercraft/arch-arm";
import type { Engine } from "@hypercraft/engine";
import { guestPhysAddr, type IrqLine, type MemoryHal, PerCpuArea } from "@hypercraft/hypercraft";
import {
  bareEngine,
  type CpuWiring,
  type EngineRules,
  guestEngine,
  NO_DEVICES,
  tellPending,
} from "../virt/engine.js";
import { PrivateInterrupt } from "./address-map.js";

/** The board sets the first pc once its images are placed. */
const RESET_ENTRY = guestPhysAddr(0);
const RULES: EngineRules = { floatingPoint: ARM_FLOATING_POINT, pageWalker: ARM_PAGE_WALKER };

const TIMER_INTERRUPTS: Readonly<Record<TimerName, number>> = {
  physical: PrivateInterrupt.physicalTimer,
  virtual: PrivateInterrupt.virtualTimer,
  hyp: PrivateInterrupt.hypervisorTimer,
};

/** The PEs of a board. */
export interface BoardPes {
  readonly engine: Engine;
  readonly vcpus: readonly PeVCpu[];
  /** Where the GIC's outputs lead, by PE. */
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

/** PEs under the hypervisor: the GIC is the VM's, whose interrupts are virtual ones to its guest. */
export function guestPes(wiring: CpuWiring, hal: MemoryHal): BoardPes {
  const { clock, cpus } = wiring;
  const engine = guestEngine(wiring, RULES, hal);
  const area = new PerCpuArea((index) => {
    const { core, pe } = createPe(engine, { index, mode: "vm", clock, bus: NO_DEVICES });
    return new ArmPerCpu(index, core, pe);
  });
  area.init(0, cpus);
  const vcpus = area.cpus.map((cpu) => {
    cpu.hardwareEnable();
    return cpu.createVcpu(cpu.cpuId, RESET_ENTRY);
  });
  shareDomain(vcpus);
  const unconnected = (): void => {};
  const inputs = vcpus.map((vcpu) => ({
    setIrq: (level: boolean) => vcpu.setInterrupt(GuestInterrupt.irq, level),
    setFiq: (level: boolean) => vcpu.setInterrupt(GuestInterrupt.fiq, level),
    setVirtualIrq: unconnected,
    setVirtualFiq: unconnected,
  }));
  return { engine, vcpus, inputs };
}

/** Maintenance that one PE broadcasts reaches all. */
function shareDomain(vcpus: readonly PeVCpu[]): readonly PeVCpu["pe"][] {
  const pes = vcpus.map(({ pe }) => pe);
  for (const pe of pes) pe.domain = pes;
  return pes;
}

/** The PE whose access a device serves: the one that runs, or the one whose exit is being handled. */
export function accessor(vcpus: readonly PeVCpu[] | undefined): number {
  const index = vcpus?.findIndex(({ pe, pendingExit }) => pe.sliceStart >= 0 || pendingExit !== undefined);
  return Math.max(0, index ?? 0);
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

/** The wires from the PEs to the GIC: timers, and GICv3's system registers. */
export function connectGic(vcpus: readonly PeVCpu[], gic: GicV2 | GicV3): void {
  vcpus.forEach((vcpu, cpu) => {
    const { pe } = vcpu;
    if (vcpu instanceof ArmVCpu) vcpu.interruptController = { raise: (id) => gic.raise(cpu, id) };
    const lines = new Map<TimerName, IrqLine>();
    for (const [timer, id] of Object.entries(TIMER_INTERRUPTS))
      lines.set(timer as TimerName, gic.privateLine(cpu, id));
    pe.onTimer = (timer, level) => lines.get(timer)?.set(level);
    if ("systemRegisters" in gic) pe.gic = gic.systemRegisters(cpu, () => pe.routing);
  });
}
