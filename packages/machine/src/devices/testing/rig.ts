import { DeadlineQueue } from "@hypercraft/hypercraft";
import { InputQueue, OutputBuffer } from "../../console/bytes.js";
import type { ComponentState, IrqLine, MmioDevice } from "../../contracts.js";
import { DeterministicClock } from "../../time/clock.js";

/** An interrupt line that remembers its level. */
export class TestLine implements IrqLine {
  level = false;
  /** Number of times it went from low to high. */
  rises = 0;

  set(level: boolean): void {
    if (level && !this.level) this.rises++;
    this.level = level;
  }
}

/** What devices need from outside, with time that the test moves. */
export class Rig {
  /** One instruction is one nanosecond. */
  readonly clock = new DeterministicClock(1, 1);
  readonly timers = new DeadlineQueue();
  readonly irq = new TestLine();
  readonly output = new OutputBuffer();
  readonly input = new InputQueue();

  /** Moves time to `ns`, stopping at every deadline on the way as a run loop does. */
  async runTo(ns: number): Promise<void> {
    for (;;) {
      const deadline = this.timers.nextDeadline();
      if (deadline > ns) break;
      this.clock.advanceTo(deadline);
      await this.timers.runDue(this.clock.now());
    }
    this.clock.advanceTo(ns);
  }
}

/** A state as it comes out of a snapshot file whose parts are plain JSON. */
export function throughJson(state: ComponentState): ComponentState {
  return JSON.parse(JSON.stringify(state)) as ComponentState;
}

/** Byte registers by index, as a driver sees them. */
export class ByteRegisters {
  readonly #device: MmioDevice;

  constructor(device: MmioDevice) {
    this.#device = device;
  }

  get(register: number): number {
    return this.#device.read(register, 1);
  }

  set(register: number, value: number): void {
    this.#device.write(register, 1, value);
  }
}
