import type { Core } from "../core/core.js";
import { Engine, type EngineOptions } from "../core/engine.js";
import { TOY_DEVICE, ToyCpu, toyRegisters } from "./toy-cpu.js";

// A toy CPU on an engine of its own: RAM from 0 to the device, everything behind the engine's arena.

/** Where the arena ends and RAM begins, in host memory. */
export const ARENA = 16 << 20;

/** A core with its toy CPU. */
export interface ToyMachine {
  readonly engine: Engine;
  readonly core: Core;
  readonly cpu: ToyCpu;
}

export function createToy(
  options: Omit<Partial<EngineOptions>, "memory" | "arena" | "ram"> = {},
): ToyMachine {
  const engine = new Engine({
    memory: new WebAssembly.Memory({ initial: 512, maximum: 512 }),
    arena: { offset: 0, size: ARENA },
    ram: { ramOffset: (physical) => (physical < TOY_DEVICE ? ARENA + physical : -1) },
    ...options,
  });
  const core = engine.createCore();
  const cpu = new ToyCpu(core);
  core.attach(cpu);
  return { engine, core, cpu };
}

/** Put words in RAM; not where code was translated before. */
export function putWords(
  { engine }: Pick<ToyMachine, "engine">,
  address: number,
  words: readonly number[],
): void {
  engine.words.set(words, (ARENA + address) / 4);
}

/** Set registers by number. */
export function setRegisters(
  { core }: Pick<ToyMachine, "core">,
  values: Readonly<Record<number, bigint>>,
): void {
  for (const [i, value] of Object.entries(values)) core.setBig(toyRegisters[Number(i)] as never, value);
}
