import { Register } from "../../../interrupts/local-apic-registers.js";
import { generalProtection } from "../../fault.js";
import type { VmExit } from "../vm-exit.js";
import type { VirtualApic } from "./virtual-apic.js";

// RDMSR and WRMSR of a guest whose x2APIC mode is virtualized: SDM volume 3, 30.5. It does not matter which mode the
// local APIC itself is in.

const FIRST = 0x800;
const LAST = 0x8ff;

/** What RDMSR gives; undefined: what it does without this. `registers`: APIC-register virtualization is on. */
export function readVirtual(apic: VirtualApic, msr: number, registers: boolean): bigint | undefined {
  if (msr < FIRST || msr > LAST || apic.page === undefined) return undefined;
  const register = msr - FIRST;
  return registers || register === Register.taskPriority ? apic.page.getWide(register) : undefined;
}

/** The largest values of the registers that have special processing. */
const LARGEST: Readonly<Record<number, bigint>> = {
  [Register.taskPriority]: 0xffn,
  [Register.endOfInterrupt]: 0n,
  [Register.selfInterrupt]: 0xffn,
};

/** WRMSR. False: it does what it does without this; else the exit that follows, if one does. Throws #GP. */
export function writeVirtual(apic: VirtualApic, msr: number, value: bigint): VmExit | undefined | false {
  const register = msr - FIRST;
  const largest = LARGEST[register];
  if (largest === undefined || apic.page === undefined) return false;
  if (register !== Register.taskPriority && !apic.delivers) return false;
  if (value > largest) throw generalProtection();
  apic.page.setWide(register, value);
  switch (register) {
    case Register.taskPriority:
      return apic.writeTaskPriority(Number(value));
    case Register.endOfInterrupt:
      return apic.endInterrupt();
    default:
      return apic.sendSelf();
  }
}
