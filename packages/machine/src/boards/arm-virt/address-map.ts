import type { GenericPciPlaces } from "../common/generic-pci.js";
import type { Block } from "../common/memory.js";

/** Where the board's parts are. Interrupts are GIC interrupt IDs: 32 is the first shared one, SPI 0. */
export interface ArmAddressMap {
  readonly name: string;
  /** Two banks: a PE starts after reset in the first, the second is for whoever comes next. */
  readonly flash: Block;
  readonly gic: {
    readonly distributor: Block;
    /** GICv2: GICC, GICH and GICV. The last two are a hypervisor's. */
    readonly cpuInterface: Block;
    readonly hypervisorInterface: Block;
    readonly virtualCpuInterface: Block;
    /** GICv3: 128 KiB for each CPU. */
    readonly redistributors: Block;
    /** First and last shared interrupt. */
    readonly firstShared: number;
    readonly lastShared: number;
  };
  readonly uart: Block & { readonly irq: number };
  readonly rtc: Block & { readonly irq: number };
  /** Transport `i` is at `base + i * stride` with interrupt `irq + i`. */
  readonly virtio: {
    readonly base: number;
    readonly stride: number;
    readonly size: number;
    readonly count: number;
    readonly irq: number;
    /** Register layout unless told otherwise: 2, or the legacy 1. */
    readonly version: 1 | 2;
  };
  readonly pci: GenericPciPlaces;
  readonly ram: { readonly base: number };
  /** Where a kernel without an address of its own goes, as an offset into RAM. */
  readonly kernelOffset: number;
}

/** Private interrupts of each CPU (GIC interrupt IDs), as Arm's base system architecture numbers them. */
export const PrivateInterrupt = {
  performanceMonitors: 23,
  gicMaintenance: 25,
  hypervisorTimer: 26,
  virtualTimer: 27,
  securePhysicalTimer: 29,
  physicalTimer: 30,
} as const;

/** QEMU's `virt` machine for AArch64. */
export const QEMU_ARM_MAP: ArmAddressMap = {
  name: "qemu",
  flash: { base: 0, size: 0x800_0000 },
  gic: {
    distributor: { base: 0x0800_0000, size: 0x1_0000 },
    cpuInterface: { base: 0x0801_0000, size: 0x1_0000 },
    hypervisorInterface: { base: 0x0803_0000, size: 0x1_0000 },
    virtualCpuInterface: { base: 0x0804_0000, size: 0x1_0000 },
    redistributors: { base: 0x080a_0000, size: 0xf6_0000 },
    firstShared: 32,
    lastShared: 287,
  },
  uart: { base: 0x0900_0000, size: 0x1000, irq: 33 },
  rtc: { base: 0x0901_0000, size: 0x1000, irq: 34 },
  virtio: { base: 0x0a00_0000, stride: 0x200, size: 0x200, count: 32, irq: 48, version: 2 },
  pci: {
    ecam: { base: 0x40_1000_0000, size: 0x1000_0000 },
    memory: { base: 0x1000_0000, size: 0x2eff_0000 },
    ports: { base: 0x3eff_0000, size: 0x1_0000 },
    irq: 35,
  },
  ram: { base: 0x4000_0000 },
  kernelOffset: 0x8_0000,
};
