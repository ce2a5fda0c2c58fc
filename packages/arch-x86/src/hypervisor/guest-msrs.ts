import type { X86Cpu } from "../cpu/cpu.js";
import { type Msr, MsrTable } from "../cpu/msrs.js";
import { VmcsField as F } from "../cpu/vmx/fields.js";

const IA32_TIME_STAMP_COUNTER = 0x10;
const IA32_TSC_ADJUST = 0x3b;

/** IA32_FEATURE_CONTROL and the capability registers of VMX, which guests have not. */
const isVmx = (number: number): boolean => number === 0x3a || (number >= 0x480 && number <= 0x491);

/**
 * Model-specific registers of a guest whose accesses leave it. The virtual local APIC adds its own. What the processor
 * has besides (memory type ranges, machine checks, IA32_MISC_ENABLE), nobody but its guest uses: these accesses are
 * passed on.
 */
export class GuestMsrs extends MsrTable {
  /** The guest's time-stamp counter was written. */
  timestampWritten: () => void = () => undefined;
  private readonly cpu: X86Cpu;

  constructor(cpu: X86Cpu) {
    super();
    this.cpu = cpu;
    this.ranges.push({
      first: 0,
      last: 0xffff_ffff,
      find: (number) => (isVmx(number) ? undefined : this.passedOn(number)),
    });
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
