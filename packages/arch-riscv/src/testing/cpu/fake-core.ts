import { FakeBus, FakeClock, FakeCore as SharedFakeCore } from "@hypercraft/engine/testing/fake-core";
import { type HartOptions, RiscvHart } from "../../cpu/hart.js";
import { riscvLayout } from "../../cpu/state.js";

export { FakeClock };

/** Where the fake machine's RAM lies. */
export const RAM = 0x8000_0000;

/** A core without an engine, with a hart's state. */
export class FakeCore extends SharedFakeCore {
  constructor(ramBytes?: number) {
    super(riscvLayout, RAM, ramBytes);
  }
}

export interface FakeMachine {
  readonly core: FakeCore;
  readonly hart: RiscvHart;
  readonly clock: FakeClock;
  readonly bus: FakeBus;
  /** Device accesses: "r4 10000000", "w1 10000000=2a". */
  readonly log: string[];
  /** What devices answer; -1 is a bus fault. */
  device: number;
}

/** A hart on a fake core, with one device that takes every access. */
export function fakeMachine(options: Partial<HartOptions> = {}, ramBytes?: number): FakeMachine {
  const core = new FakeCore(ramBytes);
  const clock = new FakeClock();
  const bus = new FakeBus();
  const lift = (): number => {
    throw new Error("a fake core lifts nothing");
  };
  const hart = new RiscvHart(core, { hartId: 0, mode: "bare", clock, bus, lift, ...options });
  return {
    core,
    clock,
    bus,
    hart,
    log: bus.log,
    get device() {
      return bus.device;
    },
    set device(value: number) {
      bus.device = value;
    },
  };
}
