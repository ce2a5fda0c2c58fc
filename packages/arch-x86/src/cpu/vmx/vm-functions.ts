import type { X86Cpu } from "../cpu.js";
import { invalidOpcode } from "../fault.js";
import { GPR, Gpr } from "../state.js";
import { Secondary } from "./controls.js";
import { currentInstruction } from "./current-instruction.js";
import { isEptPointer } from "./ept-pointer.js";
import { VmcsField as F } from "./fields.js";
import { ExitReason, VmExit } from "./vm-exit.js";

// VMFUNC: SDM volume 3, 26.5.6.

/** VM functions by bit, as IA32_VMX_VMFUNC tells of them. */
export const VmFunction = { eptpSwitching: 1 } as const;
const FUNCTIONS = 64;
const EPT_POINTERS = 512;

/** #UD where there are no VM functions. */
export function checkVmFunction({ vmx }: X86Cpu): void {
  if (!vmx.guest || !vmx.hasSecondary(Secondary.vmFunctions)) throw invalidOpcode();
}

/** The function in EAX, of any privilege level. */
export function vmFunction(cpu: X86Cpu): void {
  const { core, vmx } = cpu;
  const number = core.lo(GPR[Gpr.rax]!) >>> 0;
  if (number >= FUNCTIONS) throw invalidOpcode();
  const allowed = vmx.vmcs?.read(F.VM_FUNCTION_CONTROLS) ?? 0n;
  if (((allowed >> BigInt(number)) & 1n) === 0n || !switchEpt(cpu))
    throw new VmExit(ExitReason.vmfunc, { length: currentInstruction(cpu).length });
}

/** EPTP switching: the pointer of the list that ECX names. False if there is none that an entry would take. */
function switchEpt(cpu: X86Cpu): boolean {
  const { core, memory, vmx, contexts } = cpu;
  const index = core.lo(GPR[Gpr.rcx]!) >>> 0;
  const { vmcs } = vmx;
  if (vmcs === undefined || index >= EPT_POINTERS) return false;
  const pointer = memory.readPhysical(vmcs.address(F.EPTP_LIST_ADDRESS) + 8 * index, 8);
  if (!isEptPointer(pointer)) return false;
  vmcs.write(F.EPT_POINTER, pointer);
  vmx.selectEpt();
  contexts.refresh();
  return true;
}
