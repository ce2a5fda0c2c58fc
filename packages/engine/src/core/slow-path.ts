import { SlowAccess, SlowOutcome } from "../cold/slow-access.js";
import { AccessValue } from "./access-value.js";
import type { Core } from "./core.js";
import { NOWHERE } from "./device-access.js";
import { Access, newTranslation, Status, Translated } from "./guest-cpu.js";
import { carried, PageCrossing } from "./page-crossing.js";
import { W } from "./words.js";

/**
 * Data accesses that the inline TLB probe does not settle: fills, devices, pages that hold code,
 * page-crossing and partially protected ones.
 *
 * In a chained block only RAM is accessed here; anything with side effects or that ends the block
 * (devices, exits to the host, writes over translated code) leaves before the instruction, which is then
 * executed by a block of its own. So the order of events is the same however code was compiled.
 */
export class SlowPath {
  /** Slow accesses so far. */
  count = 0;
  /** What is asked of the CPU model, as a host can answer it: bytes, and from which one of the access on. */
  asked: 0 | 1 | 2 | 4 | 8 = 0;
  askedAt = 0;
  private readonly core: Core;
  /** The value of the access. */
  readonly value: AccessValue;
  private readonly crossing: PageCrossing;
  private readonly first = newTranslation();
  private readonly second = newTranslation();
  /** Virtual page of a TLB entry that only the current instruction may use. */
  private oneShot = 0;
  private hasOneShot = false;

  constructor(core: Core) {
    this.core = core;
    this.value = new AccessValue(core);
    this.crossing = new PageCrossing(core, this);
  }

  /** Gives a `SlowOutcome`, or a Status to leave with. */
  access(kind: number, lo: number, hi: number, valueLo: number, valueHi: number): number {
    this.count++;
    const core = this.core;
    const size = kind & SlowAccess.size;
    const access = ((kind >> SlowAccess.accessShift) & 3) as Access;
    if ((kind & SlowAccess.aligned) !== 0 && (lo & (size - 1)) !== 0) {
      const status = core.cpu.misaligned(access, lo, hi);
      return status === Status.next ? SlowOutcome.done : status;
    }
    core.probing = (kind & SlowAccess.probe) !== 0;
    const plain = (kind & (SlowAccess.atomic | SlowAccess.probe)) === 0 && (lo & 0xfff) + size <= 4096;
    this.asked = plain ? (Math.min(size, 8) as 1 | 2 | 4 | 8) : 0;
    this.askedAt = 0;
    const watched = !core.watchpoints.none;
    if (watched && core.watches(access, lo, hi, size)) return Status.exitBefore;
    if ((lo & 0xfff) + size > 4096) return this.crossing.access(kind, access, size, lo, hi, valueLo, valueHi);
    const t = this.first;
    const translated = core.cpu.translate(access, lo, hi, size, t, (lo & (size - 1)) !== 0);
    if (translated !== Translated.ok) return this.untranslated(translated, kind, size, lo, hi);
    const offset = core.ramOffset(t.physical, access !== Access.read);
    if (offset < 0) return this.device(kind, access, size, t.physical, valueLo, valueHi, lo, hi);
    const code = access === 0 ? undefined : core.engine.code.page(Math.floor(offset / 4096));
    if (code === undefined && t.cacheable && !(watched && core.watchpoints.hasPage(lo, hi))) {
      const writable = t.writable && (access !== Access.read || this.takesStores(t.physical, offset));
      if (t.pageShift > 12) core.rememberLarge(lo, hi, t.pageShift);
      core.tlb.fill(lo, hi, core.context, offset - (lo & 0xfff), t.readable, writable);
      return SlowOutcome.retry;
    }
    if ((kind & SlowAccess.probe) !== 0) return SlowOutcome.done;
    if (code?.covers(offset & 0xfff, size)) {
      if (!core.inStep) return Status.exitBefore;
      core.ramWritten(offset, size);
    }
    if ((kind & SlowAccess.atomic) !== 0) return this.fillOnce(lo, hi, offset);
    this.value.copy(access === Access.read, offset, 0, size);
    if (access === Access.read) this.loaded(size, (kind & SlowAccess.signed) !== 0);
    return SlowOutcome.done;
  }

  /** The single-step block ended: its one-shot TLB entry ends with it. */
  endStep(): void {
    if (!this.hasOneShot) return;
    this.core.tlb.dropPage(this.oneShot);
    this.hasOneShot = false;
  }

  /** An atomic in a page that must not stay in the TLB: let the interpreter do it, then forget the entry. */
  private fillOnce(lo: number, hi: number, offset: number): number {
    if (!this.core.inStep) return Status.exitBefore;
    this.core.tlb.fill(lo, hi, this.core.context, offset - (lo & 0xfff), true, true);
    this.oneShot = lo;
    this.hasOneShot = true;
    return SlowOutcome.retry;
  }

  /** A translation that did not succeed: trapped, to be answered, or answered. */
  untranslated(translated: Translated, kind: number, size: number, lo: number, hi: number): number {
    const core = this.core;
    if (translated !== Translated.answered) return translated;
    if (!core.inStep) return Status.exitBefore;
    core.takeAnswer();
    if (size === 16) return this.answeredHalves(kind, lo, hi);
    this.answer(size, (kind & SlowAccess.signed) !== 0);
    return SlowOutcome.done;
  }

  /** A host answers with 8 bytes: the upper ones of 16 are asked for by themselves. */
  private answeredHalves(kind: number, lo: number, hi: number): number {
    const { core } = this;
    const access = ((kind >> SlowAccess.accessShift) & 3) as Access;
    if (access === Access.read) core.setAccessValue(core.answerLo, core.answerHi);
    if (!core.hasAnswer) {
      this.askedAt = 8;
      return core.cpu.translate(access, (lo + 8) | 0, carried(lo, hi, 8), 8, this.second, (lo & 15) !== 0);
    }
    core.takeAnswer();
    if (access === Access.read) core.setUpperResult(core.answerLo, core.answerHi);
    return SlowOutcome.done;
  }

  private device(
    kind: number,
    access: Access,
    size: number,
    physical: number,
    valueLo: number,
    valueHi: number,
    lo: number,
    hi: number,
  ): number {
    const core = this.core;
    if ((kind & SlowAccess.probe) !== 0) return SlowOutcome.done;
    if (!core.inStep) return Status.exitBefore;
    if (size === 16 && (kind & SlowAccess.atomic) === 0)
      return this.wideDevice(access, physical, valueLo, valueHi, lo, hi);
    // Devices take no atomics; a load-reserved fails like the load it is.
    const atomic = (kind & SlowAccess.atomic) !== 0;
    const where = atomic ? NOWHERE : physical;
    const status = core.cpu.physicalAccess(
      atomic && access !== Access.read ? Access.rmw : access,
      where,
      size,
      valueLo,
      valueHi,
      lo,
      hi,
    );
    if (status !== Status.next) return status;
    if (access === 0) this.answer(size, (kind & SlowAccess.signed) !== 0);
    return SlowOutcome.done;
  }

  /** 16 bytes of a device are two accesses of 8, the low one first. If that does not go on, the other one is not made. */
  private wideDevice(
    access: Access,
    physical: number,
    valueLo: number,
    valueHi: number,
    lo: number,
    hi: number,
  ): number {
    const { core } = this;
    let status = core.cpu.physicalAccess(access, physical, 8, valueLo, valueHi, lo, hi);
    if (status !== Status.next) return status;
    if (access === Access.read) core.setAccessValue(core.answerLo, core.answerHi);
    const [highLo, highHi] = [core.word(W.accessValue + 2), core.word(W.accessValue + 3)];
    status = core.cpu.physicalAccess(
      access,
      physical + 8,
      8,
      highLo,
      highHi,
      (lo + 8) | 0,
      carried(lo, hi, 8),
    );
    if (status !== Status.next) return status;
    if (access === Access.read) core.setUpperResult(core.answerLo, core.answerHi);
    return SlowOutcome.done;
  }

  /** May stores go to a page without being looked at? Not to ROM, nor over code. */
  private takesStores(physical: number, offset: number): boolean {
    const { core } = this;
    return (
      core.engine.code.page(Math.floor(offset / 4096)) === undefined && core.ramOffset(physical, true) >= 0
    );
  }

  /** Is there code in these bytes of RAM? */
  coversCode(offset: number, length: number): boolean {
    if (offset < 0) return false;
    return this.core.engine.code.page(Math.floor(offset / 4096))?.covers(offset & 0xfff, length) ?? false;
  }

  /** The value's bytes are those of a load. */
  loaded(size: number, signed: boolean): void {
    const { core } = this;
    if (size === 16) {
      core.setUpperResult(core.word(W.accessValue + 2), core.word(W.accessValue + 3));
      return;
    }
    core.setAnswer(core.word(W.accessValue), core.word(W.accessValue + 1));
    this.answer(size, signed);
  }

  /** The answer's low `size` bytes become the load's value. */
  private answer(size: number, signed: boolean): void {
    let { answerLo: lo, answerHi: hi } = this.core;
    if (size < 8) {
      const shift = 32 - 8 * Math.min(size, 4);
      lo = signed ? (lo << shift) >> shift : (lo << shift) >>> shift;
      hi = signed ? lo >> 31 : 0;
    }
    this.core.setAccessValue(lo, hi);
  }
}
