import type { GuestMemory } from "../contracts.js";
import { bytesText, MachineError, range } from "../errors.js";

/** A range of RAM in which images may be placed. */
export interface RamRange {
  readonly base: number;
  readonly size: number;
}

/** Something with a place in memory. */
export interface Placement {
  readonly name: string;
  readonly address: number;
  /** Bytes of memory it takes. */
  readonly size: number;
  /** What is written there; the rest up to `size` is zero. Undefined for a range that is only kept free. */
  readonly bytes: Uint8Array | undefined;
}

export interface PlaceRequest {
  readonly name: string;
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Bytes of memory it takes, if more than it has. */
  readonly memorySize?: number;
}

export interface FitRequest {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly memorySize?: number;
  /** Alignment in bytes of the address: a power of two. Default 4 KiB. */
  readonly alignment?: number;
  /** Take the lowest place that fits, or the highest. Default `low`. */
  readonly prefer?: "low" | "high";
  /** Lowest address, and first address behind the highest. */
  readonly above?: number;
  readonly below?: number;
}

/**
 * Where kernel, device tree and initrd go. Places are checked against RAM and against each other before
 * anything is written.
 */
export class LoadPlan {
  readonly ram: readonly RamRange[];
  readonly #placements: Placement[] = [];

  constructor(ram: readonly RamRange[]) {
    this.ram = ram;
  }

  /** By ascending address. */
  get placements(): readonly Placement[] {
    return [...this.#placements].sort((a, b) => a.address - b.address);
  }

  /** @throws MachineError `OutOfRange` when it is not in RAM, `Overlap` naming both. */
  place(request: PlaceRequest): Placement {
    const { name, address, bytes } = request;
    const size = Math.max(bytes.length, request.memorySize ?? 0);
    return this.#add({ name, address, size, bytes });
  }

  /** Keeps a range free of other things. */
  reserve(name: string, address: number, size: number): Placement {
    return this.#add({ name, address, size, bytes: undefined });
  }

  /** Finds a free place. @throws MachineError `NoMemory` when there is none. */
  fit(request: FitRequest): Placement {
    const { name, bytes, alignment = 4096, above = 0, below = Number.POSITIVE_INFINITY } = request;
    const size = Math.max(bytes.length, request.memorySize ?? 0);
    const gaps = this.#gaps()
      .map(({ base, size: length }) => ({ from: Math.max(base, above), to: Math.min(base + length, below) }))
      .filter(({ from, to }) => Math.ceil(from / alignment) * alignment + size <= to);
    const gap = request.prefer === "high" ? gaps.at(-1) : gaps[0];
    if (gap === undefined) {
      const total = this.ram.reduce((sum, one) => sum + one.size, 0);
      throw new MachineError(
        "NoMemory",
        `${name}: ${bytesText(size)} do not fit in what is left of ${bytesText(total)} of RAM`,
      );
    }
    const address =
      request.prefer === "high"
        ? Math.floor((gap.to - size) / alignment) * alignment
        : Math.ceil(gap.from / alignment) * alignment;
    return this.#add({ name, address, size, bytes });
  }

  /** Writes everything. */
  load(memory: GuestMemory): void {
    for (const { address, size, bytes } of this.#placements) {
      if (bytes === undefined) continue;
      memory.write(address, bytes);
      if (size > bytes.length) memory.write(address + bytes.length, new Uint8Array(size - bytes.length));
    }
  }

  #add(placement: Placement): Placement {
    const { name, address, size } = placement;
    const place = range(address, size);
    if (!Number.isSafeInteger(address) || address < 0) {
      throw new MachineError("InvalidParam", `${name}: ${address} is not an address`);
    }
    if (!this.ram.some(({ base, size: length }) => address >= base && address + size <= base + length)) {
      const ram = this.ram.map((one) => `${range(one.base, one.size)} (${bytesText(one.size)})`).join(", ");
      throw new MachineError(
        "OutOfRange",
        `${name}: at ${place} is not inside RAM, which is ${ram || "empty"}`,
      );
    }
    const other = this.#placements.find(
      (one) => address < one.address + one.size && one.address < address + size,
    );
    if (other !== undefined) {
      const theirs = range(other.address, other.size);
      throw new MachineError("Overlap", `${name}: at ${place} overlaps ${other.name} at ${theirs}`);
    }
    this.#placements.push(placement);
    return placement;
  }

  /** Free ranges by ascending address. */
  #gaps(): RamRange[] {
    const gaps: RamRange[] = [];
    for (const { base, size } of [...this.ram].sort((a, b) => a.base - b.base)) {
      let from = base;
      for (const one of this.placements) {
        if (one.address < base || one.address >= base + size) continue;
        if (one.address > from) gaps.push({ base: from, size: one.address - from });
        from = one.address + one.size;
      }
      if (base + size > from) gaps.push({ base: from, size: base + size - from });
    }
    return gaps;
  }
}
