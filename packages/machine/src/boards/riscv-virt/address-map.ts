import type { GenericPciPlaces } from "../common/generic-pci.js";
import type { Block } from "../common/memory.js";

/** Where the board's parts are, in bytes of physical address space, and which PLIC source each device has. */
export interface AddressMap {
  readonly name: string;
  readonly mrom: Block;
  readonly testFinisher: Block;
  readonly rtc: Block & { readonly irq: number };
  readonly clint: Block;
  readonly plic: Block & { readonly sources: number };
  readonly uart: Block & { readonly irq: number };
  /** Transport `i` is at `base + i * stride` with source `irq + i`. */
  readonly virtio: {
    readonly base: number;
    readonly stride: number;
    readonly size: number;
    readonly count: number;
    readonly irq: number;
    /** Register layout unless told otherwise: 2, or the legacy 1 that older teaching kernels insist on. */
    readonly version: 1 | 2;
  };
  /** A generic PCI host bridge; where it is not wanted, there is a bus with nothing on it. */
  readonly pci: GenericPciPlaces;
  readonly ram: { readonly base: number };
  /** Where a kernel without an address of its own goes, as an offset into RAM. */
  readonly kernelOffset: number;
  /** Where the device tree goes: the start of RAM, or as high as it fits. */
  readonly deviceTree: "start" | "high";
}

/** QEMU's `virt` machine. */
export const QEMU_MAP: AddressMap = {
  name: "qemu",
  mrom: { base: 0x1000, size: 0xf000 },
  testFinisher: { base: 0x10_0000, size: 0x1000 },
  rtc: { base: 0x10_1000, size: 0x1000, irq: 11 },
  clint: { base: 0x200_0000, size: 0x1_0000 },
  plic: { base: 0xc00_0000, size: 0x60_0000, sources: 95 },
  uart: { base: 0x1000_0000, size: 0x100, irq: 10 },
  virtio: { base: 0x1000_1000, stride: 0x1000, size: 0x1000, count: 8, irq: 1, version: 2 },
  pci: {
    ecam: { base: 0x3000_0000, size: 0x1000_0000 },
    memory: { base: 0x4000_0000, size: 0x4000_0000 },
    ports: { base: 0x0300_0000, size: 0x1_0000 },
    irq: 32,
  },
  ram: { base: 0x8000_0000 },
  kernelOffset: 0x20_0000,
  deviceTree: "high",
};

/** The map that hcHyper gives its guests: the same devices, RAM at 0x9000_0000 with the device tree first. */
export const HCHYPER_MAP: AddressMap = {
  ...QEMU_MAP,
  name: "hchyper",
  virtio: { ...QEMU_MAP.virtio, version: 1 },
  ram: { base: 0x9000_0000 },
  deviceTree: "start",
};

export const ADDRESS_MAPS = { qemu: QEMU_MAP, hchyper: HCHYPER_MAP } as const;
export type AddressMapName = keyof typeof ADDRESS_MAPS;
