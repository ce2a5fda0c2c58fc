import { RFLAG, RIGHTS, SystemType } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { type Descriptor, dplOf, isCode, isConforming, isPresent, isWritableData } from "./descriptor.js";
import { entry, find, halves, place } from "./quick-tables.js";
import { readFlags, writeFlagFields } from "./rflags.js";
import { GPR, Gpr, IDTR, interruptShadow, SEGMENTS, Seg, type SegmentFields, TR } from "./state.js";

// The same as quick-transfers.ts for operating systems of 32 bits with flat segments: exceptions, interrupts and INT
// through 32-bit gates to ring 0, and IRET from there.

const RSP = GPR[Gpr.rsp]!;
const STACK = SEGMENTS[Seg.ss] as SegmentFields;
const CODE = SEGMENTS[Seg.cs] as SegmentFields;
const UNUSUAL = RFLAG.VM | RFLAG.NT | RFLAG.TF | RFLAG.VIF | RFLAG.VIP;
const DATA_SEGMENTS = [Seg.es, Seg.ds, Seg.fs, Seg.gs] as const;
const ALL = 0xffff_ffff;

/** A segment of 4 GiB from 0 on with 32-bit code or a 32-bit stack. */
const isFlat = ({ base, limit, rights }: Descriptor): boolean =>
  base === 0 && limit === ALL && (rights & RIGHTS.big) !== 0;

function flatCode(cpu: X86Cpu, selector: number, dpl: number): Descriptor | undefined {
  const d = find(cpu, selector);
  const fits = d !== undefined && isCode(d) && isPresent(d) && !isConforming(d) && dplOf(d) === dpl;
  return fits && isFlat(d) ? d : undefined;
}

function flatStack(cpu: X86Cpu, selector: number, dpl: number): Descriptor | undefined {
  const d = find(cpu, selector);
  const fits = d !== undefined && isWritableData(d) && isPresent(d) && dplOf(d) === dpl;
  const grows = fits && (d.rights & RIGHTS.expandDown) !== 0;
  return fits && !grows && (selector & 3) === dpl && isFlat(d) ? d : undefined;
}

/** Is this the 32-bit code of a system with flat segments? */
const isUsual = (cpu: X86Cpu): boolean =>
  cpu.protectedMode && !cpu.virtual8086 && cpu.codeSize === 32 && cpu.segments.flat;

/** Deliver an event in protected mode. False: nothing has been done, and the general way is to be taken. */
export function quickProtectedEvent(
  cpu: X86Cpu,
  vector: number,
  byInstruction: boolean,
  errorCode: number,
  ip: number,
  resume: number,
): boolean {
  const { core, segments, cpl } = cpu;
  if (!isUsual(cpu) || (cpl !== 0 && cpl !== 3) || 8 * vector + 7 > core.lo(IDTR.limit)) return false;
  const at = entry(cpu, halves(cpu, IDTR.base), 8 * vector, 8);
  if (at < 0) return false;
  const { words } = core;
  const [low, high] = [words[at] as number, words[at + 1] as number];
  const type = (high >> 8) & 0x1f;
  if ((high & (RIGHTS.present << 8)) === 0 || (byInstruction && ((high >> 13) & 3) < cpl)) return false;
  if (type !== SystemType.interruptGate && type !== SystemType.trapGate) return false;
  const selector = low >>> 16;
  const code = flatCode(cpu, selector, 0);
  if (code === undefined) return false;

  const inner = cpl !== 0;
  const old = core.lo(RSP);
  let top = old;
  let stack: Descriptor | undefined;
  let stackSelector = 0;
  if (inner) {
    const usual = (core.lo(TR.rights) & 15) === SystemType.busyTss && core.lo(TR.limit) >>> 0 >= 11;
    const task = usual ? entry(cpu, halves(cpu, TR.base), 4, 8) : -1;
    if (task < 0) return false;
    top = words[task] as number;
    stackSelector = (words[task + 1] as number) & 0xffff;
    stack = flatStack(cpu, stackSelector, 0);
    if (stack === undefined) return false;
  } else if ((core.lo(STACK.rights) & RIGHTS.big) === 0) return false;
  const bytes = 4 * (3 + (errorCode < 0 ? 0 : 1) + (inner ? 2 : 0));
  const lowest = (top - bytes) | 0;
  const frame = lowest >>> 0 < top >>> 0 ? place(cpu, lowest, 0, bytes, true) : -1;
  if (frame < 0) return false;

  const flags = readFlags(core);
  let to = frame;
  if (errorCode >= 0) words[to++] = errorCode;
  words[to++] = ip;
  words[to++] = core.lo(CODE.selector);
  words[to++] = flags | resume;
  if (inner) {
    words[to++] = old;
    words[to] = core.lo(STACK.selector);
  }
  core.ramWritten(frame * 4, bytes);

  if (stack !== undefined) segments.load(Seg.ss, stackSelector, stack);
  core.set(RSP, lowest, 0);
  segments.load(Seg.cs, selector & ~3, code);
  cpu.setPrivilege(0);
  const masked = type === SystemType.interruptGate ? RFLAG.IF : 0;
  writeFlagFields(core, flags & ~(RFLAG.TF | RFLAG.VM | RFLAG.RF | RFLAG.NT | masked));
  cpu.modeChanged();
  core.setPc((low & 0xffff) | (high & 0xffff_0000), 0);
  return true;
}

/** IRETD in protected mode. False: nothing has been done, and the general way is to be taken. */
export function quickProtectedReturn(cpu: X86Cpu): boolean {
  const { core, segments } = cpu;
  if (cpu.longMode || !isUsual(cpu) || cpu.cpl !== 0 || (core.lo(STACK.rights) & RIGHTS.big) === 0)
    return false;
  const old = core.lo(RSP);
  const short = place(cpu, old, 0, 12, false);
  if (short < 0) return false;
  const { words } = core;
  const [ip, selector, popped] = [
    words[short] as number,
    (words[short + 1] as number) & 0xffff,
    words[short + 2] as number,
  ];
  const rpl = selector & 3;
  if ((rpl !== 0 && rpl !== 3) || ((popped | readFlags(core)) & UNUSUAL) !== 0) return false;
  const code = flatCode(cpu, selector, rpl);
  if (code === undefined || (code.rights & RIGHTS.accessed) === 0) return false;
  if (rpl === 0) {
    core.set(interruptShadow, 0, 0);
    core.set(RSP, (old + 12) | 0, 0);
  } else {
    if (place(cpu, old, 0, 20, false) < 0) return false;
    const stackSelector = (words[short + 4] as number) & 0xffff;
    const stack = flatStack(cpu, stackSelector, 3);
    if (stack === undefined || (stack.rights & RIGHTS.accessed) === 0 || !keepsData(cpu)) return false;
    core.set(interruptShadow, 0, 0);
    segments.load(Seg.ss, stackSelector, stack);
    core.set(RSP, words[short + 3] as number, 0);
  }
  segments.load(Seg.cs, selector, code);
  writeFlagFields(core, popped);
  cpu.setPrivilege(rpl);
  cpu.modeChanged();
  core.setPc(ip, 0);
  return true;
}

/** Are all data segments such that ring 3 may keep them? */
function keepsData({ core }: X86Cpu): boolean {
  return DATA_SEGMENTS.every((number) => {
    const { selector, rights } = SEGMENTS[number] as SegmentFields;
    return (core.lo(selector) & ~3) === 0 || (core.lo(rights) & RIGHTS.dpl) === RIGHTS.dpl;
  });
}
