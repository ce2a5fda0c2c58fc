import type { PhysBus } from "@hypercraft/hypercraft";
import type { AccessWidth, MmioDevice } from "../contracts.js";
import { hex, MachineError, range } from "../errors.js";
import { FRAME_SIZE, type HostMemory } from "./host-memory.js";

/** RAM on a bus: `size` bytes at physical address `base` live at byte `offset` of host memory. */
export interface RamRegion {
  readonly kind: "ram";
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly offset: number;
  /** ROM: what anybody but its maker writes is lost. */
  readonly readOnly?: boolean;
}

export interface DeviceRegion {
  readonly kind: "device";
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly device: MmioDevice;
}

export type BusRegion = RamRegion | DeviceRegion;

/** Result of `SystemBus.read` where nothing answers. No register value is negative. */
export const BUS_FAULT = -1;

/** End of the physical address space: 52 bits, exact in a number. */
const ADDRESS_LIMIT = 2 ** 52;

/**
 * A physical address space: non-overlapping regions, each RAM or a device. One instance is the host's bus,
 * and each VM that is served by exits has one for its guest physical addresses.
 */
export class SystemBus implements PhysBus {
  readonly host: HostMemory;
  /**
   * Upper 32 bits of the last 8-byte `read`. Kept beside the result so that no read allocates.
   */
  high = 0;
  #regions: BusRegion[] = [];
  /** Bases of `#regions`, for the search. */
  #bases: number[] = [];
  /** Region of the last hit: accesses come in runs. */
  #last: BusRegion | undefined;
  readonly #listeners: (() => void)[] = [];

  constructor(host: HostMemory) {
    this.host = host;
  }

  /** All regions by ascending address. */
  get regions(): readonly BusRegion[] {
    return this.#regions;
  }

  /**
   * Puts host memory on the bus. Address, size and offset are multiples of 4 KiB.
   * @throws MachineError `Overlap` naming both regions, `NotAligned`, `OutOfRange`.
   */
  addRam(region: { name: string; base: number; size: number; offset: number; readOnly?: boolean }): void {
    const { name, base, size, offset, readOnly = false } = region;
    if (base % FRAME_SIZE !== 0 || size % FRAME_SIZE !== 0 || offset % FRAME_SIZE !== 0) {
      throw new MachineError("NotAligned", `RAM '${name}' at ${range(base, size)} is not aligned to 4 KiB`);
    }
    if (offset < 0 || offset + size > this.host.size) {
      throw new MachineError("OutOfRange", `RAM '${name}' of ${size} bytes is outside host memory`);
    }
    this.#insert({ kind: "ram", name, base, size, offset, readOnly });
  }

  /** @throws MachineError `Overlap` naming both regions, `OutOfRange`. */
  addDevice(region: { name: string; base: number; size: number; device: MmioDevice }): void {
    this.#insert({ kind: "device", ...region });
  }

  /**
   * Puts a device over a part of RAM (HTIF's `tohost`, a test's tripwire). The RAM around it stays where it
   * is; the RAM below it is no longer reachable through this bus. Base and size are multiples of 4 KiB.
   * @throws MachineError `NotFound` unless one RAM region holds the whole range.
   */
  overlay(region: { name: string; base: number; size: number; device: MmioDevice }): void {
    const { name, base, size } = region;
    if (base % FRAME_SIZE !== 0 || size % FRAME_SIZE !== 0 || size <= 0) {
      throw new MachineError(
        "NotAligned",
        `overlay '${name}' at ${range(base, size)} is not aligned to 4 KiB`,
      );
    }
    const ram = this.find(base);
    if (ram?.kind !== "ram" || base + size > ram.base + ram.size) {
      throw new MachineError("NotFound", `overlay '${name}' at ${range(base, size)} is not inside RAM`);
    }
    this.remove(ram.base);
    const before = base - ram.base;
    const after = ram.base + ram.size - (base + size);
    if (before > 0) this.addRam({ ...ram, size: before });
    if (after > 0) {
      this.addRam({ ...ram, base: base + size, size: after, offset: ram.offset + before + size });
    }
    this.addDevice(region);
  }

  /** Takes the region that starts at `base` off the bus. */
  remove(base: number): void {
    const index = this.#indexOf(base);
    if (index < 0 || this.#regions[index]!.base !== base) {
      throw new MachineError("NotFound", `no region starts at ${hex(base)}`);
    }
    this.#regions.splice(index, 1);
    this.#changed();
  }

  /** Called after each change of the map, so that whoever caches lookups (a TLB) can forget them. */
  onChange(listener: () => void): () => void {
    this.#listeners.push(listener);
    return () => {
      const index = this.#listeners.indexOf(listener);
      if (index >= 0) this.#listeners.splice(index, 1);
    };
  }

  /** The region at a physical address. */
  find(pa: number): BusRegion | undefined {
    const last = this.#last;
    if (last !== undefined && pa >= last.base && pa < last.base + last.size) return last;
    const index = this.#indexOf(pa);
    if (index < 0) return undefined;
    const region = this.#regions[index]!;
    if (pa >= region.base + region.size) return undefined;
    this.#last = region;
    return region;
  }

  /** Byte offset in host memory of a physical address, -1 if it is not RAM; nor, if it is to be written, where it is ROM. */
  ramOffset(pa: number, write = false): number {
    const region = this.find(pa);
    if (region?.kind !== "ram" || (write && region.readOnly)) return -1;
    return region.offset + (pa - region.base);
  }

  /** All RAM on the bus that can be written, and where it lies in host memory. */
  ramRanges(): { readonly physical: number; readonly size: number; readonly offset: number }[] {
    return this.#regions.flatMap((region) => {
      if (region.kind !== "ram" || region.readOnly) return [];
      return [{ physical: region.base, size: region.size, offset: region.offset }];
    });
  }

  /** Bytes of RAM from `pa` to the end of its region, 0 if it is not RAM. */
  ramRun(pa: number): number {
    const region = this.find(pa);
    return region !== undefined && region.kind === "ram" ? region.base + region.size - pa : 0;
  }

  /**
   * Reads RAM or a device. Never throws for a guest's sake: an address where nothing answers, an access
   * across a region's end and a misaligned device access give `BUS_FAULT`.
   * @returns the unsigned value (of an 8-byte read the low half; `high` has the other), or `BUS_FAULT`.
   */
  read(pa: number, width: AccessWidth): number {
    const region = this.find(pa);
    if (region === undefined) return BUS_FAULT;
    const offset = pa - region.base;
    if (offset + width > region.size) return BUS_FAULT;
    if (region.kind === "ram") return this.#readRam(region.offset + offset, width);
    if (offset % width !== 0) return BUS_FAULT;
    if (width !== 8) return region.device.read(offset, width);
    const low = region.device.read(offset, 4);
    this.high = region.device.read(offset + 4, 4);
    return low;
  }

  /**
   * Writes RAM or a device; `low` and `high` are unsigned, `high` is used by an 8-byte write only.
   * @returns false where `read` would give `BUS_FAULT`.
   */
  write(pa: number, width: AccessWidth, low: number, high = 0): boolean {
    const region = this.find(pa);
    if (region === undefined) return false;
    const offset = pa - region.base;
    if (offset + width > region.size) return false;
    if (region.kind === "ram") {
      if (!region.readOnly) this.#writeRam(region.offset + offset, width, low, high);
      return true;
    }
    if (offset % width !== 0) return false;
    if (width !== 8) {
      region.device.write(offset, width, low);
      return true;
    }
    region.device.write(offset, 4, low);
    region.device.write(offset + 4, 4, high);
    return true;
  }

  #readRam(offset: number, width: AccessWidth): number {
    const { view } = this.host;
    switch (width) {
      case 1:
        return view.getUint8(offset);
      case 2:
        return view.getUint16(offset, true);
      case 4:
        return view.getUint32(offset, true);
      case 8:
        this.high = view.getUint32(offset + 4, true);
        return view.getUint32(offset, true);
    }
  }

  #writeRam(offset: number, width: AccessWidth, low: number, high: number): void {
    const { view } = this.host;
    if (width === 1) view.setUint8(offset, low);
    else if (width === 2) view.setUint16(offset, low, true);
    else view.setUint32(offset, low, true);
    if (width === 8) view.setUint32(offset + 4, high, true);
    this.host.notifyWrite(offset, width);
  }

  /** Index of the last region that starts at or below `pa`, -1 if there is none. */
  #indexOf(pa: number): number {
    const bases = this.#bases;
    let low = 0;
    let high = bases.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (bases[middle]! <= pa) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #insert(region: BusRegion): void {
    const { name, base, size } = region;
    if (!Number.isSafeInteger(base) || !Number.isSafeInteger(size) || base < 0 || size <= 0) {
      throw new MachineError(
        "InvalidParam",
        `region '${name}' has no valid base and size (${base}, ${size})`,
      );
    }
    if (base + size > ADDRESS_LIMIT) {
      throw new MachineError("OutOfRange", `region '${name}' at ${range(base, size)} is beyond 52 bits`);
    }
    const below = this.#indexOf(base + size - 1);
    const other = this.#regions[below];
    if (other !== undefined && other.base + other.size > base) {
      throw new MachineError(
        "Overlap",
        `'${name}' at ${range(base, size)} overlaps '${other.name}' at ${range(other.base, other.size)}`,
      );
    }
    this.#regions.splice(below + 1, 0, region);
    this.#changed();
  }

  #changed(): void {
    this.#bases = this.#regions.map((region) => region.base);
    this.#last = undefined;
    for (const listener of this.#listeners) listener();
  }
}
