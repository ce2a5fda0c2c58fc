import { FakeBus, FakeClock, FakeCore } from "@hypercraft/engine/testing/fake-core";
import { ArmPe, type PeOptions } from "../../cpu/pe.js";
import { armLayout } from "../../cpu/state.js";

/** Where the fake machine's RAM lies. */
export const RAM = 0x4000_0000;

export interface FakeMachine {
  readonly core: FakeCore;
  readonly pe: ArmPe;
  readonly clock: FakeClock;
  readonly bus: FakeBus;
}

/** A PE on a fake core, with one device that takes every access. */
export function fakeMachine(options: Partial<PeOptions> = {}, ramBytes?: number): FakeMachine {
  const core = new FakeCore(armLayout, RAM, ramBytes);
  const clock = new FakeClock();
  const bus = new FakeBus();
  const lift = (): number => {
    throw new Error("a fake core lifts nothing");
  };
  const pe = new ArmPe(core, { index: 0, mode: "bare", clock, bus, lift, ...options });
  return { core, pe, clock, bus };
}

/** Put the PE at a level, as nothing but an exception or its return does in hardware. */
export function atLevel({ pe }: FakeMachine, level: number): void {
  pe.setLevel(level, level === 0 ? 0 : 1);
}
