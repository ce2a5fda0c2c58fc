import type { ComponentState, DeviceWidth } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";

const STATE_VERSION = 1;
const RESET_CPU = 4;
const KEPT = 2;

/** Where the register is behind the address register of PCI's configuration mechanism 1. */
const OFFSET = 1;

/**
 * The reset control register of Intel's chip sets at port 0xcf9 (82371SB data sheet): a rise of bit 2 resets. Accesses of
 * 4 bytes are PCI's, of which there is none: they find nothing.
 */
export class ResetControl implements Device {
  /** Where PCs have it and PCI's address register, as a `DeviceSpec`. */
  static readonly ports = { space: "ports", base: 0xcf8, size: 4, widest: 4 } as const;
  /** The register itself. */
  static readonly port: number = ResetControl.ports.base + OFFSET;
  readonly #onReset: () => void;
  #value = 0;

  constructor(onReset: () => void) {
    this.#onReset = onReset;
  }

  reset(): void {
    this.#value = 0;
  }

  read(offset: number, width: DeviceWidth): number {
    return offset === OFFSET && width === 1 ? this.#value : 2 ** (8 * width) - 1;
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (offset !== OFFSET || width !== 1) return;
    const rises = (value & ~this.#value & RESET_CPU) !== 0;
    this.#value = value & (KEPT | RESET_CPU);
    if (rises) this.#onReset();
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

/** System control port A of the PS/2, 0x92: fast reset in bit 0, the gate of address line 20 in bit 1. */
export class SystemControlPort implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = { space: "ports", base: 0x92, size: 1 } as const;
  readonly #onReset: () => void;
  #value = A20;

  constructor(onReset: () => void) {
    this.#onReset = onReset;
  }

  reset(): void {
    this.#value = A20;
  }

  /** Bit 1 is storage: address line 20 is never masked. */
  read(_offset: number, _width: DeviceWidth): number {
    return this.#value;
  }

  write(_offset: number, _width: DeviceWidth, value: number): void {
    this.#value = value & (A20 | FAST_RESET);
    if ((value & FAST_RESET) !== 0) this.#onReset();
  }

  state(): ComponentState {
    return { version: STATE_VERSION, value: this.#value };
  }

  restore(state: ComponentState): void {
    this.#value = new StateReader("system control port", state, STATE_VERSION).u8("value");
  }
}
