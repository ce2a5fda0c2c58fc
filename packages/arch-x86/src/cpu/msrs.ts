import type { Field } from "@hypercraft/engine";
import { isCanonical } from "./canonical.js";
import { CR0 as CR0_BIT, DEBUGCTL_KNOWN, EFER as EFER_BIT } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { generalProtection } from "./fault.js";
import { CR0, DEBUGCTL, EFER, msr, SEGMENTS, Seg, type SegmentFields } from "./state.js";
import { lowHalf } from "./wide.js";

/** One model-specific register. Values are unsigned 64-bit numbers; a write may throw a `Fault`. */
export interface Msr {
  read(): bigint;
  write(value: bigint): void;
}

/** Whoever has a range of registers: a local APIC in x2APIC mode, VMX. */
export interface MsrRange {
  readonly first: number;
  readonly last: number;
  /** Undefined: there is no such register. */
  find(number: number): Msr | undefined;
}

const readOnly = (value: () => bigint): Msr => ({
  read: value,
  write: () => {
    throw generalProtection();
  },
});

/** IA32_SPEC_CTRL: IBRS, STIBP, SSBD, BHI_DIS_S. */
const SPECULATION_CONTROLS = 0x407n;
/**
 * IA32_ARCH_CAPABILITIES: RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO,
 * FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO.
 */
const INVULNERABLE = [0, 1, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27].reduce(
  (all, bit) => all | (1n << BigInt(bit)),
  0n,
);

/** Memory types that PAT and MTRRs know. */
const isMemoryType = (type: bigint): boolean => type <= 7n && type !== 2n && type !== 3n;

/** Model-specific registers by number. Those that are not there are #GP. */
export class MsrTable {
  /** Parts that have registers of their own: the last one that was added comes first. */
  readonly ranges: MsrRange[] = [];
  private readonly table = new Map<number, Msr>();

  /** Make a register known. */
  add(number: number, register: Msr): void {
    this.table.set(number, register);
  }

  private find(number: number): Msr {
    const found =
      this.table.get(number) ??
      this.ranges.findLast(({ first, last }) => number >= first && number <= last)?.find(number);
    if (found === undefined) throw generalProtection();
    return found;
  }

  /** RDMSR. Throws a `Fault` for what there is not. */
  read(number: number): bigint {
    return this.find(number).read();
  }

  /** WRMSR. Throws a `Fault`. */
  write(number: number, value: bigint): void {
    this.find(number).write(value);
  }
}

/** The registers of a processor: SDM volume 4. */
export class Msrs extends MsrTable {
  /** The time-stamp counter was written. */
  timestampWritten: () => void = () => undefined;
  private readonly cpu: X86Cpu;

  constructor(cpu: X86Cpu) {
    super();
    this.cpu = cpu;
    this.define();
  }

  private storage(number: number, field: Field, check: (value: bigint) => boolean = () => true): void {
    const { core } = this.cpu;
    this.add(number, {
      read: () => core.big(field),
      write: (value) => {
        if (!check(value)) throw generalProtection();
        core.setBig(field, value);
      },
    });
  }

  private define(): void {
    const { cpu } = this;
    const { core } = cpu;
    const segment = (number: number) => (SEGMENTS[number] as SegmentFields).base;
    this.storage(0xc000_0100, segment(Seg.fs), isCanonical);
    this.storage(0xc000_0101, segment(Seg.gs), isCanonical);
    this.storage(0xc000_0102, msr("IA32_KERNEL_GS_BASE"), isCanonical);
    this.storage(0xc000_0081, msr("IA32_STAR"));
    this.storage(0xc000_0082, msr("IA32_LSTAR"), isCanonical);
    this.storage(0xc000_0083, msr("IA32_CSTAR"), isCanonical);
    this.storage(0xc000_0084, msr("IA32_FMASK"), (value) => value >> 32n === 0n);
    this.storage(0xc000_0103, msr("IA32_TSC_AUX"), (value) => value >> 32n === 0n);
    this.storage(0x174, msr("IA32_SYSENTER_CS"));
    this.storage(0x175, msr("IA32_SYSENTER_ESP"), isCanonical);
    this.storage(0x176, msr("IA32_SYSENTER_EIP"), isCanonical);
    this.add(0xc000_0080, { read: () => core.big(EFER), write: (value) => this.writeEfer(value) });
    const adjust = msr("IA32_TSC_ADJUST");
    const wrap = (value: bigint) => BigInt.asUintN(64, value);
    const setAdjust = (value: bigint) => {
      core.setBig(adjust, value);
      this.timestampWritten();
    };
    this.add(0x10, {
      read: () => this.timestamp,
      write: (value) => setAdjust(wrap(core.big(adjust) + value - this.timestamp)),
    });
    this.add(0x3b, { read: () => core.big(adjust), write: setAdjust });
    this.storage(0x277, msr("IA32_PAT"), (value) => bytesOf(value).every(isMemoryType));
    this.storage(0x1d9, DEBUGCTL, (value) => (value & ~BigInt(DEBUGCTL_KNOWN)) === 0n);
    this.storage(0x1a0, msr("IA32_MISC_ENABLE"));
    // No microcode to update, no machine checks to report.
    this.add(0x8b, { read: () => 0n, write: () => undefined });
    this.add(0x79, { read: () => 0n, write: () => undefined });
    this.add(
      0x179,
      readOnly(() => 0n),
    );
    this.storage(0x17a, msr("IA32_MCG_STATUS"));
    this.add(
      0x17,
      readOnly(() => 0n),
    );
    this.defineMtrrs();
    this.defineSpeculation();
  }

  /**
   * Speculation: nothing is executed before it is known that it will be, so there is nothing to hold back, and none of
   * the weaknesses that software would have to work around (SDM volume 4, table 2-2).
   */
  private defineSpeculation(): void {
    this.storage(0x48, msr("IA32_SPEC_CTRL"), (value) => (value & ~SPECULATION_CONTROLS) === 0n);
    this.add(0x49, {
      read: () => {
        throw generalProtection();
      },
      write: (value) => {
        if (value > 1n) throw generalProtection();
      },
    });
    this.add(
      0x10a,
      readOnly(() => INVULNERABLE),
    );
  }

  /** Memory type ranges are stored; nothing here is cached. */
  private defineMtrrs(): void {
    // Eight variable ranges, fixed ones, write-combining.
    this.add(
      0xfe,
      readOnly(() => 0x508n),
    );
    for (let i = 0; i < 16; i++) this.storage(0x200 + i, msr(`MTRR_VARIABLE${i}`));
    for (const number of [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f])
      this.storage(number, msr(`MTRR_FIXED_${number.toString(16)}`), (value) =>
        bytesOf(value).every(isMemoryType),
      );
    this.storage(0x2ff, msr("IA32_MTRR_DEF_TYPE"));
  }

  /** The time-stamp counter. */
  get timestamp(): bigint {
    const { cpu } = this;
    return BigInt.asUintN(64, cpu.timestamp() + cpu.core.big(msr("IA32_TSC_ADJUST")));
  }

  private writeEfer(value: bigint): void {
    const { cpu } = this;
    const { core } = cpu;
    const bits = lowHalf(value);
    const known = EFER_BIT.SCE | EFER_BIT.LME | EFER_BIT.LMA | EFER_BIT.NXE;
    if (value >> 32n !== 0n || (bits & ~known) !== 0) throw generalProtection();
    const old = core.lo(EFER);
    const paging = (core.lo(CR0) & CR0_BIT.PG) !== 0;
    if (paging && ((bits ^ old) & EFER_BIT.LME) !== 0) throw generalProtection();
    // LMA is the processor's.
    core.set(EFER, (bits & ~EFER_BIT.LMA) | (old & EFER_BIT.LMA), 0);
    if (((bits ^ old) & EFER_BIT.NXE) !== 0) cpu.contexts.dropAll();
    cpu.contexts.refresh();
  }
}

function bytesOf(value: bigint): bigint[] {
  return Array.from({ length: 8 }, (_, i) => (value >> BigInt(8 * i)) & 0xffn);
}
