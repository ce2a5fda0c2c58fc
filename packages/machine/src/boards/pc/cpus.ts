import {
  type ApicBus,
  BareCpu,
  connectLocalApic,
  createCpu,
  type InterruptSource,
  type LocalApic,
  X86_FLOATING_POINT,
  X86_PAGE_WALKER,
} from "@hypercraft/arch-x86";
import type { Engine } from "@hypercraft/engine";
import { guestPhysAddr, type TimerQueue } from "@hypercraft/hypercraft";
import type { SeededEntropy } from "../../devices/seeded-entropy.js";
import { bareEngine, type CpuWiring, type EngineRules, tellPending } from "../virt/engine.js";

const RESET_ENTRY = guestPhysAddr(0xffff_fff0);
const RULES: EngineRules = { floatingPoint: X86_FLOATING_POINT, pageWalker: X86_PAGE_WALKER };

/** What the processors of a PC share. */
export interface CpuSurroundings {
  readonly apicBus: ApicBus;
  readonly timers: TimerQueue;
  /** The 8259 pair. */
  readonly legacy: InterruptSource;
  readonly entropy: SeededEntropy;
}

export interface BoardCpus {
  readonly engine: Engine;
  readonly vcpus: readonly BareCpu[];
  readonly apics: readonly LocalApic[];
}

/** Processors that own the board. */
export function bareCpus(
  wiring: CpuWiring,
  { apicBus, timers, legacy, entropy }: CpuSurroundings,
): BoardCpus {
  const { bus, clock, cpus } = wiring;
  const engine = bareEngine(wiring, RULES);
  const ports = wiring.ports.processorFace;
  const vcpus = Array.from({ length: cpus }, (_, index) => {
    const { core, cpu } = createCpu(engine, { index, mode: "bare", clock, bus, ports });
    cpu.cpuid.processors = cpus;
    cpu.random = () => random(entropy);
    return new BareCpu(index, RESET_ENTRY, core, cpu);
  });
  const apics = vcpus.map((vcpu) =>
    connectLocalApic(vcpu.cpu, {
      bus: apicBus,
      clock,
      timers,
      woken: () => vcpu.woken(),
      ...(vcpu.vcpuId === 0 && { extInt: legacy }),
    }),
  );
  tellPending(
    clock,
    vcpus.map(({ cpu }) => cpu),
  );
  return { engine, vcpus, apics };
}

function random(entropy: SeededEntropy): bigint {
  const bytes = new Uint8Array(8);
  entropy.fill(bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}

/** The processor whose access a device serves: the one that runs. */
export function accessor(vcpus: readonly BareCpu[] | undefined): number {
  return Math.max(0, vcpus?.findIndex(({ cpu }) => cpu.sliceStart >= 0) ?? 0);
}
