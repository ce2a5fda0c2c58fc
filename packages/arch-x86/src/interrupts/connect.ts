import { Timebase } from "@hypercraft/hypercraft";
import type { X86Cpu } from "../cpu/cpu.js";
import { generalProtection } from "../cpu/fault.js";
import { initProcessor, startUpProcessor } from "../cpu/init.js";
import type { Msr } from "../cpu/msrs.js";
import { activity } from "../cpu/state.js";
import { LocalApic, type LocalApicOptions } from "./local-apic.js";

const IA32_APIC_BASE = 0x1b;
const IA32_TSC_DEADLINE = 0x6e0;
/** The registers of x2APIC mode. */
const EXTENDED = { first: 0x800, last: 0x8ff } as const;

export interface ConnectedApicOptions extends Omit<LocalApicOptions, "id" | "processor" | "tsc"> {
  /** A processor that waits was told something that may end this. */
  readonly woken?: () => void;
}

/**
 * Gives a processor its local APIC: interrupts, CR8, IA32_APIC_BASE, the registers of x2APIC mode, IA32_TSC_DEADLINE,
 * INIT and SIPI. Those of xAPIC mode have to be put on the bus (`localApicPage`).
 */
export function connectLocalApic(cpu: X86Cpu, options: ConnectedApicOptions): LocalApic {
  const timebase = new Timebase(cpu.tscHz);
  const tell = (act: () => void) => {
    const waited = cpu.core.lo(activity) !== 0;
    act();
    if (waited) options.woken?.();
  };
  const apic = new LocalApic({
    ...options,
    id: cpu.index,
    processor: {
      interruptsChanged: () => tell(() => cpu.interrupts.refresh()),
      nmi: () => tell(() => cpu.interrupts.raiseNmi()),
      // There is no system-management mode.
      smi: () => undefined,
      init: () => tell(() => initProcessor(cpu, apic.isBootstrap)),
      startUp: (vector) => tell(() => startUpProcessor(cpu, vector)),
    },
    tsc: {
      now: () => cpu.msrs.timestamp,
      reaches: (value) => {
        const ahead = value - cpu.msrs.timestamp;
        // What the counter has to be without IA32_TSC_ADJUST.
        const ticks = Number(cpu.timestamp() + ahead);
        return ahead > 0n ? timebase.nanoseconds(ticks) : cpu.clock.now();
      },
    },
  });
  cpu.interrupts.apic = apic;
  cpu.taskPriority = {
    read: () => apic.taskPriority >> 4,
    write: (value) => {
      apic.taskPriority = value << 4;
    },
  };
  cpu.msrs.add(
    IA32_APIC_BASE,
    checked(
      () => apic.base,
      (value) => apic.writeBase(value),
    ),
  );
  cpu.msrs.add(IA32_TSC_DEADLINE, {
    read: () => apic.timer.deadline,
    write: (value) => {
      apic.timer.deadline = value;
    },
  });
  cpu.msrs.ranges.push({ ...EXTENDED, find: (number) => extendedRegister(apic, number) });
  cpu.msrs.timestampWritten = () => apic.timer.timestampChanged();
  cpu.cpuid.apicEnabled = () => apic.enabled;
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
