import {
  ARM_FLOATING_POINT,
  ARM_PAGE_WALKER,
  BarePe,
  createPe,
  type GicOutputs,
  type GicV2,
  type GicV3,
  PeInput,
  type PeVCpu,
  type TimerName,
} from "@hypercraft/arch-arm";
import type { Engine } from "@hypercraft/engine";
import { guestPhysAddr, type IrqLine } from "@hypercraft/hypercraft";
import { bareEngine, type CpuWiring, type EngineRules, tellPending } from "../virt/engine.js";
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
  readonly vcpus: readonly BarePe[];
}

/** PEs that own the board: interrupts are inputs of the PE, devices lie on its physical bus. */
export function barePes(wiring: CpuWiring): BoardPes {
  const { bus, clock, cpus } = wiring;
  const engine = bareEngine(wiring, RULES);
  const vcpus = Array.from({ length: cpus }, (_, index) => {
    const { core, pe } = createPe(engine, { index, mode: "bare", clock, bus });
    return new BarePe(index, RESET_ENTRY, core, pe);
  });
  const pes = vcpus.map(({ pe }) => pe);
  for (const pe of pes) pe.domain = pes;
  tellPending(clock, pes);
  return { engine, vcpus };
}

/** The PE whose access a device serves: the one that runs, or the one whose exit is being handled. */
export function accessor(vcpus: readonly PeVCpu[] | undefined): number {
  const index = vcpus?.findIndex(({ pe, pendingExit }) => pe.sliceStart >= 0 || pendingExit !== undefined);
  return Math.max(0, index ?? 0);
}

/** What the GIC tells a PE that is made after it. */
export function gicOutputs(vcpu: () => BarePe | undefined): GicOutputs {
  return {
    setIrq: (level) => vcpu()?.setInput(PeInput.irq, level),
    setFiq: (level) => vcpu()?.setInput(PeInput.fiq, level),
    setVirtualIrq: (level) => vcpu()?.pe.setVirtualIrq(level),
    setVirtualFiq: (level) => vcpu()?.pe.setVirtualFiq(level),
  };
}

/** The wires from the PEs to the GIC: timers, and GICv3's system registers. */
export function connectGic(vcpus: readonly PeVCpu[], gic: GicV2 | GicV3): void {
  vcpus.forEach(({ pe }, cpu) => {
    const lines = new Map<TimerName, IrqLine>();
    for (const [timer, id] of Object.entries(TIMER_INTERRUPTS))
      lines.set(timer as TimerName, gic.privateLine(cpu, id));
    pe.onTimer = (timer, level) => lines.get(timer)?.set(level);
    if ("systemRegisters" in gic) pe.gic = gic.systemRegisters(cpu, () => pe.routing);
  });
}
