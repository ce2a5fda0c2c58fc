import type { ComponentState, DeviceWidth } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import { allOnes } from "../values.js";
import type { A20Gate } from "./a20-gate.js";
import type { Device } from "./device.js";

const STATE_VERSION = 1;
const RESET_CPU = 4;
const SYSTEM = 2;

/** Where the register is behind the address register of PCI's configuration mechanism 1. */
const OFFSET = 1;

/** What the registers of this file do. */
export interface ResetLines {
  /** INIT of the processors: memory and devices stay as they are. */
  readonly onInit: () => void;
  /** Reset of everything. */
  readonly onReset: () => void;
}

/**
 * The reset control register of Intel's chip sets at port 0xcf9 (82371SB data sheet): a rise of bit 2 resets, the whole
 * system if bit 1 is set. It is beside PCI's address register at 0xcf8, from where its offset counts.
 */
export class ResetControl implements Device {
  static readonly port = 0xcf9;
  readonly #lines: ResetLines;
  #value = 0;

  constructor(lines: ResetLines) {
    this.#lines = lines;
  }

  reset(): void {
    this.#value = 0;
  }

  read(offset: number, width: DeviceWidth): number {
    return offset === OFFSET && width === 1 ? this.#value : allOnes(width);
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (offset !== OFFSET || width !== 1) return;
    const rises = (value & ~this.#value & RESET_CPU) !== 0;
    this.#value = value & (SYSTEM | RESET_CPU);
    if (!rises) return;
    if ((value & SYSTEM) !== 0) this.#lines.onReset();
    else this.#lines.onInit();
  }

  state(): ComponentState {
    return { version: STATE_VERSION, value: this.#value };
  }

  restore(state: ComponentState): void {
    this.#value = new StateReader("reset control", state, STATE_VERSION).u8("value");
  }
}

const FAST_RESET = 1;
const A20 = 2;

/**
 * System control port A of the PS/2, 0x92: a rise of bit 0 is INIT of the processors, bit 1 the gate of address line 20.
 */
export class SystemControlPort implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = { space: "ports", base: 0x92, size: 1 } as const;
  readonly #onInit: () => void;
  readonly #a20: A20Gate;
  #value = A20;

  constructor({ onInit, a20 }: Pick<ResetLines, "onInit"> & { readonly a20: A20Gate }) {
    this.#onInit = onInit;
    this.#a20 = a20;
  }

  reset(): void {
    this.#value = A20;
    this.#a20.set(true);
  }

  read(_offset: number, _width: DeviceWidth): number {
    return this.#value;
  }

  write(_offset: number, _width: DeviceWidth, value: number): void {
    const rises = (value & ~this.#value & FAST_RESET) !== 0;
    this.#value = value & (A20 | FAST_RESET);
    this.#a20.set((value & A20) !== 0);
    if (rises) this.#onInit();
  }

  state(): ComponentState {
    return { version: STATE_VERSION, value: this.#value };
  }

  restore(state: ComponentState): void {
    this.#value = new StateReader("system control port", state, STATE_VERSION).u8("value");
  }
}
