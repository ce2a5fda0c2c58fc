import { Timebase } from "@hypercraft/hypercraft";
import type { X86Cpu } from "../cpu/cpu.js";
import { generalProtection } from "../cpu/fault.js";
import { initProcessor, startUpProcessor } from "../cpu/init.js";
import type { Msr, MsrTable } from "../cpu/msrs.js";
import { activity } from "../cpu/state.js";
import type { X86GuestVCpu } from "../hypervisor/guest-vcpu.js";
import { type ApicProcessor, LocalApic, type LocalApicOptions } from "./local-apic.js";

const IA32_APIC_BASE = 0x1b;
/** Bytes of the registers of xAPIC mode. */
const PAGE = 4096;
const IA32_TSC_DEADLINE = 0x6e0;
/** The registers of x2APIC mode. */
const EXTENDED = { first: 0x800, last: 0x8ff } as const;

/** What of a local APIC its owner does not decide. */
export type LocalApicParts = Omit<LocalApicOptions, "id" | "processor" | "tsc">;

export interface ConnectedApicOptions extends LocalApicParts {
  /** A processor that waits was told something that may end this. */
  readonly woken?: () => void;
}

/** Who has a local APIC: a processor, or a guest's virtual one. */
interface ApicOwner {
  readonly id: number;
  readonly processor: ApicProcessor;
  /** Where its registers are found that are no memory. */
  readonly msrs: MsrTable & { timestampWritten: () => void };
  /** The time-stamp counter that it sees. */
  timestamp(): bigint;
}

/** A local APIC with IA32_APIC_BASE, the registers of x2APIC mode and IA32_TSC_DEADLINE. */
function install(cpu: X86Cpu, owner: ApicOwner, options: LocalApicParts): LocalApic {
  const timebase = new Timebase(cpu.tscHz);
  const { msrs } = owner;
  const apic = new LocalApic({
    ...options,
    id: owner.id,
    processor: owner.processor,
    tsc: {
      now: () => owner.timestamp(),
      reaches: (value) => {
        const ahead = value - owner.timestamp();
        // What the counter of the hardware has to be, which nobody can write.
        const ticks = Number(cpu.timestamp() + ahead);
        return ahead > 0n ? timebase.nanoseconds(ticks) : cpu.clock.now();
      },
    },
  });
  msrs.add(
    IA32_APIC_BASE,
    checked(
      () => apic.base,
      (value) => apic.writeBase(value),
    ),
  );
  msrs.add(IA32_TSC_DEADLINE, {
    read: () => apic.timer.deadline,
    write: (value) => {
      apic.timer.deadline = value;
    },
  });
  msrs.ranges.push({ ...EXTENDED, find: (number) => extendedRegister(apic, number) });
  msrs.timestampWritten = () => apic.timer.timestampChanged();
  return apic;
}

/**
 * Gives a processor its local APIC: interrupts, CR8, IA32_APIC_BASE, the registers of x2APIC mode, IA32_TSC_DEADLINE,
 * INIT and SIPI. Those of xAPIC mode have to be put on the bus (`localApicPage`).
 */
export function connectLocalApic(cpu: X86Cpu, options: ConnectedApicOptions): LocalApic {
  const tell = (act: () => void) => {
    const waited = cpu.core.lo(activity) !== 0;
    act();
    if (waited) options.woken?.();
  };
  const processor: ApicProcessor = {
    interruptsChanged: () => tell(() => cpu.interrupts.refresh()),
    nmi: () => tell(() => cpu.interrupts.raiseNmi()),
    // There is no system-management mode.
    smi: () => undefined,
    init: () => tell(() => initProcessor(cpu, apic.isBootstrap)),
    startUp: (vector) => tell(() => startUpProcessor(cpu, vector)),
  };
  const timestamp = () => cpu.msrs.timestamp;
  const apic = install(cpu, { id: cpu.index, processor, msrs: cpu.msrs, timestamp }, options);
  cpu.interrupts.apic = apic;
  cpu.ownDevice = (physical) => {
    const offset = physical - apic.address;
    return apic.moved && offset >= 0 && offset < PAGE ? { device: apic, offset } : undefined;
  };
  cpu.taskPriority = {
    read: () => apic.taskPriority >> 4,
    write: (value) => {
      apic.taskPriority = value << 4;
    },
  };
  cpu.cpuid.apicEnabled = () => apic.enabled;
  return apic;
}

/**
 * Gives a guest's virtual CPU its virtual local APIC: interrupts by injection, the same registers by exits. Those of
 * xAPIC mode have to be put on the VM's bus, where the second stage maps nothing.
 */
export function connectGuestApic(vcpu: X86GuestVCpu, options: LocalApicParts): LocalApic {
  const processor: ApicProcessor = {
    interruptsChanged: () => vcpu.interruptsChanged(),
    nmi: () => vcpu.raiseNmi(),
    smi: () => undefined,
    init: () => vcpu.init(apic.isBootstrap),
    startUp: (vector) => vcpu.startUp(vector),
  };
  const { msrs } = vcpu;
  const timestamp = () => msrs.timestamp;
  const apic = install(vcpu.cpu, { id: vcpu.vcpuId, processor, msrs, timestamp }, options);
  vcpu.apic = apic;
  return apic;
}

function checked(read: () => bigint | undefined, write: (value: bigint) => boolean): Msr {
  return {
    read: () => {
      const value = read();
      if (value === undefined) throw generalProtection();
      return value;
    },
    write: (value) => {
      if (!write(value)) throw generalProtection();
    },
  };
}

function extendedRegister(apic: LocalApic, number: number): Msr {
  return checked(
    () => apic.readMsr(number),
    (value) => apic.writeMsr(number, value),
  );
}
