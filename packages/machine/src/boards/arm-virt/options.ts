import type { BoardOptions, HostParts } from "../common/options.js";

/**
 * What an arm-virt machine is made of. Its firmware starts at address 0, where the flash is; a kernel may be a Linux
 * Image, an ELF file or a flat binary, which goes to 0x4008_0000.
 */
export interface ArmVirtOptions extends BoardOptions {
  /** Version of the interrupt controller. Default 2. */
  readonly gic?: 2 | 3;
  /**
   * Answer semihosting calls (HLT #0xF000 above EL0): the console, clocks and the program's end. Default: such
   * instructions are UNDEFINED.
   */
  readonly semihosting?: boolean;
  /** Whether there is memory in place of flash, at address 0. Default: with firmware, or an image loaded there. */
  readonly flash?: boolean;
}

/** What of a machine is the host's and so not in a snapshot. */
export type ArmVirtHost = HostParts;
