import { HyperError } from "./error.js";

/** Bytes of one access that reaches a device. */
export type DeviceWidth = 1 | 2 | 4;

/** Bytes of one access that a guest instruction makes. */
export type AccessWidth = 1 | 2 | 4 | 8;

/**
 * A device on a bus: memory-mapped, or in the I/O port space, which has the same shape. `offset` is in bytes
 * from the start of its region; values are unsigned. Accesses of 8 bytes arrive as two of 4, low half first.
 */
export interface MmioDevice {
  read(offset: number, width: DeviceWidth): number;
  write(offset: number, width: DeviceWidth, value: number): void;
}

/** A stretch of a bus, half open: `[base, base + size)`. */
export interface DeviceRegion {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly device: MmioDevice;
}

/** What a bus needs to know about itself. */
export interface DeviceBusOptions {
  /** Noun for messages: "MMIO", "port". */
  readonly name: string;
  /** First address past the end of the space. */
  readonly limit: number;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

function truncate(value: number, width: DeviceWidth): number {
  if (width === 4) return value >>> 0;
  return value & (width === 2 ? 0xffff : 0xff);
}

/**
 * Address ranges and dispatch, nothing else. The bus of a VM lies in guest-physical space, so two VMs may have
 * different devices at one address. No access allocates.
 */
export class DeviceBus {
  readonly name: string;
  readonly limit: number;
  /** Bits 31..0 of what the last `read8` found. */
  lo = 0;
  /** Bits 63..32 of what the last `read8` found. */
  hi = 0;
  #regions: DeviceRegion[] = [];
  #last: DeviceRegion | undefined;

  constructor(options: DeviceBusOptions) {
    this.name = options.name;
    this.limit = options.limit;
  }

  /** A bus over guest-physical addresses. */
  static mmio(): DeviceBus {
    return new DeviceBus({ name: "MMIO", limit: Number.MAX_SAFE_INTEGER });
  }

  /** The 64 Ki I/O ports of machines that have them. */
  static ports(): DeviceBus {
    return new DeviceBus({ name: "port", limit: 0x1_0000 });
  }

  /** Throws InvalidParam or OutOfRange for a region that cannot be, AlreadyExists when it meets another one. */
  add(region: DeviceRegion): void {
    const { name, base, size } = region;
    if (!Number.isSafeInteger(base) || !Number.isSafeInteger(size) || base < 0 || size < 1)
      throw new HyperError("InvalidParam", `${this.name} region "${name}": base ${base}, size ${size}`);
    if (base + size > this.limit)
      throw new HyperError("OutOfRange", `${this.name} region "${name}" ends past ${hex(this.limit)}`);
    const at = this.#regions.findIndex((other) => other.base + other.size > base);
    const next = at < 0 ? undefined : this.#regions[at];
    if (next !== undefined && next.base < base + size) {
      const range = (r: DeviceRegion) => `"${r.name}" at ${hex(r.base)}, ${hex(r.size)} bytes`;
      throw new HyperError(
        "AlreadyExists",
        `${this.name} regions overlap: ${range(region)} and ${range(next)}`,
      );
    }
    this.#regions.splice(at < 0 ? this.#regions.length : at, 0, region);
  }

  /** Takes the region that starts at `base` away. Throws NotFound. */
  remove(base: number): void {
    const at = this.#regions.findIndex((region) => region.base === base);
    if (at < 0) throw new HyperError("NotFound", `no ${this.name} region starts at ${hex(base)}`);
    this.#regions.splice(at, 1);
    this.#last = undefined;
  }

  /** All regions by ascending address. */
  get regions(): readonly DeviceRegion[] {
    return this.#regions;
  }

  /** The region that holds all of `[address, address + width)`, or undefined. */
  find(address: number, width: number): DeviceRegion | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.base && address + width <= last.base + last.size) return last;
    let low = 0;
    let high = this.#regions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#regions[middle]!.base <= address) low = middle + 1;
      else high = middle;
    }
    const region = this.#regions[low - 1];
    if (region === undefined || address + width > region.base + region.size) return undefined;
    this.#last = region;
    return region;
  }

  /** Reads 1, 2 or 4 bytes, unsigned; -1 where no device holds the whole access. */
  read(address: number, width: DeviceWidth): number {
    const region = this.find(address, width);
    return region === undefined ? -1 : truncate(region.device.read(address - region.base, width), width);
  }

  /** Writes the low `width` bytes of `value`. False where no device holds the whole access. */
  write(address: number, width: DeviceWidth, value: number): boolean {
    const region = this.find(address, width);
    if (region === undefined) return false;
    region.device.write(address - region.base, width, truncate(value, width));
    return true;
  }

  /** Reads 8 bytes into `lo` and `hi`, low half first. False where no device holds the whole access. */
  read8(address: number): boolean {
    const region = this.find(address, 8);
    if (region === undefined) return false;
    const offset = address - region.base;
    // Into `lo` only at the end: the device may use this very bus while it answers.
    const lo = region.device.read(offset, 4) >>> 0;
    this.hi = region.device.read(offset + 4, 4) >>> 0;
    this.lo = lo;
    return true;
  }

  /** Writes 8 bytes, low half first. False where no device holds the whole access. */
  write8(address: number, lo: number, hi: number): boolean {
    const region = this.find(address, 8);
    if (region === undefined) return false;
    const offset = address - region.base;
    region.device.write(offset, 4, lo >>> 0);
    region.device.write(offset + 4, 4, hi >>> 0);
    return true;
  }
}
