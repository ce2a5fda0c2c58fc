import { RIGHTS } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { generalProtection } from "./fault.js";
import { TR } from "./state.js";

// IN and OUT: SDM volume 1, 19.5. With less privilege than IOPL, the task-state segment's bitmap decides.

/** Offset of the I/O map's offset in a task-state segment of 32 or 64 bits. */
const MAP_BASE = 0x66;

/** Throws #GP where the task may not use the ports. */
export function checkPort(cpu: X86Cpu, port: number, size: number): void {
  if (!cpu.protectedMode) return;
  if (cpu.cpl <= cpu.iopl && !cpu.virtual8086) return;
  const { core, memory } = cpu;
  const limit = core.lo(TR.limit) >>> 0;
  const wide = (core.lo(TR.rights) & 8) !== 0 && (core.lo(TR.rights) & RIGHTS.unusable) === 0;
  if (!wide || limit < MAP_BASE + 1) throw generalProtection();
  const base = core.big(TR.base);
  const at = Number(memory.read(base + BigInt(MAP_BASE), 2)) + (port >> 3);
  if (at + 1 > limit) throw generalProtection();
  const bits = Number(memory.read(base + BigInt(at), 2)) >> (port & 7);
  if ((bits & ((1 << size) - 1)) !== 0) throw generalProtection();
}

export function readPort(cpu: X86Cpu, port: number, size: 1 | 2 | 4): number {
  checkPort(cpu, port, size);
  cpu.debug.port(port, size);
  return cpu.ports.read(port, size);
}

export function writePort(cpu: X86Cpu, port: number, size: 1 | 2 | 4, value: number): void {
  checkPort(cpu, port, size);
  cpu.debug.port(port, size);
  cpu.ports.write(port, size, value >>> 0);
}
