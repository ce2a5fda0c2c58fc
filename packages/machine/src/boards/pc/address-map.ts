import type { Block, RamPiece } from "../common/memory.js";

/** A block of registers with an interrupt: a line of the ISA bus (0 to 15), or a pin of the I/O APIC. */
interface InterruptingBlock extends Block {
  readonly irq: number;
}

const MIB = 1 << 20;
/** Where RAM goes on that does not fit below the devices. */
export const HIGH_RAM = 2 ** 32;

/** Where the parts of the board are. */
export const PC_MAP = {
  localApic: { base: 0xfee0_0000, size: 0x1000 },
  ioApic: { base: 0xfec0_0000, size: 0x1000 },
  /** Transport `i` is at `base + i * stride` with the I/O APIC's pin `irq + i`. */
  virtio: { base: 0xfeb0_0000, stride: 0x200, size: 0x200, count: 8, irq: 16, version: 2 },
  hpet: { base: 0xfed0_0000 },
  /**
   * Configuration space for 256 buses where firmware of Q35 puts it; and what of memory and ports the bridge forwards:
   * from the end of low RAM to the I/O APIC, but for virtio's transports. Kernels expect devices at the upper end.
   */
  pci: {
    ecam: { base: 0xb000_0000, size: 0x1000_0000 },
    memory: [
      { base: 0xc000_0000, size: 0x3eb0_0000 },
      { base: 0xfeb0_1000, size: 0x000f_f000 },
    ],
    ports: [{ base: 0xc000, size: 0x4000 }],
    /** Where devices are put in these before a kernel starts. */
    assigned: { memory: { base: 0xfe00_0000, size: 0xb0_0000 }, ports: { base: 0xc000, size: 0x4000 } },
  },
  /** SCI, PCI's two, the interrupts of clock, keyboard and floating-point errors: lines of the ISA bus. */
  irqs: { keyboard: 1, clock: 8, sci: 9, pci: [10, 11], coprocessor: 13 },
  ports: {
    com1: { base: 0x3f8, size: 8, irq: 4 } as InterruptingBlock,
    com2: { base: 0x2f8, size: 8, irq: 3 } as InterruptingBlock,
    /** Codes of self-tests: an AT's port, and a PS/1's, which test ROMs use. */
    post: { base: 0x80, size: 1, further: [{ base: 0x190, size: 1 }] },
    debugConsole: { base: 0xe9, size: 1 } as Block,
    debugExit: { base: 0xf4, size: 4 } as Block,
  },
} as const;

/** Pins of the I/O APIC. */
export const PINS = 24;
/** The PIT's interrupt is no. 2 of the I/O APIC. */
export const TIMER_PIN = 2;
/** Where a VGA's memory is. All there is here is that of its text modes with colours. */
const VIDEO = { base: 0xa_0000, size: 0x2_0000 } as const;
const TEXT = { base: 0xb_8000, size: 0x8000 } as const;
/** Below 4 GiB, RAM ends here; the rest goes on at 4 GiB. */
const LOW_RAM_END: number = PC_MAP.pci.ecam.base;

/** Bytes of RAM below 4 GiB, and from there on. */
export function splitRam(size: number): { readonly low: number; readonly high: number } {
  const low = Math.min(size, LOW_RAM_END);
  return { low, high: size - low };
}

/** Where RAM of so many bytes is. The bytes behind the video memory's addresses are only used for its text. */
export function pcRam(size: number): readonly RamPiece[] {
  const { low, high } = splitRam(size);
  const upper = VIDEO.base + VIDEO.size;
  const pieces: RamPiece[] = [
    { base: 0, size: VIDEO.base, offset: 0 },
    { name: "video memory", ...TEXT, offset: TEXT.base },
    { name: "upper memory", base: upper, size: MIB - upper, offset: upper },
    { name: "extended memory", base: MIB, size: low - MIB, offset: MIB },
  ];
  if (high > 0) pieces.push({ name: "high memory", base: HIGH_RAM, size: high, offset: low });
  return pieces;
}
