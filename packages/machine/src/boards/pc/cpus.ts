import {
  type ApicBus,
  BareCpu,
  connectGuestApic,
  connectLocalApic,
  createCpu,
  type InterruptSource,
  type LocalApic,
  type LocalApicParts,
  type PortBus,
  X86_FLOATING_POINT,
  X86_PAGE_WALKER,
  X86_SHORTCUTS,
  type X86GuestVCpu,
  X86PerCpu,
} from "@hypercraft/arch-x86";
import type { DeviceBus, Engine } from "@hypercraft/engine";
import { guestPhysAddr, type TimerQueue } from "@hypercraft/hypercraft";
import type { SeededEntropy } from "../../devices/seeded-entropy.js";
import { allOnes } from "../../values.js";
import {
  bareEngine,
  type CpuWiring,
  type EngineRules,
  guestEngine,
  NO_DEVICES,
  tellPending,
} from "../common/engine.js";
import { vcpuOnEachCpu } from "../common/vcpus.js";

const RESET_ENTRY = guestPhysAddr(0xffff_fff0);
const RULES: EngineRules = {
  floatingPoint: X86_FLOATING_POINT,
  pageWalker: X86_PAGE_WALKER,
  shortcuts: X86_SHORTCUTS,
};

/** What the processors of a PC share. */
export interface CpuSurroundings {
  readonly apicBus: ApicBus;
  readonly timers: TimerQueue;
  /** The 8259 pair. */
  readonly legacy: InterruptSource;
  readonly entropy: SeededEntropy;
}

/** A processor that owns the board, or one that a guest has. */
export type PcVCpu = BareCpu | X86GuestVCpu;

export interface BoardCpus {
  readonly engine: Engine;
  readonly vcpus: readonly PcVCpu[];
  readonly apics: readonly LocalApic[];
}

/** What a processor is made of in either mode. */
function processor(
  engine: Engine,
  { clock, cpus }: CpuWiring,
  { entropy }: CpuSurroundings,
  own: {
    readonly index: number;
    readonly mode: "bare" | "vm";
    readonly bus: DeviceBus;
    readonly ports: PortBus;
  },
) {
  const made = createCpu(engine, { ...own, clock });
  made.cpu.cpuid.processors = cpus;
  made.cpu.random = () => random(entropy);
  return made;
}

function apicParts(surroundings: CpuSurroundings, { clock }: CpuWiring, vcpuId: number): LocalApicParts {
  const { apicBus: bus, timers, legacy } = surroundings;
  // The 8259s are behind the bootstrap processor's LINT0.
  return { bus, clock, timers, ...(vcpuId === 0 && { extInt: legacy }) };
}

/** Processors that own the board. */
export function bareCpus(wiring: CpuWiring, surroundings: CpuSurroundings): BoardCpus {
  const { bus, clock, cpus } = wiring;
  const engine = bareEngine(wiring, RULES);
  const ports = wiring.ports.processorFace;
  const vcpus = Array.from({ length: cpus }, (_, index) => {
    const { core, cpu } = processor(engine, wiring, surroundings, { index, mode: "bare", bus, ports });
    return new BareCpu(index, RESET_ENTRY, core, cpu);
  });
  const apics = vcpus.map((vcpu) =>
    connectLocalApic(vcpu.cpu, {
      ...apicParts(surroundings, wiring, vcpu.vcpuId),
      woken: () => vcpu.woken(),
    }),
  );
  tellPending(
    clock,
    vcpus.map(({ cpu }) => cpu),
  );
  return { engine, vcpus, apics };
}

/** Processors under the hypervisor, whose guests have virtual local APICs. */
export function guestCpus(wiring: CpuWiring, surroundings: CpuSurroundings): BoardCpus {
  const { clock, cpus, lease } = wiring;
  const { hal } = lease.host;
  const engine = guestEngine(wiring, RULES);
  const create = (index: number) => {
    const own = { index, mode: "vm", bus: NO_DEVICES, ports: NO_PORTS } as const;
    const { core, cpu } = processor(engine, wiring, surroundings, own);
    return new X86PerCpu(index, core, cpu, hal);
  };
  const vcpus = vcpuOnEachCpu(cpus, create, RESET_ENTRY, (vcpu, cpu) =>
    lease.onEnd(() => {
      vcpu.dispose();
      cpu.hardwareDisable();
    }),
  );
  const apics = vcpus.map((vcpu) => connectGuestApic(vcpu, apicParts(surroundings, wiring, vcpu.vcpuId)));
  tellPending(
    clock,
    vcpus.map(({ cpu }) => cpu),
  );
  return { engine, vcpus, apics };
}

/** The ports of processors under the hypervisor: guests reach theirs by exits. */
const NO_PORTS: PortBus = { read: (_port, size) => allOnes(size), write: () => undefined };

function random(entropy: SeededEntropy): bigint {
  const bytes = new Uint8Array(8);
  entropy.fill(bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}
