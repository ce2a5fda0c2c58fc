import type { ByteSink } from "../console/bytes.js";
import type { ComponentState } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";

const STATE_VERSION = 1;
/** What port 0xe9 of Bochs and QEMU reads as: how guests tell that it is there. */
const PRESENT = 0xe9;

/** The debug console of PC emulators: what is written is shown. */
export class DebugConsole implements Device {
  readonly #sink: ByteSink;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  reset(): void {}

  read(): number {
    return PRESENT;
  }

  write(_offset: number, width: 1 | 2 | 4, value: number): void {
    const bytes = Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
    this.#sink.write(bytes.subarray(0, width));
  }

  state(): ComponentState {
    return { version: STATE_VERSION };
  }

  restore(state: ComponentState): void {
    new StateReader("debug console", state, STATE_VERSION);
  }
}
