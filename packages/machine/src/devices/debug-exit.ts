import type { ComponentState } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";

const STATE_VERSION = 1;

/** QEMU's isa-debug-exit: a write ends the machine with an odd code, (value << 1) | 1, of 8 bits for a process. */
export class DebugExit implements Device {
  readonly #onExit: (code: number) => void;

  constructor(onExit: (code: number) => void) {
    this.#onExit = onExit;
  }

  reset(): void {}

  read(): number {
    return 0;
  }

  write(_offset: number, _width: number, value: number): void {
    this.#onExit(((value << 1) | 1) & 0xff);
  }

  state(): ComponentState {
    return { version: STATE_VERSION };
  }

  restore(state: ComponentState): void {
    new StateReader("debug exit", state, STATE_VERSION);
  }
}
