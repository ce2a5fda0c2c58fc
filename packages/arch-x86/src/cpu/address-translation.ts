import { Access, newTranslation, Status, Translated, type Translation } from "@hypercraft/engine";
import { isCanonicalHalf } from "./canonical.js";
import { RFLAG } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { Fault, generalProtection, Vector } from "./fault.js";
import { Need, TRANSLATED } from "./mmu.js";
import { RFLAGS, SEGMENTS, Seg, type SegmentFields } from "./state.js";
import { ApicAccess } from "./vmx/apic/access-page.js";
import { ExitReason, VmExit } from "./vmx/vm-exit.js";
import { highHalf, lowHalf, wide } from "./wide.js";

/** The second stage does not let an access through. */
const REFUSED = -2;
/** A physical address at which there is no RAM. */
const NOWHERE = 2 ** 52;

/**
 * From linear addresses to physical ones: paging, the address line A20, and what a guest's second stage and APIC-access
 * page make of an access; with the faults and exits that come of it.
 */
export class AddressTranslation {
  private readonly cpu: X86Cpu;
  private readonly probed = newTranslation();

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /** For a fetch: `GuestCpu.translateFetch`. */
  fetch(lo: number, hi: number, out: Translation): Translated {
    const { cpu } = this;
    try {
      this.checkFetch(lo, hi);
      const high = cpu.bits64 ? hi : 0;
      const code = this.walk(Need.fetch, lo, high, cpu.cpl === 3, false, out);
      if (code === REFUSED) throw cpu.secondStage?.refusal;
      if (code !== TRANSLATED) return this.pageFault(code, lo, hi);
      const { apicAccess } = cpu.vmx;
      if (apicAccess.has(out.physical)) apicAccess.refuse(out.physical, ApicAccess.fetch);
    } catch (error) {
      return this.failed(error, lo, hi);
    }
    // What is no RAM reads as all ones, which is no code anyone means.
    if (cpu.core.ramOffset(out.physical) >= 0) {
      const reasons = cpu.debug.fetch(lo, hi, out);
      if (reasons === 0) return Translated.ok;
      cpu.exceptions.debug(reasons, cpu.currentIp);
      return Translated.trap;
    }
    return this.failed(generalProtection(), lo, hi);
  }

  /** The instruction pointer has to be canonical, and within CS. */
  private checkFetch(lo: number, hi: number): void {
    const { cpu } = this;
    if (cpu.bits64) {
      if (!isCanonicalHalf(hi)) throw generalProtection();
      return;
    }
    const { core } = cpu;
    const cs = SEGMENTS[Seg.cs] as SegmentFields;
    const offset = (lo - core.lo(cs.base)) >>> 0;
    if (offset > core.lo(cs.limit) >>> 0) throw generalProtection();
  }

  /** For a load or store: `GuestCpu.translate`. */
  access(
    access: Access,
    lo: number,
    hi: number,
    size: number,
    out: Translation,
    unaligned: boolean,
  ): Translated {
    const { cpu } = this;
    const need = access === Access.read ? Need.read : access === Access.fetch ? Need.fetch : Need.write;
    try {
      if (cpu.bits64 && !isCanonicalHalf(hi)) throw cpu.exceptions.nonCanonical(lo, hi);
      if (cpu.contexts.alignmentChecked && unaligned) throw new Fault(Vector.alignment, 0);
      const alignmentChecked = (cpu.core.lo(RFLAGS) & RFLAG.AC) !== 0;
      const high = cpu.bits64 ? hi : 0;
      const code = this.walk(need, lo, high, cpu.contexts.userAccess, alignmentChecked, out);
      if (code === REFUSED) return this.outside(cpu.secondStage?.refusal, lo, hi, out);
      if (code !== TRANSLATED) return this.pageFault(code, lo, hi);
      cpu.contexts.accessed(out.global === true);
      const { apicAccess } = cpu.vmx;
      if (apicAccess.has(out.physical) && !apicAccess.access(access, size, out)) return Translated.exitBefore;
    } catch (error) {
      return this.failed(error, lo, hi);
    }
    // Every access has to be looked at.
    if (cpu.contexts.alignmentChecked) out.cacheable = false;
    // 32-bit code does not wrap its sums (lifter.ts): this is another way to the page, which is not remembered.
    const beyond = hi !== 0 && !cpu.bits64;
    if (beyond) out.cacheable = false;
    // The engine leaves before the instruction, and carries it out alone.
    return cpu.debug.access(access, lo, beyond ? 0 : hi, size, out) ? Translated.ok : Translated.exitBefore;
  }

  /** An access that the second stage does not let through. */
  private outside(exit: unknown, lo: number, hi: number, out: Translation): Translated {
    const { cpu } = this;
    if (cpu.core.probing && this.isDeviceExit(exit)) {
      // The accesses leave one by one.
      out.physical = NOWHERE;
      return Translated.ok;
    }
    return this.isAnswered(exit) ? Translated.answered : this.failed(exit, lo, hi);
  }

  /** The hypervisor has answered the access of the engine's that leaves the guest; or it is to be asked. */
  private isAnswered(error: unknown): boolean {
    const { cpu } = this;
    if (!this.isDeviceExit(error)) return false;
    if (cpu.core.hasAnswer) return true;
    cpu.vmx.asked = "engine";
    return false;
  }

  /** The guest accessed what its second stage does not map, and a hypervisor in TypeScript can say what is there. */
  private isDeviceExit(error: unknown): boolean {
    const { cpu } = this;
    if (!cpu.vm || !(error instanceof VmExit) || error.reason !== ExitReason.eptViolation) return false;
    return !error.isTableAccess;
  }

  /**
   * A hypervisor's answer to an access that leaves the guest, a device's that the second stage does not map. Undefined:
   * it is not one, or has yet to be asked for. `value`: what is stored.
   */
  answerTo(error: unknown, size: number, value = 0n): bigint | undefined {
    const { cpu } = this;
    if (!this.isDeviceExit(error)) return undefined;
    const { core } = cpu;
    if (core.hasAnswer) {
      core.takeAnswer();
      return wide(core.answerLo, core.answerHi);
    }
    const [lo, hi] = [Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn)];
    const known = size === 1 || size === 2 || size === 4 || size === 8;
    cpu.vmx.asked = known ? { size, lo, hi } : undefined;
    return undefined;
  }

  /** Raise what was thrown; CR2 is told of page faults. */
  private failed(error: unknown, lo: number, hi: number): Translated {
    const { cpu } = this;
    const status = this.raised(error, lo, cpu.bits64 ? hi : 0);
    return status === Status.exitBefore ? Translated.exitBefore : Translated.trap;
  }

  private pageFault(errorCode: number, lo: number, hi: number): Translated {
    const { cpu } = this;
    if (cpu.exceptions.quickPageFault(errorCode, lo, hi)) return Translated.trap;
    return this.failed(new Fault(Vector.page, errorCode), lo, hi);
  }

  private raised(error: unknown, lo: number, hi: number): Status {
    const { cpu } = this;
    if (error instanceof Fault) return cpu.exceptions.raise(error, lo, hi);
    if (!(error instanceof VmExit)) throw error;
    error.linear = wide(lo, hi);
    return cpu.vmx.leave(error, cpu.currentIp);
  }

  /**
   * Both stages: gives `TRANSLATED`, the error code of a page fault, or `REFUSED` where the second one refuses, which has
   * the exit then. Throws what its walk of the first one's tables comes upon.
   */
  private walk(
    need: Need,
    lo: number,
    hi: number,
    user: boolean,
    alignmentChecked: boolean,
    out: Translation,
  ): number {
    const { cpu } = this;
    const { paging } = cpu.contexts;
    if (paging.levels === 0) {
      out.physical = (hi & 0xf_ffff) * 0x1_0000_0000 + (lo >>> 0);
      out.readable = true;
      out.writable = true;
      out.cacheable = true;
      out.pageShift = 12;
      out.global = false;
    } else {
      const code = cpu.mmu.translate(paging, need, lo, hi, user, alignmentChecked, this.locate, out);
      if (code !== TRANSLATED) return code;
    }
    if (cpu.line20.masked) out.physical = cpu.line20.lower(out.physical);
    if (cpu.secondStage === undefined) return TRANSLATED;
    const userPage = paging.levels === 0 || cpu.mmu.userPage;
    const physical = cpu.secondStage.attempt(
      out.physical,
      need === Need.write,
      need === Need.fetch,
      false,
      userPage,
    );
    if (physical < 0) return REFUSED;
    out.physical = physical;
    // Whether a page may be written is asked at the first write.
    if (need !== Need.write) out.writable = false;
    return TRANSLATED;
  }

  private readonly locate = (address: number, write: boolean): number => {
    const { cpu } = this;
    const physical = cpu.line20.masked ? cpu.line20.lower(address) : address;
    const at = cpu.secondStage?.translate(physical, write, false, true) ?? physical;
    const { apicAccess } = cpu.vmx;
    if (apicAccess.has(at)) apicAccess.refuse(at, ApicAccess.physical);
    return cpu.core.ramOffset(at, write);
  };

  /** Translate for an access of the processor itself. Throws a `Fault`; CR2 is told. */
  system(need: Need, lo: number, hi: number, user: boolean, out: Translation): void {
    const { cpu } = this;
    if (cpu.longMode && !isCanonicalHalf(hi)) throw cpu.exceptions.nonCanonical(lo, hi);
    try {
      const code = this.walk(need, lo, hi, user, false, out);
      if (code === REFUSED) throw cpu.secondStage?.refusal;
      if (code !== TRANSLATED) throw new Fault(Vector.page, code);
      const { apicAccess } = cpu.vmx;
      if (apicAccess.has(out.physical))
        apicAccess.refuse(out.physical, need === Need.write ? ApicAccess.write : ApicAccess.read);
    } catch (error) {
      cpu.exceptions.tellPageFault(error, lo, hi);
      if (error instanceof VmExit) error.linear = wide(lo, hi);
      throw error;
    }
  }

  /** A byte as a fetch of the present code would find it, -1 where it would fault. Nothing is changed by it. */
  peekCode(address: bigint): number {
    const { cpu } = this;
    const [lo, hi] = [lowHalf(address), highHalf(address)];
    const offset = this.codeOffset(lo, hi);
    return offset < 0 ? -1 : (cpu.core.bytes[offset] as number);
  }

  /** Where in host memory a fetch finds a byte; -1 where it would fault. Nothing is changed by it. */
  codeOffset(lo: number, hi: number): number {
    const { cpu } = this;
    const { core, mmu } = cpu;
    const { probed } = this;
    mmu.observing = true;
    try {
      const high = cpu.bits64 ? hi : 0;
      if (this.walk(Need.fetch, lo, high, cpu.cpl === 3, false, probed) !== TRANSLATED) return -1;
    } catch (error) {
      if (error instanceof Fault || error instanceof VmExit) return -1;
      throw error;
    } finally {
      mmu.observing = false;
    }
    return core.ramOffset(probed.physical);
  }
}
