import type { ComponentState, DeviceWidth } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";
import { ResetControl } from "./pc-reset.js";

const STATE_VERSION = 1;
/** Offset from port 0xcf8 of the address; the data follows it. */
const ADDRESS = 0;
/** The reset control register lies in the middle of the address, which takes accesses of 4 bytes only. */
const RESET = 1;
/** Bits of the address that are there: enable, bus, device, function, register. */
const ADDRESS_BITS = 0x80ff_fffc;

/**
 * PCI configuration by ports (mechanism no. 1 of the PCI local bus specification, 3.2.2.3.2) with nothing behind it:
 * all of configuration space reads as ones. Narrow accesses of the address are none of PCI's: one is the reset control
 * register at 0xcf9.
 */
export class PciPorts implements Device {
  /** Where PCs have them, as a `DeviceSpec`. */
  static readonly ports = { space: "ports", base: 0xcf8, size: 8, widest: 4 } as const;
  readonly #reset: ResetControl;
  #address = 0;

  constructor(onReset: () => void) {
    this.#reset = new ResetControl(onReset);
  }

  reset(): void {
    this.#address = 0;
    this.#reset.reset();
  }

  read(offset: number, width: DeviceWidth): number {
    if (offset === ADDRESS && width === 4) return this.#address;
    if (offset === RESET && width === 1) return this.#reset.read(0, 1);
    return 2 ** (8 * width) - 1;
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (offset === ADDRESS && width === 4) this.#address = (value & ADDRESS_BITS) >>> 0;
    else if (offset === RESET && width === 1) this.#reset.write(0, 1, value);
  }

  state(): ComponentState {
    return { version: STATE_VERSION, address: this.#address, reset: this.#reset.state() };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("PCI ports", state, STATE_VERSION);
    this.#address = reader.u32("address");
    this.#reset.restore(state["reset"] as ComponentState);
  }
}
