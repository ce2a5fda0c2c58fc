import type { X86Cpu } from "../../cpu/cpu.js";
import type { CpuidResult } from "../../cpu/cpuid.js";

// CPUID for guests: the processor's leaves with what the hypervisor changes about it.

const VMX = 1 << 5;
const MONITOR = 1 << 3;
const MONITOR_LEAF = 5;
const HYPERVISOR = 1 << 31;
const APIC = 1 << 9;
/** Leaves that a processor has none of, where hypervisors say who they are. */
const FIRST_HYPERVISOR_LEAF = 0x4000_0000;
const LAST_HYPERVISOR_LEAF = 0x4000_0001;
const HYPERVISOR_RANGE_END = 0x4000_00ff;

/** Twelve characters by which guests of the rvm family know their hypervisor. */
const SIGNATURE = "RVMRVMRVMRVM";
const word = (at: number): number =>
  [3, 2, 1, 0].reduce((value, i) => (value << 8) | SIGNATURE.charCodeAt(at + i), 0);

/** A leaf as a guest reads it. `apicEnabled`: IA32_APIC_BASE.EN of its virtual local APIC. */
export function guestCpuid(cpu: X86Cpu, leaf: number, sub: number, apicEnabled: boolean): CpuidResult {
  const number = leaf >>> 0;
  if (number >= FIRST_HYPERVISOR_LEAF && number <= HYPERVISOR_RANGE_END) return hypervisorLeaf(number);
  const [eax, ebx, ecx, edx] = cpu.cpuid.leaf(leaf, sub);
  if (number === MONITOR_LEAF) return [0, 0, 0, 0];
  if (number !== 1) return [eax, ebx, ecx, edx];
  return [eax, ebx, (ecx & ~(VMX | MONITOR)) | HYPERVISOR, apicEnabled ? edx | APIC : edx & ~APIC];
}

/** The second leaf tells of features, of which there are none. */
function hypervisorLeaf(number: number): CpuidResult {
  return number === FIRST_HYPERVISOR_LEAF ? [LAST_HYPERVISOR_LEAF, word(0), word(4), word(8)] : [0, 0, 0, 0];
}
