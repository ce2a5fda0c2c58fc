/** A range of the machine's physical address space, as firmware tells kernels of it. */
export interface MemoryRange {
  readonly base: number;
  readonly size: number;
  /** 1 RAM, 2 reserved, 3 ACPI tables, 4 ACPI NVS: numbers of INT 15h, AX = E820h. */
  readonly type: MemoryType;
}

export const MemoryType = { ram: 1, reserved: 2, acpi: 3, nvs: 4 } as const;
export type MemoryType = (typeof MemoryType)[keyof typeof MemoryType];

/** Bytes of RAM in one piece from an address on. */
export function ramFrom(map: readonly MemoryRange[], address: number): number {
  const found = map.find(
    ({ base, size, type }) => type === MemoryType.ram && base <= address && address < base + size,
  );
  return found === undefined ? 0 : found.base + found.size - address;
}
