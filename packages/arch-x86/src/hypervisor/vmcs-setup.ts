import { CR0 as CR0_BIT, CR4 as CR4_BIT } from "../cpu/control-bits.js";
import type { X86Cpu } from "../cpu/cpu.js";
import { CR0, CR3, CR4, EFER, msr } from "../cpu/state.js";
import { VmcsField as F } from "../cpu/vmx/fields.js";
import { NO_VMCS } from "../cpu/vmx/vmcs.js";
import { controlFields } from "./controls.js";
import { HostSelector } from "./host-processor.js";

type Fields = readonly (readonly [field: number, value: bigint])[];

/** What the second stage and a guest's translations are known by. */
export interface GuestSpace {
  readonly eptp: bigint;
  /** 1 to 65535. */
  readonly vpid: number;
  /** Host-physical. */
  readonly msrBitmap: number;
}

/** Bits of CR0 that are the host's: the guest reads those of the shadow. */
export const CR0_MASK = CR0_BIT.NE | CR0_BIT.NW | CR0_BIT.CD;
/** Guests have no VMX. */
const CR4_MASK = CR4_BIT.VMXE;

/** The host-state area: the processor as it is. Nothing of the host runs there after an exit, so RIP and RSP are 0. */
export function hostFields({ core }: X86Cpu): Fields {
  const { code, data, task } = HostSelector;
  return [
    [F.HOST_CR0, core.big(CR0)],
    [F.HOST_CR3, core.big(CR3)],
    [F.HOST_CR4, core.big(CR4)],
    [F.HOST_EFER, core.big(EFER)],
    [F.HOST_PAT, core.big(msr("IA32_PAT"))],
    [F.HOST_CS_SELECTOR, BigInt(code)],
    ...[
      F.HOST_ES_SELECTOR,
      F.HOST_SS_SELECTOR,
      F.HOST_DS_SELECTOR,
      F.HOST_FS_SELECTOR,
      F.HOST_GS_SELECTOR,
    ].map((field) => [field, BigInt(data)] as const),
    [F.HOST_TR_SELECTOR, BigInt(task)],
  ];
}

/** The control areas. Throws NotSupported for controls that the processor has not. */
export function guestControls(cpu: X86Cpu, { eptp, vpid, msrBitmap }: GuestSpace): Fields {
  return [
    ...controlFields(cpu),
    [F.EPT_POINTER, eptp],
    [F.VPID, BigInt(vpid)],
    [F.MSR_BITMAP, BigInt(msrBitmap)],
    [F.CR0_MASK, BigInt(CR0_MASK)],
    [F.CR4_MASK, BigInt(CR4_MASK)],
    [F.VMCS_LINK_POINTER, NO_VMCS],
  ];
}
