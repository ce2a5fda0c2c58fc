import type { X86Cpu } from "../cpu.js";
import { GPR } from "../state.js";
import { Secondary } from "./controls.js";
import { currentInstruction } from "./current-instruction.js";
import { VmcsField as F } from "./fields.js";
import { NO_VMCS, SHADOW, VMCS_REVISION, type Vmcs } from "./vmcs.js";
import { VmxInstruction } from "./vmx-instruction.js";

// VMREAD and VMWRITE of a guest that have a VMCS of their own: SDM volume 3, 25.10 and 26.1.3.

/** Encodings of fields that the bitmaps know. */
const ENCODINGS = 0x8000n;

/** VMREAD or VMWRITE in a guest does its work on the shadow VMCS; else it leaves. */
export function isShadowed(cpu: X86Cpu, instruction: VmxInstruction): boolean {
  const { vmx, core, memory } = cpu;
  const { vmcs } = vmx;
  const read = instruction === VmxInstruction.vmread;
  if (!read && instruction !== VmxInstruction.vmwrite) return false;
  if (vmcs === undefined || !vmx.hasSecondary(Secondary.vmcsShadowing)) return false;
  const register = core.big(GPR[currentInstruction(cpu).reg]!);
  const encoding = cpu.bits64 ? register : register & 0xffff_ffffn;
  if (encoding >= ENCODINGS) return false;
  const bitmap = vmcs.address(read ? F.VMREAD_BITMAP : F.VMWRITE_BITMAP);
  const byte = memory.readPhysical(bitmap + Number(encoding >> 3n), 1);
  return ((byte >> (encoding & 7n)) & 1n) === 0n;
}

/** The VMCS that VMREAD and VMWRITE are about: the current one, or a guest's shadow. Undefined: there is none. */
export function accessedVmcs({ vmx }: X86Cpu): Vmcs | undefined {
  const { vmcs } = vmx;
  if (!vmx.guest || vmcs === undefined) return vmcs;
  const link = vmcs.read(F.VMCS_LINK_POINTER);
  return link === NO_VMCS ? undefined : vmx.at(Number(link));
}

/**
 * What an entry finds where the link pointer points: the revision, and the mark of a shadow VMCS exactly where they are
 * used (27.3.1.5).
 */
export function linkFits({ vmx }: X86Cpu, vmcs: Vmcs, shadowing: boolean): boolean {
  const link = vmcs.read(F.VMCS_LINK_POINTER);
  if (link === NO_VMCS) return true;
  if (link === vmx.pointer) return false;
  return vmx.at(Number(link))?.revision === (VMCS_REVISION | (shadowing ? SHADOW : 0)) >>> 0;
}
