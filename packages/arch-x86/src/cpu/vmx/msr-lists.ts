import type { X86Cpu } from "../cpu.js";
import { Fault } from "../fault.js";

// Lists of MSRs that entries and exits load and store: SDM volume 3, 25.7.2, 27.4, 28.4.

const ENTRY_SIZE = 16;
/** FS and GS bases are loaded by other means; microcode updates and the local APIC not at all. */
const isLoadable = (number: number): boolean =>
  number !== 0xc000_0100 && number !== 0xc000_0101 && number !== 0x79 && number >> 8 !== 8;

/** Load a list. Gives the number of the entry that cannot be, from 1; 0 if all were. */
export function loadMsrs(cpu: X86Cpu, address: bigint, count: number): number {
  const { memory, msrs } = cpu;
  for (let i = 0; i < count; i++) {
    const at = Number(address) + ENTRY_SIZE * i;
    const [number, reserved] = [Number(memory.readPhysical(at, 4)), memory.readPhysical(at + 4, 4)];
    if (reserved !== 0n || !isLoadable(number)) return i + 1;
    if (!succeeds(() => msrs.write(number, memory.readPhysical(at + 8, 8)))) return i + 1;
  }
  return 0;
}

/** Store a list: as `loadMsrs`. */
export function storeMsrs(cpu: X86Cpu, address: bigint, count: number): number {
  const { memory, msrs } = cpu;
  for (let i = 0; i < count; i++) {
    const at = Number(address) + ENTRY_SIZE * i;
    const [number, reserved] = [Number(memory.readPhysical(at, 4)), memory.readPhysical(at + 4, 4)];
    if (reserved !== 0n) return i + 1;
    if (!succeeds(() => memory.writePhysical(at + 8, 8, msrs.read(number)))) return i + 1;
  }
  return 0;
}

function succeeds(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}
