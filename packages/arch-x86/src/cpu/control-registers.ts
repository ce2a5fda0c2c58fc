import { CR0 as CR0_BIT, CR4 as CR4_BIT, CR4_SUPPORTED, EFER as EFER_BIT, RIGHTS } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { generalProtection, invalidOpcode, Vector } from "./fault.js";
import { PHYSICAL_BITS } from "./paging-entry.js";
import {
  CR0,
  CR2,
  CR3,
  CR4,
  DR,
  DR6,
  DR7,
  EFER,
  PDPTES,
  SEGMENTS,
  Seg,
  type SegmentFields,
} from "./state.js";
import { debugExit, VmExit, withoutLinear } from "./vmx/vm-exit.js";
import { lowHalf } from "./wide.js";

// MOV to and from control and debug registers: SDM volume 2, MOV, and volume 3, 2.5 and 17.2.

const CR0_KNOWN =
  CR0_BIT.PE |
  CR0_BIT.MP |
  CR0_BIT.EM |
  CR0_BIT.TS |
  CR0_BIT.ET |
  CR0_BIT.NE |
  CR0_BIT.WP |
  CR0_BIT.AM |
  CR0_BIT.NW |
  CR0_BIT.CD |
  CR0_BIT.PG;
/** A change of these makes all translations different ones. */
const CR4_FLUSHING = CR4_BIT.PGE | CR4_BIT.PAE | CR4_BIT.PSE | CR4_BIT.SMEP | CR4_BIT.SMAP | CR4_BIT.PCIDE;
const NO_FLUSH = 1n << 63n;
/** P, R/W, U/S of a PDPTE are reserved but for P; PWT and PCD are not. */
const PDPTE_RESERVED = 0x1e6;

export function readControl(cpu: X86Cpu, number: number): bigint {
  const { core } = cpu;
  requireRing0(cpu);
  switch (number) {
    case 0:
      return core.big(CR0);
    case 2:
      return core.big(CR2);
    case 3:
      return core.big(CR3);
    case 4:
      return core.big(CR4);
    case 8:
      return BigInt(cpu.taskPriority?.read() ?? 0);
    default:
      throw invalidOpcode();
  }
}

export function requireRing0(cpu: X86Cpu): void {
  if (cpu.cpl !== 0) throw generalProtection();
}

export function writeControl(cpu: X86Cpu, number: number, value: bigint): void {
  requireRing0(cpu);
  switch (number) {
    case 0:
      return writeCr0(cpu, value);
    case 2:
      return cpu.core.setBig(CR2, value);
    case 3:
      return writeCr3(cpu, value);
    case 4:
      return writeCr4(cpu, value);
    case 8:
      if (value >> 4n !== 0n) throw generalProtection();
      cpu.taskPriority?.write(Number(value));
      return cpu.interrupts.refresh();
    default:
      throw invalidOpcode();
  }
}

/** CR0, with all that follows from entering and leaving protected mode, paging and long mode. */
function writeCr0(cpu: X86Cpu, value: bigint): void {
  const { core } = cpu;
  if (value >> 32n !== 0n) throw generalProtection();
  const bits = (lowHalf(value) & CR0_KNOWN) | CR0_BIT.ET;
  const old = core.lo(CR0);
  const [paging, wasPaging] = [(bits & CR0_BIT.PG) !== 0, (old & CR0_BIT.PG) !== 0];
  if (paging && (bits & CR0_BIT.PE) === 0) throw generalProtection();
  if ((bits & CR0_BIT.NW) !== 0 && (bits & CR0_BIT.CD) === 0) throw generalProtection();
  const cr4 = core.lo(CR4);
  const efer = core.lo(EFER);
  if (paging && !wasPaging && (efer & EFER_BIT.LME) !== 0) {
    const { rights } = SEGMENTS[Seg.cs] as SegmentFields;
    if ((cr4 & CR4_BIT.PAE) === 0 || (core.lo(rights) & RIGHTS.long) !== 0) throw generalProtection();
    core.set(EFER, efer | EFER_BIT.LMA, 0);
  }
  if (!paging && wasPaging) {
    if (cpu.bits64 || (cr4 & CR4_BIT.PCIDE) !== 0) throw generalProtection();
    core.set(EFER, efer & ~EFER_BIT.LMA, 0);
  }
  if (paging && !wasPaging && (core.lo(EFER) & EFER_BIT.LMA) === 0 && (cr4 & CR4_BIT.PAE) !== 0)
    loadPdptes(cpu, core.big(CR3));
  core.set(CR0, bits, 0);
  // Translations made under other rules are not to come back with them: they may be of tables long changed.
  if (((bits ^ old) & (CR0_BIT.PG | CR0_BIT.WP)) !== 0) cpu.contexts.dropAll();
  // In real mode everything is ring 0; into protected mode one comes as ring 0.
  if (((bits ^ old) & CR0_BIT.PE) !== 0) cpu.setPrivilege(0);
  cpu.contexts.refresh();
}

/** MOV to CR3 forgets translations, unless it is told not to. */
export function writeCr3(cpu: X86Cpu, value: bigint): void {
  const { core, contexts } = cpu;
  const pcids = (core.lo(CR4) & CR4_BIT.PCIDE) !== 0;
  const keep = pcids && (value & NO_FLUSH) !== 0n;
  const root = pcids ? value & ~NO_FLUSH : value;
  if (cpu.longMode && root >> BigInt(PHYSICAL_BITS) !== 0n) throw generalProtection();
  if (!cpu.longMode && (core.lo(CR0) & CR0_BIT.PG) !== 0 && (core.lo(CR4) & CR4_BIT.PAE) !== 0)
    loadPdptes(cpu, root);
  core.setBig(CR3, root);
  contexts.refresh();
  if (!keep) contexts.dropCurrent();
}

/** PAE paging reads its four top entries when CR3 is loaded. */
export function loadPdptes(cpu: X86Cpu, cr3: bigint): void {
  const { core, memory } = cpu;
  const base = Number(cr3 & 0xffff_ffe0n);
  const read = (at: number) => memory.readPhysical(guestPhysical(cpu, at), 8);
  const entries = PDPTES.map((_, i) => read(base + 8 * i));
  const beyond = ~((1n << BigInt(PHYSICAL_BITS)) - 1n) & ((1n << 64n) - 1n);
  for (const entry of entries)
    if ((entry & 1n) !== 0n && (entry & (BigInt(PDPTE_RESERVED) | beyond)) !== 0n) throw generalProtection();
  for (const [i, field] of PDPTES.entries()) core.setBig(field, entries[i] as bigint);
}

/** Where the second stage has an address that is read on no linear address's behalf. */
function guestPhysical({ secondStage, line20 }: X86Cpu, address: number): number {
  const physical = line20.masked ? line20.lower(address) : address;
  try {
    return secondStage?.translate(physical, false, false) ?? physical;
  } catch (error) {
    throw error instanceof VmExit ? withoutLinear(error) : error;
  }
}

function writeCr4(cpu: X86Cpu, value: bigint): void {
  const { core } = cpu;
  const bits = lowHalf(value);
  const known = CR4_SUPPORTED & (cpu.cpuid.vmx ? -1 : ~CR4_BIT.VMXE);
  if (value >> 32n !== 0n || (bits & ~known) !== 0) throw generalProtection();
  const old = core.lo(CR4);
  const changed = bits ^ old;
  if (cpu.longMode && (bits & CR4_BIT.PAE) === 0) throw generalProtection();
  if ((changed & bits & CR4_BIT.PCIDE) !== 0 && (!cpu.longMode || (core.lo(CR3) & 0xfff) !== 0))
    throw generalProtection();
  const paging = (core.lo(CR0) & CR0_BIT.PG) !== 0;
  const reload = CR4_BIT.PAE | CR4_BIT.PGE | CR4_BIT.PSE | CR4_BIT.SMEP;
  if (paging && !cpu.longMode && (bits & CR4_BIT.PAE) !== 0 && (changed & reload) !== 0)
    loadPdptes(cpu, core.big(CR3));
  core.set(CR4, bits, 0);
  if ((changed & CR4_BIT.DE) !== 0) cpu.debugRegistersChanged();
  if ((changed & CR4_FLUSHING) !== 0) cpu.contexts.dropAll();
  cpu.contexts.refresh();
}

/** LMSW: PE can be set, not cleared. */
export function writeMachineStatus(cpu: X86Cpu, value: number): void {
  const old = cpu.core.lo(CR0);
  const low = (value & 15) | (old & CR0_BIT.PE);
  writeCr0(cpu, BigInt(((old & ~15) | low) >>> 0));
}

/** DR4 and DR5 are DR6 and DR7 as long as CR4.DE is clear. Throws the faults for want of privilege or register. */
export function debugNumber(cpu: X86Cpu, number: number): number {
  requireRing0(cpu);
  if (number !== 4 && number !== 5) {
    if (number > 7) throw invalidOpcode();
    return number;
  }
  if ((cpu.core.lo(CR4) & CR4_BIT.DE) !== 0) throw invalidOpcode();
  return number + 2;
}

const GENERAL_DETECT = 1 << 13;

function checkGeneralDetect(cpu: X86Cpu): void {
  const { core } = cpu;
  if ((core.lo(DR7) & GENERAL_DETECT) === 0) return;
  if (cpu.vmx.intercepts(Vector.debug, -1)) throw debugExit(GENERAL_DETECT, true);
  core.set(DR7, core.lo(DR7) & ~GENERAL_DETECT, 0);
  core.set(DR6, core.lo(DR6) | GENERAL_DETECT, 0);
  throw cpu.exceptions.debugFault();
}

export function readDebug(cpu: X86Cpu, number: number): bigint {
  const { core } = cpu;
  const which = debugNumber(cpu, number);
  checkGeneralDetect(cpu);
  if (which === 6) return core.big(DR6);
  return which === 7 ? core.big(DR7) : core.big(DR[which]!);
}

export function writeDebug(cpu: X86Cpu, number: number, value: bigint): void {
  const { core } = cpu;
  const which = debugNumber(cpu, number);
  checkGeneralDetect(cpu);
  if (which < 4) core.setBig(DR[which]!, value);
  else {
    if (value >> 32n !== 0n) throw generalProtection();
    const bits = lowHalf(value);
    // Reserved bits read as they are fixed: SDM volume 3, figure 17-1.
    if (which === 6) core.set(DR6, (bits & 0xe00f) | (0xffff_0ff0 | 0), 0);
    else core.set(DR7, (bits & ~0xd000) | 0x400, 0);
  }
  cpu.debugRegistersChanged();
}
