import { type MemoryRange, MemoryType } from "../../loaders/x86/memory-map.js";
import type { RamPiece } from "../virt/memory.js";
import { CONVENTIONAL_END, FIRMWARE, VIDEO } from "./address-map.js";

const MIB = 1 << 20;

/** What firmware tells of memory: RAM but for what is the firmware's in the first MiB. */
export function firmwareMap(ram: readonly RamPiece[]): MemoryRange[] {
  return [
    { base: 0, size: CONVENTIONAL_END, type: MemoryType.ram },
    { base: CONVENTIONAL_END, size: VIDEO.base - CONVENTIONAL_END, type: MemoryType.reserved },
    { ...FIRMWARE, type: MemoryType.reserved },
    ...ram.filter(({ base }) => base >= MIB).map(({ base, size }) => ({ base, size, type: MemoryType.ram })),
  ];
}
