import type { ComponentState } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";

const STATE_VERSION = 1;

/** The port of power-on self-test codes, which also serves as one that is written to let time pass: a latch. */
export class PostPort implements Device {
  #value = 0;

  reset(): void {
    this.#value = 0;
  }

  read(): number {
    return this.#value;
  }

  write(_offset: number, _width: number, value: number): void {
    this.#value = value & 0xff;
  }

  state(): ComponentState {
    return { version: STATE_VERSION, value: this.#value };
  }

  restore(state: ComponentState): void {
    this.#value = new StateReader("POST port", state, STATE_VERSION).u8("value");
  }
}
