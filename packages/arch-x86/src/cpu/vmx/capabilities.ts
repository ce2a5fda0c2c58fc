import { CR4_SUPPORTED } from "../control-bits.js";
import type { X86Cpu } from "../cpu.js";
import { generalProtection } from "../fault.js";
import type { Msr, MsrRange } from "../msrs.js";
import {
  type Allowed,
  ENTRY_ALLOWED,
  EXIT_ALLOWED,
  PIN_ALLOWED,
  PRIMARY_ALLOWED,
  SECONDARY_ALLOWED,
} from "./controls.js";
import { HIGHEST_INDEX } from "./fields.js";
import { VmFunction } from "./vm-functions.js";
import { VMCS_REVISION, VMCS_SIZE } from "./vmcs.js";
import { FEATURE_CONTROL } from "./vmx-state.js";

// The VMX capability MSRs: SDM volume 3, appendix A.

const WRITE_BACK = 6n;
/** INS and OUTS give instruction information; the flexible controls have MSRs of their own. */
const BASIC =
  BigInt(VMCS_REVISION) | (BigInt(VMCS_SIZE) << 32n) | (WRITE_BACK << 50n) | (1n << 54n) | (1n << 55n);

/** The preemption timer counts down whenever this bit of the time-stamp counter changes: with each tick. */
export const PREEMPTION_RATE = 0;
export const CR3_TARGETS = 4;
/**
 * Exits store EFER.LMA in the entry controls; HLT, shutdown and wait-for-SIPI as activity states; VMWRITE to all fields;
 * software events that have no instruction.
 */
const MISC = BigInt((PREEMPTION_RATE | (1 << 5) | (7 << 6) | (CR3_TARGETS << 16) | (3 << 29)) >>> 0);

/** PE, NE and PG; an unrestricted guest can do without PE and PG. */
export const CR0_FIXED0 = 0x8000_0021;
const CR0_FIXED1 = 0xffff_ffff;
export const CR4_FIXED0 = 0x2000;

/** What EPT and VPID can do. */
const EPT_VPID =
  (1n << 0n) | // pages only for execution
  (1n << 6n) | // four levels
  (1n << 8n) | // tables uncacheable
  (1n << 14n) | // tables write-back
  (1n << 16n) | // 2 MiB
  (1n << 17n) | // 1 GiB
  (1n << 20n) | // INVEPT
  (1n << 21n) | // accessed and dirty flags
  (3n << 25n) | // INVEPT of one context and of all
  (1n << 32n) | // INVVPID
  (15n << 40n); // all four kinds of it

const oldControls = ({ mustByDefault, may }: Allowed): bigint => pair(mustByDefault, may);
const trueControls = ({ must, may }: Allowed): bigint => pair(must, may);
const pair = (low: number, high: number): bigint => BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);

/** Capability MSRs by number. */
export const CAPABILITIES: ReadonlyMap<number, bigint> = new Map([
  [0x480, BASIC],
  [0x481, oldControls(PIN_ALLOWED)],
  [0x482, oldControls(PRIMARY_ALLOWED)],
  [0x483, oldControls(EXIT_ALLOWED)],
  [0x484, oldControls(ENTRY_ALLOWED)],
  [0x485, MISC],
  [0x486, BigInt(CR0_FIXED0)],
  [0x487, BigInt(CR0_FIXED1)],
  [0x488, BigInt(CR4_FIXED0)],
  [0x489, BigInt(CR4_SUPPORTED >>> 0)],
  [0x48a, BigInt(HIGHEST_INDEX << 1)],
  [0x48b, trueControls(SECONDARY_ALLOWED)],
  [0x48c, EPT_VPID],
  [0x48d, trueControls(PIN_ALLOWED)],
  [0x48e, trueControls(PRIMARY_ALLOWED)],
  [0x48f, trueControls(EXIT_ALLOWED)],
  [0x490, trueControls(ENTRY_ALLOWED)],
  [0x491, BigInt(VmFunction.eptpSwitching)],
]);

/** IA32_FEATURE_CONTROL. */
export const FeatureControl = { locked: 1, vmxOutsideSmx: 4 } as const;

/** The capability MSRs as a processor has them: only where CPUID tells of VMX. */
export function capabilityRange(cpu: X86Cpu): MsrRange {
  return {
    first: 0x480,
    last: 0x491,
    find(number): Msr | undefined {
      const value = CAPABILITIES.get(number);
      if (!cpu.cpuid.vmx || value === undefined) return undefined;
      return {
        read: () => value,
        write: () => {
          throw generalProtection();
        },
      };
    },
  };
}

/** IA32_FEATURE_CONTROL: writable until it is locked. */
export function featureControlRange(cpu: X86Cpu): MsrRange {
  const { core } = cpu;
  const register: Msr = {
    read: () => core.big(FEATURE_CONTROL),
    write(value) {
      const known = BigInt(FeatureControl.locked | FeatureControl.vmxOutsideSmx);
      if ((core.lo(FEATURE_CONTROL) & FeatureControl.locked) !== 0 || (value & ~known) !== 0n)
        throw generalProtection();
      core.setBig(FEATURE_CONTROL, value);
    },
  };
  return { first: 0x3a, last: 0x3a, find: () => (cpu.cpuid.vmx ? register : undefined) };
}
