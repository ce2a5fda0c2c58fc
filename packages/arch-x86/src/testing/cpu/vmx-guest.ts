import { GPR } from "../../cpu/state.js";
import { CAPABILITIES } from "../../cpu/vmx/capabilities.js";
import { Entry, Exit, Primary, Secondary } from "../../cpu/vmx/controls.js";
import { VmcsField as F } from "../../cpu/vmx/fields.js";
import { VMCS_REGION, VMXON_REGION, type VmxRig } from "./vmx-rig.js";

// A VMCS that is right in everything, for a guest in 64-bit mode with the host's page tables.

export const GUEST_CODE = 0x11_0000;
export const HOST_ENTRY = 0x12_0000;
export const GUEST_STACK = 0x13_0000;
const TABLES = 0x1000n;
const CODE_64 = 0xa09b;
const DATA = 0xc093;
const TSS_64 = 0x8b;
const UNUSABLE = 0x1_0000;

/** Bits that have to be 1 in a control field, by its true capability MSR. */
export const must = (capability: number): number =>
  Number((CAPABILITIES.get(capability) ?? 0n) & 0xffff_ffffn);

/** Fields of the VMCS by encoding. What is not here is 0. */
export function validVmcs(): Map<number, bigint> {
  const fields = new Map<number, bigint>();
  const put = (field: number, value: number | bigint) => fields.set(field, BigInt(value));
  put(F.PIN_CONTROLS, must(0x48d));
  put(F.PROCESSOR_CONTROLS, (must(0x48e) | Primary.secondaryControls) >>> 0);
  put(F.EXIT_CONTROLS, must(0x48f) | Exit.hostAddressSpaceSize | Exit.saveEfer | Exit.loadEfer);
  put(F.ENTRY_CONTROLS, must(0x490) | Entry.ia32eGuest | Entry.loadEfer);
  put(F.SECONDARY_CONTROLS, Secondary.rdtscp | Secondary.invpcid);
  for (const side of [F.HOST_CR0, F.GUEST_CR0]) put(side, 0x8000_0031);
  for (const side of [F.HOST_CR3, F.GUEST_CR3]) put(side, TABLES);
  for (const side of [F.HOST_CR4, F.GUEST_CR4]) put(side, 0x2020);
  for (const side of [F.HOST_EFER, F.GUEST_EFER]) put(side, 0x500);
  put(F.HOST_CS_SELECTOR, 8);
  put(F.HOST_SS_SELECTOR, 16);
  put(F.HOST_TR_SELECTOR, 0x18);
  put(F.HOST_RIP, HOST_ENTRY);
  put(F.HOST_RSP, 0x14_0000);
  for (let i = 0; i < 6; i++) {
    put(F.GUEST_ES_SELECTOR + 2 * i, i === 1 ? 8 : 16);
    put(F.GUEST_ES_LIMIT + 2 * i, 0xffff_ffff);
    put(F.GUEST_ES_RIGHTS + 2 * i, i === 1 ? CODE_64 : DATA);
  }
  put(F.GUEST_LDTR_RIGHTS, UNUSABLE);
  put(F.GUEST_TR_SELECTOR, 0x18);
  put(F.GUEST_TR_LIMIT, 0x67);
  put(F.GUEST_TR_RIGHTS, TSS_64);
  put(F.GUEST_RFLAGS, 2);
  put(F.GUEST_RIP, GUEST_CODE);
  put(F.GUEST_RSP, GUEST_STACK);
  put(F.GUEST_DR7, 0x400);
  put(F.VMCS_LINK_POINTER, (1n << 64n) - 1n);
  return fields;
}

/** Fields that have other values than in `validVmcs`, by encoding. */
export type Changes = Readonly<Record<number, number | bigint>>;

/** Begin VMX operation with that VMCS, changed by `changes`. */
export function prepareGuest(rig: VmxRig, changes: Changes = {}): void {
  rig.pointing("vmxon Mq", BigInt(VMXON_REGION));
  rig.pointing("vmclear Mq", BigInt(VMCS_REGION));
  rig.pointing("vmptrld Mq", BigInt(VMCS_REGION));
  const fields = validVmcs();
  for (const [field, value] of Object.entries(changes)) fields.set(Number(field), BigInt(value));
  for (const [field, value] of fields) rig.cpu.vmx.vmcs?.write(field, value);
}

/** Put code where the guest begins. */
export function putGuestCode(rig: VmxRig, code: readonly number[], at: number = GUEST_CODE): void {
  rig.ram.set(code, at);
  rig.core.ramWritten(rig.core.ramOffset(at), code.length);
}

/** How code leaves for its hypervisor. */
export const VMCALL: readonly number[] = [0x0f, 0x01, 0xc1];

/** Prepare a guest that executes code and leaves behind it by VMCALL; `values`: of its general registers. */
export function prepareCode(
  rig: VmxRig,
  code: readonly number[],
  changes: Changes = {},
  values: Readonly<Record<number, bigint>> = {},
): void {
  prepareGuest(rig, changes);
  putGuestCode(rig, [...code, ...VMCALL]);
  for (const [number, value] of Object.entries(values)) rig.core.setBig(GPR[Number(number)]!, value);
}

/** The exit's reason, with bit 31 for an entry that failed, once the guest has left within some instructions. */
export function runGuest(rig: VmxRig, launch = true, budget = 100): number {
  rig.step(launch ? "vmlaunch" : "vmresume");
  rig.core.exit = null;
  // Instruction by instruction, so that nothing of the host runs.
  for (let i = 0; i < budget && rig.cpu.vmx.guest; i++) rig.core.run(1);
  if (rig.cpu.vmx.guest) throw new Error(`the guest is still there, at ${rig.cpu.ip.toString(16)}`);
  return Number(rig.cpu.vmx.vmcs?.get(F.EXIT_REASON));
}
