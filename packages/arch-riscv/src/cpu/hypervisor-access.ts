import { newTranslation, Status, type Translation } from "@hypercraft/engine";
import { Fault, Need } from "./access.js";
import { Cause } from "./causes.js";
import type { RiscvHart } from "./hart.js";
import { H } from "./state.js";
import { HSTATUS } from "./status-bits.js";

// The constant of a hypervisorLoad.
const SIZE = 15;
const SIGNED = 16;
const EXECUTE = 32;

/** Where the parts of an access in two pages are, as host offsets; -1 is a device. */
interface Place extends Translation {
  host: number;
}

const place = (): Place => ({ ...newTranslation(), host: -1 });

/**
 * HLV, HLVX and HSV (hypervisor chapter, "Hypervisor Virtual-Machine Load and Store Instructions"): accesses
 * as VS-mode or VU-mode would make them. They go by their own walk, not through the engine's TLB.
 */
export class HypervisorAccess {
  /** Value of the last `read`, zero-extended. */
  lo = 0;
  hi = 0;
  private readonly hart: RiscvHart;
  private readonly first = place();
  private readonly second = place();
  private faultLo = 0;
  private faultHi = 0;

  constructor(hart: RiscvHart) {
    this.hart = hart;
  }

  load(constant: number, lo: number, hi: number): Status {
    const refused = this.refused();
    if (refused !== 0) return this.hart.traps.refuse(refused);
    const size = constant & SIZE;
    const need = (constant & EXECUTE) !== 0 ? Need.executeRead : Need.read;
    const fault = this.read(need, size, lo, hi);
    if (fault !== Fault.none)
      return this.hart.traps.memoryFault(fault, need, this.faultLo, this.faultHi, true);
    let value = this.lo;
    let high = this.hi;
    if ((constant & SIGNED) !== 0 && size < 8) {
      const shift = 32 - 8 * size;
      value = (value << shift) >> shift;
      high = value >> 31;
    }
    this.hart.core.setResult(value, high);
    return Status.next;
  }

  store(size: number, lo: number, hi: number, valueLo: number, valueHi: number): Status {
    const refused = this.refused();
    if (refused !== 0) return this.hart.traps.refuse(refused);
    const fault = this.write(size, lo, hi, valueLo, valueHi);
    if (fault === Fault.none) return Status.next;
    return this.hart.traps.memoryFault(fault, Need.write, this.faultLo, this.faultHi, true);
  }

  /** Cause of the exception if the mode may not use these instructions. */
  private refused(): number {
    const { core, priv, v, features } = this.hart;
    if (!features.h) return Cause.illegalInstruction;
    if (v !== 0) return Cause.virtualInstruction;
    return priv === 0 && (core.lo(H.status) & HSTATUS.HU) === 0 ? Cause.illegalInstruction : 0;
  }

  /** Read as the guest would, with hstatus.SPVP as its privilege; the value is in `lo`, `hi`. */
  read(need: Need, size: number, lo: number, hi: number): Fault {
    const inFirst = Math.min(size, 4096 - (lo & 0xfff));
    const fault = this.locate(need, size, inFirst, lo, hi);
    if (fault !== Fault.none) return fault;
    const { bytes } = this.hart.core;
    if (this.first.host < 0) return this.readDevice(size);
    this.lo = 0;
    this.hi = 0;
    for (let i = 0; i < size; i++) {
      const byte = bytes[i < inFirst ? this.first.host + i : this.second.host + i - inFirst] as number;
      if (i < 4) this.lo |= byte << (8 * i);
      else this.hi |= byte << (8 * (i - 4));
    }
    return Fault.none;
  }

  /** Write as the guest would. */
  write(size: number, lo: number, hi: number, valueLo: number, valueHi: number): Fault {
    const inFirst = Math.min(size, 4096 - (lo & 0xfff));
    const fault = this.locate(Need.write, size, inFirst, lo, hi);
    if (fault !== Fault.none) return fault;
    const { core, devices } = this.hart;
    if (this.first.host < 0)
      return devices.write(this.first.physical, size, valueLo, valueHi) ? Fault.none : Fault.access;
    for (let i = 0; i < size; i++) {
      const at = i < inFirst ? this.first.host + i : this.second.host + i - inFirst;
      core.bytes[at] = i < 4 ? valueLo >>> (8 * i) : valueHi >>> (8 * (i - 4));
    }
    core.ramWritten(this.first.host, inFirst);
    if (inFirst < size) core.ramWritten(this.second.host, size - inFirst);
    return Fault.none;
  }

  private readDevice(size: number): Fault {
    const { devices } = this.hart;
    if (!devices.read(this.first.physical, size)) return Fault.access;
    this.lo = devices.lo;
    this.hi = devices.hi;
    return Fault.none;
  }

  /** Translate all of the access before any of it is done. */
  private locate(need: Need, size: number, inFirst: number, lo: number, hi: number): Fault {
    const { mmu, contexts, core } = this.hart;
    const r = contexts.refreshHypervisor();
    this.faultLo = lo;
    this.faultHi = hi;
    let fault = mmu.translate(r, need, lo, hi, inFirst, this.first);
    if (fault !== Fault.none) return fault;
    this.first.host = core.ramOffset(this.first.physical);
    if (inFirst === size) return Fault.none;
    if (this.first.host < 0) return Fault.access;
    this.faultLo = (lo + inFirst) | 0;
    this.faultHi = this.faultLo === 0 ? (hi + 1) | 0 : hi;
    fault = mmu.translate(r, need, this.faultLo, this.faultHi, size - inFirst, this.second);
    if (fault !== Fault.none) return fault;
    this.second.host = core.ramOffset(this.second.physical);
    return this.second.host < 0 ? Fault.access : Fault.none;
  }
}
