import type { ComponentState } from "../contracts.js";
import { StateReader } from "../state-reader.js";

const STATE_VERSION = 1;

/**
 * The gate in the processors' address line 20, which the keyboard controller and system control port A both have: it is as
 * the last of them to be written wanted it, as on QEMU's PC. It is open at first, as firmware leaves it.
 */
export class A20Gate {
  readonly #onChange: (open: boolean) => void;
  #open = true;

  /** `onChange` is told when it opens or closes. */
  constructor(onChange: (open: boolean) => void) {
    this.#onChange = onChange;
  }

  set(open: boolean): void {
    if (open === this.#open) return;
    this.#open = open;
    this.#onChange(open);
  }

  state(): ComponentState {
    return { version: STATE_VERSION, open: this.#open };
  }

  restore(state: ComponentState): void {
    this.set(new StateReader("A20 gate", state, STATE_VERSION).flag("open"));
  }
}
