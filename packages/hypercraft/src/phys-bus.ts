import type { DeviceWidth } from "./device-bus.js";

/**
 * The host's physical bus. A region is RAM, with an offset into host memory (one `WebAssembly.Memory` of fixed
 * size per process), or a device. Nothing here throws for an address a guest can choose. An access of 8 bytes
 * to a device is made as two of 4, low half first.
 */
export interface PhysBus {
  /** Byte offset in host memory of the RAM byte at `pa`, or -1 where there is no RAM. */
  ramOffset(pa: number): number;
  /** Reads a device, unsigned; -1 is a bus fault: no device holds the whole access. */
  read(pa: number, width: DeviceWidth): number;
  /** Writes the low `width` bytes to a device; false is a bus fault. */
  write(pa: number, width: DeviceWidth, value: number): boolean;
}
