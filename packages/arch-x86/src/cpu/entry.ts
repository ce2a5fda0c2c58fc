import { CR0 as CR0_BIT, CR4 as CR4_BIT, EFER as EFER_BIT, RIGHTS } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import {
  Activity,
  activity,
  CR0,
  CR3,
  CR4,
  EFER,
  GDTR,
  GPR,
  Gpr,
  SEGMENTS,
  Seg,
  type SegmentFields,
} from "./state.js";

// States in which boot protocols have a processor enter what they loaded.

/** General registers that a boot protocol gives a value; the others are 0. */
export type EntryRegisters = Partial<Record<keyof typeof Gpr, number>>;

interface Entry {
  /** Linear address of the first instruction. */
  readonly pc: number;
  readonly registers?: EntryRegisters;
}

/** A processor in 32-bit protected mode, or in 64-bit mode: flat segments, interrupts off. */
export interface ProtectedEntry extends Entry {
  readonly kind: "protected";
  /** Selectors of code and data, and the table that they are in, where a protocol promises one. */
  readonly code: number;
  readonly data: number;
  readonly gdt?: { readonly base: number; readonly limit: number };
}

export interface LongEntry extends Omit<ProtectedEntry, "kind"> {
  readonly kind: "long";
  /** Physical address of the level-4 table. */
  readonly pageTable: number;
}

/** Real mode: segments are 16 times their selectors. */
export interface RealEntry {
  readonly kind: "real";
  readonly cs: number;
  readonly ip: number;
  /** All other segments. */
  readonly data: number;
  readonly registers?: EntryRegisters;
}

/** The reset vector. */
export interface ResetEntry {
  readonly kind: "reset";
}

/** Nowhere: it waits for a start-up IPI. */
export interface WaitingEntry {
  readonly kind: "waiting";
}

export type EntryState = ProtectedEntry | LongEntry | RealEntry | ResetEntry | WaitingEntry;

const FLAT = RIGHTS.present | RIGHTS.segment | RIGHTS.writable | RIGHTS.accessed | RIGHTS.granularity;

/** Put a processor that was just reset where a boot protocol enters what it loaded. */
export function enter(cpu: X86Cpu, state: EntryState): void {
  if (state.kind === "reset") return;
  const { core } = cpu;
  if (state.kind === "waiting") return core.set(activity, Activity.waitForSipi, 0);
  for (const field of GPR) core.set(field, 0, 0);
  for (const [name, value] of Object.entries(state.registers ?? {}))
    core.setBig(GPR[Gpr[name as keyof typeof Gpr]]!, BigInt(value));
  if (state.kind === "real") enterReal(cpu, state);
  else enterFlat(cpu, state);
}

function enterReal(cpu: X86Cpu, { cs, ip, data }: RealEntry): void {
  for (const number of [Seg.es, Seg.ss, Seg.ds, Seg.fs, Seg.gs]) setReal(cpu, number, data);
  setReal(cpu, Seg.cs, cs);
  cpu.reload();
  cpu.core.setPc(16 * cs + ip, 0);
}

function setReal({ core }: X86Cpu, number: number, selector: number): void {
  const { selector: field, base } = SEGMENTS[number] as SegmentFields;
  core.set(field, selector, 0);
  core.set(base, 16 * selector, 0);
}

function enterFlat(cpu: X86Cpu, state: ProtectedEntry | LongEntry): void {
  const { core } = cpu;
  const { code, data, gdt, pc } = state;
  core.set(CR0, CR0_BIT.PE | CR0_BIT.ET | (state.kind === "long" ? CR0_BIT.PG : 0), 0);
  if (state.kind === "long") {
    core.setBig(CR3, BigInt(state.pageTable));
    core.set(CR4, CR4_BIT.PAE, 0);
    core.set(EFER, EFER_BIT.LME | EFER_BIT.LMA, 0);
  }
  if (gdt !== undefined) {
    core.setBig(GDTR.base, BigInt(gdt.base));
    core.set(GDTR.limit, gdt.limit, 0);
  }
  const kind = state.kind === "long" ? RIGHTS.long : RIGHTS.big;
  setFlat(cpu, Seg.cs, code, FLAT | RIGHTS.code | kind);
  for (const number of [Seg.es, Seg.ss, Seg.ds, Seg.fs, Seg.gs])
    setFlat(cpu, number, data, FLAT | RIGHTS.big);
  cpu.reload();
  core.setBig(cpu.layout.pc, BigInt(pc));
}

function setFlat({ core }: X86Cpu, number: number, selector: number, rights: number): void {
  const fields = SEGMENTS[number] as SegmentFields;
  core.set(fields.selector, selector, 0);
  core.set(fields.base, 0, 0);
  core.set(fields.limit, -1, 0);
  core.set(fields.rights, rights, 0);
}
