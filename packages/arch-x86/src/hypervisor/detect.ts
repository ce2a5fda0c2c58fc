import { HyperError } from "@hypercraft/hypercraft";
import type { X86Cpu } from "../cpu/cpu.js";
import { CR0, CR4 } from "../cpu/state.js";

// Whether a processor has VMX as this hypervisor needs it: SDM volume 3, 24.6 to 24.8 and appendix A.

/** CPUID.1:ECX.VMX. */
const VMX_FEATURE = 1 << 5;
const IA32_FEATURE_CONTROL = 0x3a;
const FeatureControl = { locked: 1n, vmxOutsideSmx: 4n } as const;
const IA32_VMX_BASIC = 0x480;
const CR0_FIXED = { zero: 0x486, one: 0x487 } as const;
const CR4_FIXED = { zero: 0x488, one: 0x489 } as const;
const WRITE_BACK = 6n;

/** What IA32_VMX_BASIC tells that is needed further on. */
export interface VmxBasic {
  /** What the first word of a region has to be. */
  readonly revision: number;
  /** Bytes of a region. */
  readonly regionSize: number;
}

/** Whether there is VMX, found out as software has to. */
export function hasVmx(cpu: X86Cpu): boolean {
  return (cpu.cpuid.leaf(1, 0)[2] & VMX_FEATURE) !== 0;
}

const bits = (value: bigint, at: bigint, count: bigint): bigint => (value >> at) & ((1n << count) - 1n);

function require(holds: boolean, message: string): void {
  if (!holds) throw new HyperError("NotSupported", message);
}

/** What IA32_VMX_BASIC (A.1) has to say. Throws NotSupported naming what is otherwise. */
export function checkVmxBasic(basic: bigint): VmxBasic {
  const regionSize = Number(bits(basic, 32n, 13n));
  require(regionSize === 4096, `IA32_VMX_BASIC: regions have ${regionSize} bytes instead of 4096`);
  require(bits(basic, 48n, 1n) === 0n, "IA32_VMX_BASIC: regions have to lie below 4 GiB");
  const memoryType = bits(basic, 50n, 4n);
  require(memoryType ===
    WRITE_BACK, `IA32_VMX_BASIC: regions need memory type ${memoryType}, not write-back`);
  require(bits(basic, 54n, 1n) ===
    1n, "IA32_VMX_BASIC: exits of INS and OUTS give no instruction information");
  require(bits(basic, 55n, 1n) === 1n, "IA32_VMX_BASIC: there are no flexible controls");
  return { revision: Number(bits(basic, 0n, 31n)), regionSize };
}

/** The processor's IA32_VMX_BASIC. Throws NotSupported. */
export const vmxBasic = (cpu: X86Cpu): VmxBasic => checkVmxBasic(cpu.msrs.read(IA32_VMX_BASIC));

/** Allow VMXON outside SMX operation, unless firmware has settled it. Throws NotSupported where it forbade it. */
export function allowVmxon({ msrs }: X86Cpu): void {
  const value = msrs.read(IA32_FEATURE_CONTROL);
  const allowed = (value & FeatureControl.vmxOutsideSmx) !== 0n;
  if ((value & FeatureControl.locked) !== 0n)
    return require(allowed, "IA32_FEATURE_CONTROL: firmware has switched VMX off and locked that");
  msrs.write(IA32_FEATURE_CONTROL, value | FeatureControl.locked | FeatureControl.vmxOutsideSmx);
}

/** VMX operation binds bits of CR0 and CR4 (24.8). Throws BadState where they are otherwise. */
export function checkFixedBits(cpu: X86Cpu): void {
  const { core, msrs } = cpu;
  const fits = (
    name: string,
    value: bigint,
    fixed: { readonly zero: number; readonly one: number },
  ): void => {
    const [ones, may] = [msrs.read(fixed.zero), msrs.read(fixed.one)];
    const missing = ones & ~value;
    if (missing !== 0n)
      throw new HyperError("BadState", `VMX operation needs ${name} to have 0x${missing.toString(16)} set`);
    const extra = value & ~may;
    if (extra !== 0n)
      throw new HyperError("BadState", `VMX operation needs ${name} to have 0x${extra.toString(16)} clear`);
  };
  fits("CR0", core.big(CR0), CR0_FIXED);
  fits("CR4", core.big(CR4), CR4_FIXED);
}
