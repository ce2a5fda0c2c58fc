/** Types of memory in the map that firmware gives (ACPI 6.5, table 15.5). */
export const MemoryType = { usable: 1, reserved: 2, acpi: 3, nvs: 4 } as const;

/** An entry of the map that BIOS call INT 15h, E820h gives, and that all boot protocols pass on. */
export interface MemoryMapEntry {
  readonly base: number;
  readonly size: number;
  /** A `MemoryType`. */
  readonly type: number;
}

/** Where BIOS data, video memory and ROMs begin, and where they end. */
const EBDA = 0x9_fc00;
const VIDEO = 0xa_0000;
const BIOS = 0xf_0000;
const MIB = 0x10_0000;
const FOUR_GIB = 0x1_0000_0000;

export interface PcMemory {
  /** Bytes of RAM from address 0 on, at least 1 MiB. */
  readonly low: number;
  /** Bytes of RAM from 4 GiB on. */
  readonly high?: number;
  /** Ranges of RAM or of addresses that are not for use as RAM: ACPI tables, PCI configuration space. */
  readonly others?: readonly MemoryMapEntry[];
}

/** The map of a PC's memory, by ascending address. */
export function pcMemoryMap({ low, high = 0, others = [] }: PcMemory): MemoryMapEntry[] {
  const { usable, reserved } = MemoryType;
  const map: MemoryMapEntry[] = [
    { base: 0, size: EBDA, type: usable },
    { base: EBDA, size: VIDEO - EBDA, type: reserved },
    { base: BIOS, size: MIB - BIOS, type: reserved },
  ];
  map.push(...without({ base: MIB, size: low - MIB, type: usable }, others));
  map.push(...others);
  if (high > 0) map.push(...without({ base: FOUR_GIB, size: high, type: usable }, others));
  return map.filter(({ size }) => size > 0).sort((a, b) => a.base - b.base);
}

/** What of a range is not in others. */
function without(range: MemoryMapEntry, others: readonly MemoryMapEntry[]): MemoryMapEntry[] {
  let left = [range];
  for (const { base, size } of others) {
    left = left.flatMap((one) => {
      const end = one.base + one.size;
      if (base >= end || base + size <= one.base) return [one];
      return [
        { ...one, size: Math.max(0, base - one.base) },
        { ...one, base: base + size, size: Math.max(0, end - base - size) },
      ];
    });
  }
  return left;
}

/** Size in bytes of an entry as BIOS gives it. */
export const E820_ENTRY_SIZE = 20;

/** The map as BIOS gives it: base and size of 64 bits, type of 32. */
export function e820Bytes(map: readonly MemoryMapEntry[]): Uint8Array {
  const bytes = new Uint8Array(E820_ENTRY_SIZE * map.length);
  const view = new DataView(bytes.buffer);
  map.forEach(({ base, size, type }, index) => {
    const at = E820_ENTRY_SIZE * index;
    view.setBigUint64(at, BigInt(base), true);
    view.setBigUint64(at + 8, BigInt(size), true);
    view.setUint32(at + 16, type, true);
  });
  return bytes;
}
