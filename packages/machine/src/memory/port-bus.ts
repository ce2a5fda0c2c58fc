import { DeviceBus, type DeviceRegion } from "@hypercraft/hypercraft";
import type { DeviceWidth, MmioDevice } from "../contracts.js";
import { allOnes } from "../values.js";

/** Ports of a device. */
export interface PortRange {
  readonly base: number;
  readonly size: number;
  /** Bytes of the widest access that the device takes at once, default 1: wider ones are several. */
  readonly widest?: DeviceWidth;
}

interface PortRegion extends DeviceRegion {
  readonly widest: DeviceWidth;
}

/**
 * The I/O port space of machines that have one. An access wider than a device takes, or across the ports of several,
 * becomes narrower ones at ascending ports, as on the ISA bus.
 */
export class PortBus extends DeviceBus {
  constructor() {
    super({ name: "port", limit: 0x1_0000 });
  }

  /** `ranges` of a device, whose offsets count from the first of them. Throws HyperError as `add` does. */
  addDevice(name: string, ranges: readonly PortRange[], device: MmioDevice): void {
    const origin = ranges[0]?.base ?? 0;
    for (const { base, size, widest = 1 } of ranges) {
      const shift = base - origin;
      const shifted: MmioDevice = {
        read: (offset, width) => device.read(offset + shift, width),
        write: (offset, width, value) => device.write(offset + shift, width, value),
      };
      const region: PortRegion = { name, base, size, device: shift === 0 ? device : shifted, widest };
      this.add(region);
    }
  }

  /** Unsigned; -1 where no device has any of the ports. Those that none has read as ones. */
  override read(port: number, width: DeviceWidth): number {
    if (this.#takes(port, width)) return super.read(port, width);
    if (width === 1) return -1;
    const half = width === 4 ? 2 : 1;
    const low = this.read(port, half);
    const high = this.read(port + half, half);
    if (low < 0 && high < 0) return -1;
    const ones = allOnes(half);
    return (low < 0 ? ones : low) + (high < 0 ? ones : high) * (ones + 1);
  }

  /** False where no device has any of the ports. */
  override write(port: number, width: DeviceWidth, value: number): boolean {
    if (this.#takes(port, width)) return super.write(port, width, value);
    if (width === 1) return false;
    const half = width === 4 ? 2 : 1;
    const low = this.write(port, half, value);
    const high = this.write(port + half, half, value >>> (8 * half));
    return low || high;
  }

  #takes(port: number, width: DeviceWidth): boolean {
    const region = this.find(port, width) as PortRegion | undefined;
    return region !== undefined && width <= (region.widest ?? 4);
  }

  /** The space as processors see it: nothing behind a port reads as all ones. */
  readonly processorFace = {
    read: (port: number, width: DeviceWidth): number => {
      const value = this.read(port, width);
      return value < 0 ? allOnes(width) : value;
    },
    write: (port: number, width: DeviceWidth, value: number): void => {
      this.write(port, width, value);
    },
  };
}
