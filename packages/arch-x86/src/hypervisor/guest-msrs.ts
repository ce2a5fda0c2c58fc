import type { X86Cpu } from "../cpu/cpu.js";
import { type Msr, MsrTable } from "../cpu/msrs.js";
import { VmcsField as F } from "../cpu/vmx/fields.js";

const IA32_TIME_STAMP_COUNTER = 0x10;
const IA32_TSC_ADJUST = 0x3b;

/**
 * Registers of the processor that nobody but its guest uses, to which the guest's accesses are passed on: platform and
 * microcode, IA32_MISC_ENABLE, machine checks, memory type ranges.
 */
const PASSED_ON: readonly number[] = [
  ...[0x17, 0x79, 0x8b, 0x1a0, 0x179, 0x17a, 0xfe, 0x2ff],
  ...Array.from({ length: 16 }, (_, i) => 0x200 + i),
  ...[0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f],
];

/** Model-specific registers of a guest whose accesses leave it. The virtual local APIC adds its own. */
export class GuestMsrs extends MsrTable {
  /** The guest's time-stamp counter was written. */
  timestampWritten: () => void = () => undefined;
  private readonly cpu: X86Cpu;

  constructor(cpu: X86Cpu) {
    super();
    this.cpu = cpu;
    for (const number of PASSED_ON) this.add(number, this.passedOn(number));
    this.add(IA32_TIME_STAMP_COUNTER, {
      read: () => this.timestamp,
      write: (value) => this.moveTimestamp(value - this.timestamp),
    });
    this.add(IA32_TSC_ADJUST, {
      read: () => this.offset,
      write: (value) => this.moveTimestamp(value - this.offset),
    });
  }

  private passedOn(number: number): Msr {
    const { msrs } = this.cpu;
    return { read: () => msrs.read(number), write: (value) => msrs.write(number, value) };
  }

  /** What the guest's counter is ahead by. It starts with the processor's, so that this is IA32_TSC_ADJUST, too. */
  get offset(): bigint {
    return this.cpu.vmx.root.read(F.TSC_OFFSET);
  }

  /** The guest's time-stamp counter. */
  get timestamp(): bigint {
    return BigInt.asUintN(64, this.cpu.msrs.timestamp + this.offset);
  }

  private moveTimestamp(by: bigint): void {
    this.cpu.vmx.root.write(F.TSC_OFFSET, BigInt.asUintN(64, this.offset + by));
    this.timestampWritten();
  }
}
