import { MONITOR_LINE } from "./address-monitor.js";
import { CR4 as CR4_BIT } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { CRYSTAL_HZ } from "./frequencies.js";
import { PHYSICAL_BITS } from "./paging-entry.js";
import { CR4 } from "./state.js";

// CPUID: SDM volume 2. It tells what there is and nothing else.

/** What leaf 1 says in EDX. */
const FEATURES_EDX = {
  ...{ FPU: 0, DE: 2, PSE: 3, TSC: 4, MSR: 5, PAE: 6, MCE: 7, CX8: 8, APIC: 9, SEP: 11, MTRR: 12, PGE: 13 },
  ...{ MCA: 14, CMOV: 15, PAT: 16, PSE36: 17, CLFSH: 19, MMX: 23, FXSR: 24, SSE: 25, SSE2: 26 },
} as const;
/** In ECX. */
const FEATURES_ECX = {
  ...{
    SSE3: 0,
    MONITOR: 3,
    SSSE3: 9,
    CX16: 13,
    PCID: 17,
    "SSE4.1": 19,
    "SSE4.2": 20,
    X2APIC: 21,
    MOVBE: 22,
    POPCNT: 23,
  },
  ...{ TSC_DEADLINE: 24, XSAVE: 26, RDRAND: 30 },
} as const;
const OSXSAVE = 27;
const VMX = 5;
/** What leaf 7 says in EBX. */
const EXTENDED_EBX = {
  FSGSBASE: 0,
  TSC_ADJUST: 1,
  BMI1: 3,
  SMEP: 7,
  BMI2: 8,
  INVPCID: 10,
  RDSEED: 18,
  ADX: 19,
  SMAP: 20,
};
const EXTENDED_ECX = { UMIP: 2 };
const EXTENDED_EDX = { SERIALIZE: 14, IBRS: 26, STIBP: 27, ARCH_CAPABILITIES: 29, SSBD: 31 };
/** Of subleaf 2. */
const SPECULATION_EDX = { BHI_CTRL: 4 };
/** Leaf 8000_0001. */
const LONG_EDX = { SYSCALL: 11, NX: 20, PAGE1GB: 26, RDTSCP: 27, LM: 29 };
const LONG_ECX = { LAHF: 0, LZCNT: 5 };

const bits = (positions: Readonly<Record<string, number>>): number =>
  Object.values(positions).reduce((sum, bit) => sum | (1 << bit), 0);

/** Family 6, model 58, stepping 9. */
const SIGNATURE = 0x0003_06a9;
// Leaf 16H is missing as it is on most virtual processors: systems that find it take its rounded megahertz for exact.
const MAX_BASIC = 0x15;
const MAX_EXTENDED = 0x8000_0008;
const VENDOR = ["Genu", "ineI", "ntel"] as const;
const BRAND = "hypercraft x86-64 processor";

const word = (text: string, at: number): number => {
  let value = 0;
  for (let i = 3; i >= 0; i--) value = (value << 8) | (text.charCodeAt(at + i) || 0);
  return value;
};

/** EAX, EBX, ECX and EDX. */
export type CpuidResult = readonly [eax: number, ebx: number, ecx: number, edx: number];

export class Cpuid {
  readonly signature = SIGNATURE;
  /** Logical processors in the package. */
  processors = 1;
  /** VMX is there. */
  vmx = true;
  /** IA32_APIC_BASE.EN. */
  apicEnabled: () => boolean = () => true;
  private readonly cpu: X86Cpu;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /** A leaf. Beyond the last basic one it gives that. */
  leaf(number: number, sub: number): CpuidResult {
    const n = number >>> 0;
    if (n >= 0x8000_0000) return n <= MAX_EXTENDED ? this.extended(n) : this.basic(MAX_BASIC, sub);
    return this.basic(Math.min(n, MAX_BASIC), sub);
  }

  private basic(leaf: number, sub: number): CpuidResult {
    const { cpu } = this;
    switch (leaf) {
      case 0:
        return [MAX_BASIC, word(VENDOR[0], 0), word(VENDOR[2], 0), word(VENDOR[1], 0)];
      case 1:
        return this.features();
      case 5:
        // Smallest and largest line; there are no extensions.
        return [MONITOR_LINE, MONITOR_LINE, 0, 0];
      case 6:
        // The local APIC's timer always runs.
        return [1 << 2, 0, 0, 0];
      case 7:
        if (sub === 0) return [2, bits(EXTENDED_EBX), bits(EXTENDED_ECX), bits(EXTENDED_EDX)];
        return [0, 0, 0, sub === 2 ? bits(SPECULATION_EDX) : 0];
      case 0xb:
        return this.topology(sub);
      case 0xd:
        return this.extendedState(sub);
      case 0x15:
        // TSC = crystal * EBX / EAX.
        return [1, cpu.tscHz / CRYSTAL_HZ, CRYSTAL_HZ, 0];
      default:
        return [0, 0, 0, 0];
    }
  }

  private features(): CpuidResult {
    const { core, index } = this.cpu;
    const osxsave = (core.lo(CR4) & CR4_BIT.OSXSAVE) !== 0 ? 1 << OSXSAVE : 0;
    const ecx = bits(FEATURES_ECX) | osxsave | (this.vmx ? 1 << VMX : 0);
    // CLFLUSH lines of 64 bytes; several processors are the HTT flag.
    const ebx = (index << 24) | (this.processors << 16) | (8 << 8);
    const present = bits(FEATURES_EDX) & (this.apicEnabled() ? -1 : ~(1 << FEATURES_EDX.APIC));
    const edx = present | (this.processors > 1 ? 1 << 28 : 0);
    return [SIGNATURE, ebx, ecx, edx];
  }

  /** Every processor is a core of one package. */
  private topology(sub: number): CpuidResult {
    const { index } = this.cpu;
    const shift = Math.ceil(Math.log2(this.processors));
    if (sub === 0) return [0, 1, 0x100, index];
    if (sub === 1) return [shift, this.processors, 0x201, index];
    return [0, 0, sub & 0xff, index];
  }

  /** XSAVE: x87 and SSE in the legacy area and the header. */
  private extendedState(sub: number): CpuidResult {
    return sub === 0 ? [3, 576, 576, 0] : [0, 0, 0, 0];
  }

  private extended(leaf: number): CpuidResult {
    switch (leaf) {
      case 0x8000_0000:
        return [MAX_EXTENDED | 0, 0, 0, 0];
      case 0x8000_0001:
        return [0, 0, bits(LONG_ECX), bits(LONG_EDX)];
      case 0x8000_0002:
      case 0x8000_0003:
      case 0x8000_0004: {
        const at = 16 * (leaf - 0x8000_0002);
        return [word(BRAND, at), word(BRAND, at + 4), word(BRAND, at + 8), word(BRAND, at + 12)];
      }
      case 0x8000_0007:
        // The time-stamp counter is invariant.
        return [0, 0, 0, 1 << 8];
      case 0x8000_0008:
        return [PHYSICAL_BITS | (48 << 8), 0, 0, 0];
      default:
        return [0, 0, 0, 0];
    }
  }
}
