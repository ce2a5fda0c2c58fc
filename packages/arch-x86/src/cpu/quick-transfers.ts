import { isCanonicalHalf } from "./canonical.js";
import { RFLAG, RIGHTS, SystemType } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { type Descriptor, dplOf, isCode, isConforming, isPresent, isWritableData } from "./descriptor.js";
import { entry, find, halves, place } from "./quick-tables.js";
import { readFlags, writeFlagFields } from "./rflags.js";
import { GPR, Gpr, IDTR, interruptShadow, SEGMENTS, Seg, type SegmentFields, TR } from "./state.js";

// The ways into ring 0 and back that operating systems of 64 bits take all the time, in the form they take them in:
// an exception or interrupt through a gate to flat code of ring 0, and IRET to flat code of 64 bits. Everything is
// looked at before anything is changed: whatever is unusual is left to exceptions.ts and transfers/, which know all of
// the manual. Addresses are in halves, as 64-bit integers are slow.

const RSP = GPR[Gpr.rsp]!;
const STACK = SEGMENTS[Seg.ss] as SegmentFields;
const CODE = SEGMENTS[Seg.cs] as SegmentFields;
const LONG_CODE = RIGHTS.long | RIGHTS.big;
/** What IRET leaves alone, or does more about than writing flags. */
const UNUSUAL = RFLAG.VM | RFLAG.NT | RFLAG.TF | RFLAG.VIF | RFLAG.VIP;
/** The data segments that a return to ring 3 may have to take away. */
const DATA_SEGMENTS = [Seg.es, Seg.ds, Seg.fs, Seg.gs] as const;

/** Code of 64 bits that can be entered at a privilege level; undefined for anything else. */
function longCode(cpu: X86Cpu, selector: number, dpl: number): Descriptor | undefined {
  const d = find(cpu, selector);
  const fits = d !== undefined && isCode(d) && isPresent(d) && !isConforming(d) && dplOf(d) === dpl;
  return fits && (d.rights & LONG_CODE) === RIGHTS.long ? d : undefined;
}

/** Deliver an event in long mode, `ip` in halves. False: nothing has been done, and the general way is to be taken. */
export function quickEvent(
  cpu: X86Cpu,
  vector: number,
  errorCode: number,
  ipLo: number,
  ipHi: number,
  resume: number,
): boolean {
  const { core, segments } = cpu;
  if (16 * vector + 15 > core.lo(IDTR.limit)) return false;
  const gate = entry(cpu, halves(cpu, IDTR.base), 16 * vector, 16);
  if (gate < 0) return false;
  const { words } = core;
  const [low, high, targetHi] = [words[gate] as number, words[gate + 1] as number, words[gate + 2] as number];
  const type = (high >> 8) & 0x1f;
  const present = (high & (RIGHTS.present << 8)) !== 0;
  if (!present || (type !== SystemType.interruptGate && type !== SystemType.trapGate)) return false;
  const selector = low >>> 16;
  const code = longCode(cpu, selector, 0);
  const targetLo = (low & 0xffff) | (high & 0xffff_0000);
  if (code === undefined || !isCanonicalHalf(targetHi)) return false;

  const inner = cpu.cpl !== 0;
  const stackOf = high & 7;
  const old = halves(cpu, RSP);
  let top = old;
  if (inner || stackOf !== 0) {
    const slot = stackOf === 0 ? 4 : 0x24 + 8 * (stackOf - 1);
    const at = slot + 7 > core.lo(TR.limit) >>> 0 ? -1 : entry(cpu, halves(cpu, TR.base), slot, 8);
    if (at < 0) return false;
    top = { lo: words[at] as number, hi: words[at + 1] as number };
  }
  const bytes = errorCode < 0 ? 40 : 48;
  const end = top.lo & ~15;
  const lo = (end - bytes) | 0;
  // A frame that crosses a page, as one at the bottom of four gigabytes would, is not for here.
  const frame = isCanonicalHalf(top.hi) && lo >>> 0 < end >>> 0 ? place(cpu, lo, top.hi, bytes, true) : -1;
  if (frame < 0) return false;

  const flags = readFlags(core);
  let at = frame;
  if (errorCode >= 0) {
    words[at++] = errorCode;
    words[at++] = 0;
  }
  words[at++] = ipLo;
  words[at++] = ipHi;
  words[at++] = core.lo(CODE.selector);
  words[at++] = 0;
  words[at++] = flags | resume;
  words[at++] = 0;
  words[at++] = old.lo;
  words[at++] = old.hi;
  words[at++] = core.lo(STACK.selector);
  words[at] = 0;
  core.ramWritten(frame * 4, bytes);

  if (inner) segments.loadNull(Seg.ss, 0);
  core.set(RSP, lo, top.hi);
  segments.load(Seg.cs, selector & ~3, code);
  if (inner) {
    cpu.setPrivilege(0);
    segments.setStackPrivilege(0);
  }
  const masked = type === SystemType.interruptGate ? RFLAG.IF : 0;
  writeFlagFields(core, flags & ~(RFLAG.TF | RFLAG.VM | RFLAG.RF | RFLAG.NT | masked));
  cpu.modeChanged();
  core.setPc(targetLo, targetHi);
  return true;
}

/** IRETQ in 64-bit mode. False: nothing has been done, and the general way is to be taken. */
export function quickReturn(cpu: X86Cpu): boolean {
  const { core, segments, cpl } = cpu;
  if (!cpu.bits64 || (cpl !== 0 && cpl !== 3)) return false;
  const old = halves(cpu, RSP);
  const frame = cpl === 0 ? place(cpu, old.lo, old.hi, 40, false) : -1;
  if (frame < 0 || !isCanonicalHalf(old.hi)) return false;
  const { words } = core;
  const word = (index: number): number => words[frame + index] as number;
  const [ipLo, ipHi, selector, popped] = [word(0), word(1), word(2) & 0xffff, word(4)];
  const [spLo, spHi, stackSelector] = [word(6), word(7), word(8) & 0xffff];
  const before = readFlags(core);
  if (((popped | before) & UNUSUAL) !== 0 || !isCanonicalHalf(ipHi)) return false;
  const rpl = selector & 3;
  if (rpl !== 0 && rpl !== 3) return false;
  const code = longCode(cpu, selector, rpl);
  if (code === undefined || (code.rights & RIGHTS.accessed) === 0) return false;
  const nullStack = (stackSelector & ~3) === 0;
  if (nullStack && (rpl === 3 || (stackSelector & 3) !== 0)) return false;
  const stack = nullStack ? undefined : find(cpu, stackSelector);
  if (!nullStack) {
    if (stack === undefined || !isWritableData(stack) || !isPresent(stack)) return false;
    if ((stackSelector & 3) !== rpl || dplOf(stack) !== rpl || (stack.rights & RIGHTS.accessed) === 0)
      return false;
  }
  if (rpl === 3)
    for (const number of DATA_SEGMENTS)
      if ((core.lo((SEGMENTS[number] as SegmentFields).selector) & ~3) !== 0) return false;

  core.set(interruptShadow, 0, 0);
  if (stack === undefined) segments.loadNull(Seg.ss, stackSelector);
  else segments.load(Seg.ss, stackSelector, stack);
  core.set(RSP, spLo, spHi);
  segments.load(Seg.cs, selector, code);
  writeFlagFields(core, popped);
  cpu.setPrivilege(rpl);
  segments.setStackPrivilege(rpl);
  cpu.modeChanged();
  core.setPc(ipLo, ipHi);
  return true;
}
