import { Engine, type EngineOptions, type RamMap, type RegionWatch } from "@hypercraft/engine";
import type { Clock, TimerQueue } from "@hypercraft/hypercraft";
import type { PortBus } from "../../memory/port-bus.js";
import type { SystemBus } from "../../memory/system-bus.js";
import { DeterministicClock } from "../../time/clock.js";
import type { Lease } from "./host.js";

/** What a board's CPUs are connected to. */
export interface CpuWiring {
  /** The machine's place on its host. */
  readonly lease: Lease;
  /** Offset in host memory of the guest's RAM. */
  readonly origin: number;
  readonly bus: SystemBus;
  readonly ports: PortBus;
  readonly timers: TimerQueue;
  readonly clock: Clock;
  readonly cpus: number;
  readonly tier: "auto" | "cold" | "hot";
  readonly now: (() => number) | undefined;
  readonly regionWatch: RegionWatch | undefined;
}

/** What an architecture tells the engine. */
export type EngineRules = Pick<EngineOptions, "floatingPoint" | "pageWalker" | "shortcuts">;

/** An engine for CPUs that own the board: their RAM is the bus's. */
export function bareEngine(wiring: CpuWiring, rules: EngineRules): Engine {
  const { bus } = wiring;
  return createEngine(wiring, rules, {
    ramOffset: (physical, write) => bus.ramOffset(physical, write),
    ranges: () => bus.ramRanges(),
  });
}

/** An engine for CPUs under the hypervisor: their RAM is the host's, guests' addresses go through the second stage. */
export function guestEngine(wiring: CpuWiring, rules: EngineRules): Engine {
  const { hal } = wiring.lease.host;
  const { base, size } = hal;
  const offset = hal.physToVirt(base);
  return createEngine(wiring, rules, {
    // Asked at every access to a device that the guest was given, too: not the place for exceptions.
    ramOffset: (physical) => (physical >= base && physical < base + size ? physical - base + offset : -1),
    ranges: () => [{ physical: base, size, offset }],
  });
}

function createEngine(wiring: CpuWiring, rules: EngineRules, ram: RamMap): Engine {
  const { lease, origin, tier, now, regionWatch } = wiring;
  const { memory } = lease.host;
  const engine = new Engine({
    memory: memory.memory,
    arena: lease.arena,
    ram,
    origin,
    ...rules,
    tier,
    ...(now !== undefined && { now }),
  });
  engine.regionWatch = regionWatch;
  lease.onEnd(memory.onWrite((offset, length) => engine.ramWritten(offset, length)));
  return engine;
}

/** Devices on the bus are read in the middle of slices, which a clock of instructions learns of when they end. */
export function tellPending(clock: Clock, cpus: readonly { readonly pendingInstructions: number }[]): void {
  if (clock instanceof DeterministicClock)
    clock.pending = () => cpus.reduce((sum, { pendingInstructions }) => sum + pendingInstructions, 0);
}

/** The bus of CPUs under the hypervisor: a guest has no devices but through exits. */
export const NO_DEVICES = { read: () => -1, write: () => false };
