import {
  BareHart,
  createHart,
  GuestInterrupt,
  type HartVCpu,
  RISCV_FLOATING_POINT,
  RISCV_PAGE_WALKER,
  RiscvPerCpu,
} from "@hypercraft/arch-riscv";
import { Engine, type RamMap, type RegionWatch } from "@hypercraft/engine";
import {
  type Clock,
  guestPhysAddr,
  type HyperCraftHal,
  type MemoryHal,
  PerCpuArea,
} from "@hypercraft/hypercraft";
import type { HostMemory } from "../../memory/host-memory.js";
import type { SystemBus } from "../../memory/system-bus.js";
import { DeterministicClock } from "../../time/clock.js";

/** Interrupt numbers of mip. */
const MSIP = 3;
const MTIP = 7;
const SEIP = 9;
const MEIP = 11;

/** The board sets the first pc once its images are placed. */
const RESET_ENTRY = guestPhysAddr(0);

/** The harts of a board and the wires to them. */
export interface BoardHarts {
  readonly engine: Engine;
  readonly vcpus: readonly HartVCpu[];
  /** Outputs of the PLIC's contexts: machine and supervisor mode of each hart in turn. */
  readonly contexts: readonly ((level: boolean) => void)[];
  setSoftware(hart: number, level: boolean): void;
  setTimer(hart: number, level: boolean): void;
}

interface Wiring {
  readonly host: HostMemory;
  readonly bus: SystemBus;
  readonly clock: Clock;
  readonly cpus: number;
  readonly tier: "auto" | "cold" | "hot";
  readonly now: (() => number) | undefined;
  readonly regionWatch: RegionWatch | undefined;
}

function createEngine({ host, tier, now, regionWatch }: Wiring, ram: RamMap): Engine {
  const engine = new Engine({
    memory: host.memory,
    arena: { offset: 0, size: host.arenaSize },
    ram,
    floatingPoint: RISCV_FLOATING_POINT,
    pageWalker: RISCV_PAGE_WALKER,
    tier,
    ...(now !== undefined && { now }),
  });
  engine.regionWatch = regionWatch;
  host.onWrite((offset, length) => engine.ramWritten(offset, length));
  return engine;
}

/** Harts that own the board: interrupts are inputs of the hart, devices lie on its physical bus. */
export function bareHarts(wiring: Wiring): BoardHarts {
  const { bus, clock, cpus } = wiring;
  const engine = createEngine(wiring, {
    ramOffset: (physical) => bus.ramOffset(physical),
    ranges: () => bus.ramRanges(),
  });
  const harts = Array.from({ length: cpus }, (_, hartId) => {
    const { core, hart } = createHart(engine, { hartId, mode: "bare", clock, bus });
    return new BareHart(hartId, RESET_ENTRY, core, hart);
  });
  // Devices are read in the middle of slices, which the clock learns of when they end.
  if (clock instanceof DeterministicClock)
    clock.pending = () => harts.reduce((sum, { hart }) => sum + hart.pendingInstructions, 0);
  return {
    engine,
    vcpus: harts,
    contexts: harts.flatMap((hart) =>
      [MEIP, SEIP].map((irq) => (level: boolean) => hart.setInput(irq, level)),
    ),
    setSoftware: (hart, level) => harts[hart]?.setInput(MSIP, level),
    setTimer: (hart, level) => harts[hart]?.setInput(MTIP, level),
  };
}

/** Harts under the hypervisor: external interrupts are injected, devices are reached by exits. */
export function guestHarts(wiring: Wiring, hal: MemoryHal): BoardHarts {
  const { clock, cpus } = wiring;
  const engine = createEngine(wiring, {
    ramOffset: (physical) => ramOffset(hal, physical),
    ranges: () => [{ physical: hal.base, size: hal.size, offset: hal.physToVirt(hal.base) }],
  });
  // A guest has no devices but through exits, so the hart's own bus is empty.
  const nothing = { read: () => -1, write: () => false };
  const area = new PerCpuArea((cpuId) => {
    const { core, hart } = createHart(engine, { hartId: cpuId, mode: "vm", clock, bus: nothing });
    return new RiscvPerCpu(cpuId, core, hart);
  });
  area.init(0, cpus);
  const vcpus = area.cpus.map((cpu) => {
    cpu.hardwareEnable();
    return cpu.createVcpu(cpu.cpuId, RESET_ENTRY);
  });
  const unconnected = (): void => {};
  return {
    engine,
    vcpus,
    // Guests have no M-mode, so only the supervisor contexts lead anywhere.
    contexts: vcpus.flatMap((vcpu) => [
      unconnected,
      (level: boolean) => vcpu.setInterrupt(GuestInterrupt.external, level),
    ]),
    setSoftware: unconnected,
    setTimer: unconnected,
  };
}

function ramOffset(hal: HyperCraftHal, physical: number): number {
  try {
    return hal.physToVirt(physical);
  } catch {
    return -1;
  }
}
