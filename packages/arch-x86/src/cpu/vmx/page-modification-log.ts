import type { X86Cpu } from "../cpu.js";
import { Secondary } from "./controls.js";
import { VmcsField as F } from "./fields.js";

const ENTRIES = 512;

/**
 * Tell the page-modification log of a guest-physical address whose page is about to be marked as dirty, where there is a
 * log: SDM volume 3, 29.3.6. False: it is full.
 */
export function logModification({ vmx, memory }: X86Cpu, physical: number): boolean {
  const { vmcs } = vmx;
  if (vmcs === undefined || !vmx.hasSecondary(Secondary.pageModificationLog)) return true;
  const index = vmcs.get(F.PML_INDEX);
  if (index >= ENTRIES) return false;
  memory.writePhysical(vmcs.address(F.PML_ADDRESS) + 8 * index, 8, BigInt(physical - (physical % 4096)));
  vmcs.set(F.PML_INDEX, (index - 1) & 0xffff);
  return true;
}
