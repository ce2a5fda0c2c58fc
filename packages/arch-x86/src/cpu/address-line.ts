import type { X86Cpu } from "./cpu.js";

const LINE = 2 ** 20;

/**
 * The processor's input A20M#: while it is low, bit 20 of every physical address that the processor puts on its bus is 0,
 * as programs of the 8086 count on that lie at the end of its MiB. For a guest of a hypervisor those are the addresses
 * that the second stage translates.
 */
export class AddressLine20 {
  /** It is low. */
  masked = false;
  private readonly cpu: X86Cpu;
  private wanted = false;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /** The chip set drives it. It counts from the next instruction on. */
  mask(masked: boolean): void {
    this.wanted = masked;
    const { cpu } = this;
    // What the present instruction has translated it goes on to use.
    if (cpu.sliceStart >= 0) cpu.core.requestDispatch();
    else this.settle();
  }

  /** Between two instructions. */
  settle(): void {
    if (this.masked === this.wanted) return;
    this.masked = this.wanted;
    this.cpu.contexts.reset();
  }

  /** A physical address as it is on the bus, while the line is low. */
  lower(physical: number): number {
    return Math.floor(physical / LINE) % 2 === 0 ? physical : physical - LINE;
  }
}
