import { SlowAccess, SlowOutcome } from "../cold/slow-access.js";
import type { Core } from "./core.js";
import { NOWHERE, pieceAt } from "./device-access.js";
import { Access, newTranslation, Status, Translated } from "./guest-cpu.js";
import type { SlowPath } from "./slow-path.js";

/**
 * Data accesses that lie on two pages. Where devices are accessed in pieces (`GuestCpu.devicesInPieces`), each page has
 * its bytes from where they are: RAM, a device, or a host that answers.
 */
export class PageCrossing {
  private readonly core: Core;
  private readonly slow: SlowPath;
  private readonly first = newTranslation();
  private readonly second = newTranslation();

  constructor(core: Core, slow: SlowPath) {
    this.core = core;
    this.slow = slow;
  }

  /** Both pages are translated before either is touched. */
  access(
    kind: number,
    access: Access,
    size: number,
    lo: number,
    hi: number,
    valueLo: number,
    valueHi: number,
  ): number {
    const { core, slow } = this;
    const inFirst = 4096 - (lo & 0xfff);
    const nextLo = (lo + inFirst) | 0;
    const nextHi = carried(lo, hi, inFirst);
    let translated = core.cpu.translate(access, lo, hi, inFirst, this.first, true);
    if (translated !== Translated.ok) return this.uncrossed(translated, kind, size, lo, hi, 0);
    translated = core.cpu.translate(access, nextLo, nextHi, size - inFirst, this.second, true);
    if (translated !== Translated.ok) return this.uncrossed(translated, kind, size, lo, hi, inFirst);
    if ((kind & SlowAccess.probe) !== 0) return SlowOutcome.done;
    const writes = access !== Access.read;
    const a = core.ramOffset(this.first.physical, writes);
    const b = core.ramOffset(this.second.physical, writes);
    const rest = size - inFirst;
    if (writes && (slow.coversCode(a, inFirst) || slow.coversCode(b, rest))) {
      if (!core.inStep) return Status.exitBefore;
      if (a >= 0) core.ramWritten(a, inFirst);
      if (b >= 0) core.ramWritten(b, rest);
    }
    if (a < 0 || b < 0) {
      if (!core.inStep) return Status.exitBefore;
      if (core.cpu.devicesInPieces !== true || (kind & SlowAccess.atomic) !== 0) {
        const [partLo, partHi] = a < 0 ? [lo, hi] : [nextLo, nextHi];
        return core.cpu.physicalAccess(access, NOWHERE, size, valueLo, valueHi, partLo, partHi);
      }
    }
    const status = this.part(access, this.first.physical, a, 0, inFirst, lo, hi);
    if (status !== Status.next) return status;
    const second = this.part(access, this.second.physical, b, inFirst, rest, nextLo, nextHi);
    if (second !== Status.next) return second;
    if (access === Access.read) slow.loaded(size, (kind & SlowAccess.signed) !== 0);
    return SlowOutcome.done;
  }

  /** A part of a crossing access, from byte `at` on, is for the host to answer, or has trapped. */
  private uncrossed(
    translated: Translated,
    kind: number,
    size: number,
    lo: number,
    hi: number,
    at: number,
  ): number {
    const { core, slow } = this;
    if (core.cpu.devicesInPieces !== true || (kind & (SlowAccess.atomic | SlowAccess.probe)) !== 0)
      return slow.untranslated(translated, kind, size, (lo + at) | 0, carried(lo, hi, at));
    if (translated === Translated.answered) return this.answeredPieces(kind, size, lo, hi);
    slow.asked = pieceAt(lo + at, size - at);
    slow.askedAt = at;
    return translated;
  }

  /** Every naturally aligned piece in turn: the host has answered some, others are in RAM or have to be asked for. */
  private answeredPieces(kind: number, size: number, lo: number, hi: number): number {
    const { core, slow, first } = this;
    if (!core.inStep) return Status.exitBefore;
    const access = ((kind >> SlowAccess.accessShift) & 3) as Access;
    const here: (readonly [at: number, width: number, physical: number])[] = [];
    for (let at = 0; at < size; at += slow.asked) {
      slow.asked = pieceAt(lo + at, size - at);
      slow.askedAt = at;
      const pieceHi = carried(lo, hi, at);
      const translated = core.cpu.translate(access, (lo + at) | 0, pieceHi, slow.asked, first, true);
      if (translated === Translated.ok) here.push([at, slow.asked, first.physical]);
      else if (translated !== Translated.answered) return translated;
      else {
        core.takeAnswer();
        if (access === Access.read) slow.value.set(at, slow.asked, core.answerLo, core.answerHi);
      }
    }
    for (const [at, width, physical] of here) {
      const offset = core.ramOffset(physical, access !== Access.read);
      if (offset >= 0 && access !== Access.read) core.ramWritten(offset, width);
      const status = this.part(access, physical, offset, at, width, lo + at, carried(lo, hi, at));
      if (status !== Status.next) return status;
    }
    if (access === Access.read) slow.loaded(size, (kind & SlowAccess.signed) !== 0);
    return SlowOutcome.done;
  }

  /** The bytes from `at` on of an access, which lie on one page: in RAM, or, if `offset` is negative, of a device. */
  private part(
    access: Access,
    physical: number,
    offset: number,
    at: number,
    length: number,
    lo: number,
    hi: number,
  ): Status {
    if (offset >= 0) {
      this.slow.value.copy(access === Access.read, offset, at, length);
      return Status.next;
    }
    const { core, slow } = this;
    for (let done = 0; done < length; done += 8) {
      const size = Math.min(8, length - done);
      const value = access === Access.read ? 0n : slow.value.get(at + done, size);
      const status = core.cpu.physicalAccess(
        access,
        physical + done,
        size,
        Number(BigInt.asIntN(32, value)),
        Number(BigInt.asIntN(32, value >> 32n)),
        // On one page: nothing is carried.
        lo + done,
        hi,
      );
      if (status !== Status.next) return status;
      if (access === Access.read) slow.value.set(at + done, size, core.answerLo, core.answerHi);
    }
    return Status.next;
  }
}

/** Bits 63:32 of an address that is a few bytes further on. */
export function carried(lo: number, hi: number, bytes: number): number {
  return lo < 0 && ((lo + bytes) | 0) >= 0 ? (hi + 1) | 0 : hi;
}
