import { msr, x86Layout } from "../state.js";

// What VMX adds to a processor's state.

/** 0 outside VMX operation, 1 in VMX root operation, 2 in VMX non-root operation. */
export const vmxOperation = x86Layout.i32("vmxOperation");
export const VmxOperation = { none: 0, root: 1, nonRoot: 2 } as const;
/** Physical address of the VMXON region. */
export const vmxonPointer = x86Layout.i64("vmxonPointer");
/** Physical address of the current VMCS; bit 0 says that there is one. */
export const currentVmcs = x86Layout.i64("currentVmcs");
/** An event waits to be injected: its description is in the current VMCS. */
export const injectionWaits = x86Layout.i32("vmxInjectionWaits");
/** The time-stamp counter at which the VMX-preemption timer reaches 0. */
export const preemptionDeadline = x86Layout.i64("vmxPreemptionDeadline");
export const FEATURE_CONTROL = msr("IA32_FEATURE_CONTROL");
/** INIT is held back by VMX operation: 1, and 2 for the bootstrap processor's. */
export const initSignal = x86Layout.i32("vmxInit");
export const STARTED_UP = 0x100;
/** A start-up IPI came for a guest that waits for it: its vector, and `STARTED_UP`. */
export const startUpSignal = x86Layout.i32("vmxStartUp");
/** A guest's virtual interrupt waits to be delivered. */
export const virtualInterruptWaits = x86Layout.i32("vmxVirtualInterrupt");
/** The instruction that is over has written to the APIC-access page: 1 + the offset there. */
export const apicPageWritten = x86Layout.i32("vmxApicPageWritten");
/** The guest leaves before its next instruction: the reason, and from bit 16 on a qualification. */
export const trapExit = x86Layout.i32("vmxTrapExit");
