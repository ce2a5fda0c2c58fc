import { CR0 as CR0_BIT, RFLAG, RIGHTS, SystemType } from "./control-bits.js";
import { writeCr3 } from "./control-registers.js";
import type { X86Cpu } from "./cpu.js";
import {
  type Descriptor,
  dplOf,
  isCode,
  isConforming,
  isPresent,
  isSegment,
  systemType,
} from "./descriptor.js";
import { markAccessed, readDescriptor, setBusy } from "./descriptor-tables.js";
import { Fault, generalProtection, invalidTss, notPresent, Vector } from "./fault.js";
import { readFlags, writeFlagFields } from "./rflags.js";
import { dataSegment, loadLocalTable, stackSegment } from "./segment-loads.js";
import { CR0, DR6, GPR, LDTR, SEGMENTS, Seg, type SegmentFields, TR } from "./state.js";
import { taskSwitchExit } from "./vmx/task-switch-exit.js";

// Task switches: SDM volume 3, chapter 8.

/** What switches: it decides about busy flags, the link back and NT. */
export type SwitchKind = "jump" | "call" | "return";

/** Where a task-state segment has its parts. */
interface TssLayout {
  /** Bytes of a register. */
  readonly size: 2 | 4;
  /** The smallest limit. */
  readonly limit: number;
  readonly ip: number;
  readonly flags: number;
  /** EAX to EDI, in the order of their numbers. */
  readonly registers: number;
  readonly segments: number;
  readonly ldt: number;
}
const WIDE: TssLayout = {
  ...{ size: 4, limit: 0x67, ip: 0x20, flags: 0x24, registers: 0x28, segments: 0x48, ldt: 0x60 },
};
const NARROW: TssLayout = {
  ...{ size: 2, limit: 0x2b, ip: 0x0e, flags: 0x10, registers: 0x12, segments: 0x22, ldt: 0x2a },
};
const CR3_AT = 0x1c;
/** Bit 0: a debug trap on switching to the task. */
const TRAP_AT = 0x64;
/** DR6.BT. */
const TASK_SWITCHED = 1 << 15;
const BUSY = 2;
const FREE_TYPES = [SystemType.tss, SystemType.tss16];
const BUSY_TYPES = [SystemType.busyTss, SystemType.busyTss16];
const REGISTERS = 8;

const layoutOf = (type: number): TssLayout => ((type | BUSY) === SystemType.busyTss ? WIDE : NARROW);
/** ES, CS, SS, DS, FS and GS; a segment of 16 bits has the first four. */
const segmentsOf = ({ size }: TssLayout): number => (size === 4 ? 6 : 4);

/**
 * Is there a task to switch to behind a selector? Gives its descriptor. `busy`: it has to be. Throws what `fault`
 * makes of the selector.
 */
export function taskBehind(
  cpu: X86Cpu,
  selector: number,
  busy: boolean,
  fault: (errorCode: number) => Fault,
): Descriptor {
  const error = selector & ~3;
  if ((selector & 4) !== 0) throw fault(error);
  const d = readDescriptor(cpu, selector, fault);
  const wanted: readonly number[] = busy ? BUSY_TYPES : FREE_TYPES;
  if (isSegment(d) || !wanted.includes(systemType(d))) throw fault(error);
  if (!isPresent(d)) throw notPresent(fault(error).errorCode);
  return d;
}

/**
 * Go on in another task; the present one goes on at `ip`. `ext`: bit 0 of error codes. `interrupt`: through a gate in
 * the IDT. Throws the exit of a guest of VMX.
 */
export function switchTo(
  cpu: X86Cpu,
  selector: number,
  d: Descriptor,
  kind: SwitchKind,
  ip: bigint,
  ext = 0,
  interrupt = false,
): void {
  const { core, memory } = cpu;
  const layout = layoutOf(systemType(d));
  if (d.limit < layout.limit) throw invalidTss((selector & ~3) | ext);
  if (cpu.vmx.guest) throw taskSwitchExit(cpu, selector, interrupt ? "interrupt" : kind);
  const base = BigInt(d.base);
  const at = (offset: number, size: number = layout.size) => memory.read(base + BigInt(offset), size);
  const old = layoutOf(core.lo(TR.rights) & 15);
  const oldBase = core.big(TR.base);
  memory.checkWrite(oldBase, old.limit + 1);
  // Everything of the new task is read before anything changes.
  const registers = Array.from({ length: REGISTERS }, (_, i) => at(layout.registers + layout.size * i));
  const selectors = Array.from({ length: segmentsOf(layout) }, (_, i) =>
    Number(at(layout.segments + layout.size * i, 2)),
  );
  const [newIp, newFlags, ldt] = [at(layout.ip), Number(at(layout.flags)), Number(at(layout.ldt, 2))];
  const wide = layout.size === 4;
  const paging = (core.lo(CR0) & CR0_BIT.PG) !== 0;
  const root = wide ? at(CR3_AT) : 0n;
  const traps = wide && (Number(at(TRAP_AT, 2)) & 1) !== 0;
  const oldSelector = core.lo(TR.selector);
  if (kind === "call") memory.write(base, 2, BigInt(oldSelector));
  saveState(cpu, old, oldBase, ip, kind);
  if (kind !== "call") setBusy(cpu, oldSelector, false);
  if (kind !== "return") setBusy(cpu, selector, true);
  cpu.segments.set(TR, selector & ~3, d.base, 0, d.limit, d.rights | BUSY);
  core.set(CR0, core.lo(CR0) | CR0_BIT.TS, 0);
  if (wide && paging) writeCr3(cpu, root);
  // Of the upper halves that a segment of 16 bits has not, the manual says nothing: Intel386 sets them.
  for (const [i, value] of registers.entries()) core.setBig(GPR[i]!, wide ? value : 0xffff_0000n | value);
  const flags = (kind === "call" ? newFlags | RFLAG.NT : newFlags) | 2;
  writeFlagFields(core, wide ? flags : flags & 0xffff);
  // From here on faults are the new task's.
  try {
    loadSegments(cpu, ldt, selectors);
    const { limit } = SEGMENTS[Seg.cs] as SegmentFields;
    if (newIp > BigInt(core.lo(limit) >>> 0)) throw generalProtection();
  } catch (error) {
    if (error instanceof Fault) error.at = newIp;
    cpu.modeChanged();
    throw error;
  }
  cpu.modeChanged();
  cpu.setIp(newIp);
  if (!traps) return;
  const fault = new Fault(Vector.debug);
  fault.at = newIp;
  core.set(DR6, core.lo(DR6) | TASK_SWITCHED, 0);
  throw fault;
}

function saveState(cpu: X86Cpu, layout: TssLayout, base: bigint, ip: bigint, kind: SwitchKind): void {
  const { core, memory } = cpu;
  const { size } = layout;
  const put = (offset: number, value: bigint, bytes: number = size) =>
    memory.write(base + BigInt(offset), bytes, BigInt.asUintN(8 * bytes, value));
  const flags = readFlags(core) & (kind === "return" ? ~RFLAG.NT : -1);
  put(layout.ip, ip);
  put(layout.flags, BigInt(flags >>> 0));
  for (let i = 0; i < REGISTERS; i++) put(layout.registers + size * i, core.big(GPR[i]!));
  for (let i = 0; i < segmentsOf(layout); i++)
    put(layout.segments + size * i, core.big((SEGMENTS[i] as SegmentFields).selector), 2);
}

/** Selectors first, then what they name: where that fails, nothing can be accessed through the rest. */
function loadSegments(cpu: X86Cpu, ldt: number, selectors: readonly number[]): void {
  const { segments } = cpu;
  if (cpu.virtual8086) {
    cpu.setPrivilege(3);
    loadTable(cpu, ldt);
    for (let i = 0; i < 6; i++) segments.loadReal(i, selectors[i] ?? 0, true);
    return;
  }
  for (let i = 0; i < 6; i++) segments.loadNull(i, selectors[i] ?? 0);
  const [es, cs, ss, ds, fs, gs] = [0, 1, 2, 3, 4, 5].map((i) => selectors[i] ?? 0) as [
    ...[number, number, number, number, number, number],
  ];
  const cpl = cs & 3;
  cpu.setPrivilege(cpl);
  segments.setStackPrivilege(cpl);
  loadTable(cpu, ldt);
  segments.load(Seg.cs, cs, codeSegment(cpu, cs));
  segments.load(Seg.ss, ss, stackSegment(cpu, ss, cpl, invalidTss));
  const rest = [
    ...[[Seg.ds, ds] as const, [Seg.es, es] as const],
    ...[[Seg.fs, fs] as const, [Seg.gs, gs] as const],
  ];
  for (const [number, selector] of rest) {
    if ((selector & ~3) === 0) continue;
    segments.load(number, selector, dataSegment(cpu, selector, cpl, invalidTss));
  }
}

function loadTable(cpu: X86Cpu, selector: number): void {
  const { core } = cpu;
  core.set(LDTR.selector, selector, 0);
  core.set(LDTR.rights, RIGHTS.unusable, 0);
  if ((selector & ~3) === 0) return;
  try {
    loadLocalTable(cpu, selector);
  } catch (error) {
    if (error instanceof Fault && error.vector !== Vector.page) throw invalidTss(selector & ~3);
    throw error;
  }
}

function codeSegment(cpu: X86Cpu, selector: number): Descriptor {
  const error = selector & ~3;
  if (error === 0) throw invalidTss(error);
  const d = readDescriptor(cpu, selector, invalidTss);
  const rpl = selector & 3;
  if (!isCode(d) || (isConforming(d) ? dplOf(d) > rpl : dplOf(d) !== rpl)) throw invalidTss(error);
  if (!isPresent(d)) throw notPresent(error);
  return markAccessed(cpu, selector, d);
}
