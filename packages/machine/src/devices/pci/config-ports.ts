import type { ComponentState, DeviceWidth, MmioDevice } from "../../contracts.js";
import { StateReader } from "../../state-reader.js";
import { allOnes } from "../../values.js";
import type { Device } from "../device.js";
import type { PciHost } from "./host.js";

const STATE_VERSION = 1;
const DATA = 4;
const ENABLE = 0x8000_0000;
/** Bits of the address register that there are: enable, bus, device, function, register. */
const ADDRESS_BITS = 0x80ff_fffc;

export interface PciConfigPortsOptions {
  readonly host: PciHost;
  /** What narrower accesses of the address register reach: it is a register for whole words only. */
  readonly beside?: MmioDevice;
}

/** PCI's configuration mechanism 1 (PCI local bus specification 3.0, 3.2.2.3.2): an address and a data register. */
export class PciConfigPorts implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = { space: "ports", base: 0xcf8, size: 8, widest: 4 } as const;
  readonly #host: PciHost;
  readonly #beside: MmioDevice | undefined;
  #address = 0;

  constructor({ host, beside }: PciConfigPortsOptions) {
    this.#host = host;
    this.#beside = beside;
  }

  reset(): void {
    this.#address = 0;
  }

  read(offset: number, width: DeviceWidth): number {
    if (offset >= DATA) {
      const at = this.#target(offset - DATA);
      return at === undefined ? allOnes(width) : this.#host.read(at, width);
    }
    if (offset === 0 && width === 4) return this.#address;
    return this.#beside?.read(offset, width) ?? allOnes(width);
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (offset >= DATA) {
      const at = this.#target(offset - DATA);
      if (at !== undefined) this.#host.write(at, width, value);
    } else if (offset === 0 && width === 4) this.#address = (value & ADDRESS_BITS) >>> 0;
    else this.#beside?.write(offset, width, value);
  }

  /** Where ECAM has the register. */
  #target(byte: number): number | undefined {
    const address = this.#address;
    if ((address & ENABLE) === 0) return undefined;
    return ((address >>> 8) & 0xffff) * 0x1000 + (address & 0xfc) + byte;
  }

  state(): ComponentState {
    return { version: STATE_VERSION, address: this.#address };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("PCI configuration ports", state, STATE_VERSION);
    this.#address = (reader.u32("address") & ADDRESS_BITS) >>> 0;
  }
}
