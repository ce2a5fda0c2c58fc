import type { ComponentState, DeviceWidth, IrqLine } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import { allOnes } from "../values.js";
import type { Device } from "./device.js";

const STATE_VERSION = 1;
/** Of two ports: clears the request. The other one reset an 80287. */
const CLEAR = 0;

export interface CoprocessorErrorOptions {
  /** Interrupt 13. */
  readonly irq: IrqLine;
  /** IGNNE# to the processors. */
  readonly onIgnore: () => void;
}

/**
 * What of an AT's board is between the processor's FERR# and interrupt 13 (82371SB data sheet, "coprocessor error"): an
 * error is latched until port 0xf0 is written, from when on it is ignored until it is gone.
 */
export class CoprocessorError implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = { space: "ports", base: 0xf0, size: 2 } as const;
  readonly #options: CoprocessorErrorOptions;
  #latched = false;

  constructor(options: CoprocessorErrorOptions) {
    this.#options = options;
  }

  /** FERR# goes low. */
  raise(): void {
    this.#latched = true;
    this.#options.irq.set(true);
  }

  reset(): void {
    this.#latched = false;
    this.#options.irq.set(false);
  }

  read(_offset: number, width: DeviceWidth): number {
    return allOnes(width);
  }

  write(offset: number): void {
    if (offset !== CLEAR) return;
    this.reset();
    this.#options.onIgnore();
  }

  state(): ComponentState {
    return { version: STATE_VERSION, latched: this.#latched };
  }

  restore(state: ComponentState): void {
    this.#latched = new StateReader("coprocessor error", state, STATE_VERSION).flag("latched");
    this.#options.irq.set(this.#latched);
  }
}
