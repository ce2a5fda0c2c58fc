import type { GuestPhysAddr } from "./address.js";
import type { AccessWidth, DeviceWidth } from "./device-bus.js";

/**
 * The architecture's own words for an exit: its exit registers, as plain data. Every architecture extends this
 * with its fields (numbers, bigints, strings, booleans); reports print them by name.
 */
export interface RawExitCause {
  /** "riscv64", "aarch64", "x86_64", ... */
  readonly arch: string;
  /** The reason in the manual's words: "virtual supervisor ecall", "EPT violation". */
  readonly reason: string;
}

interface ExitBase<Raw extends RawExitCause> {
  readonly raw: Raw;
}

/** The guest asked the hypervisor for something by number, in the architecture's calling convention. */
export interface HypercallExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "hypercall";
  readonly nr: bigint;
  readonly args: readonly bigint[];
}

/** A load from a guest-physical address without RAM. */
export interface MmioReadExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "mmioRead";
  readonly gpa: GuestPhysAddr;
  readonly width: AccessWidth;
  /** Number of the destination register, -1 where it is none of the general-purpose ones. */
  readonly reg: number;
  /** Whether the loaded value is sign-extended to `regWidth`. */
  readonly signed: boolean;
  /** Bytes of the destination that the load defines by extension: 4 or 8, on x86 also 1 and 2. */
  readonly regWidth: AccessWidth;
}

/** A store to a guest-physical address without RAM; the low `width` bytes of `hi:lo` are the value. */
export interface MmioWriteExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "mmioWrite";
  readonly gpa: GuestPhysAddr;
  readonly width: AccessWidth;
  /** Number of the source register, -1 where it is none of the general-purpose ones. */
  readonly reg: number;
  readonly lo: number;
  readonly hi: number;
}

/** A read of an I/O port, 0..0xffff. */
export interface PortReadExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "portRead";
  readonly port: number;
  readonly width: DeviceWidth;
}

/** A write of an I/O port, 0..0xffff. */
export interface PortWriteExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "portWrite";
  readonly port: number;
  readonly width: DeviceWidth;
  readonly value: number;
}

/** A read of a system register (CSR, sysreg, MSR) that the hypervisor traps. */
export interface SysRegReadExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "sysRegRead";
  /** The architecture's own number or encoding of the register. */
  readonly sysReg: number;
  readonly reg: number;
}

/** A write of a system register that the hypervisor traps. */
export interface SysRegWriteExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "sysRegWrite";
  readonly sysReg: number;
  readonly reg: number;
  readonly lo: number;
  readonly hi: number;
}

/** The second stage denied an access that is no plain load or store of a device: a fetch, a table walk, RAM. */
export interface NestedPageFaultExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "nestedPageFault";
  readonly gpa: GuestPhysAddr;
  readonly access: "read" | "write" | "execute";
  /** Whether the guest's own page-table walk made the access. */
  readonly tableWalk: boolean;
}

/** An interrupt for the host arrived while the guest ran. */
export interface ExternalInterruptExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "externalInterrupt";
  readonly vector: number;
}

/**
 * The vCPU's virtual timer wants the loop's attention: it expired, or the guest moved its deadline. May end a
 * run at any instruction; entering again is all it needs.
 */
export interface TimerExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "timer";
}

/** The guest has nothing to do until an interrupt (WFI, HLT). The vCPU is Blocked, behind the instruction. */
export interface WaitExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "wait";
}

/** The guest starts another of its vCPUs. */
export interface CpuUpExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "cpuUp";
  /** vCPU id; the architecture has translated its own names (hart id, affinity, APIC id). -1: no such CPU. */
  readonly target: number;
  readonly entry: GuestPhysAddr;
  /** Opaque value handed to the new vCPU. */
  readonly arg: bigint;
}

/** The guest stops the vCPU that exits. */
export interface CpuDownExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "cpuDown";
}

/** The guest interrupts some of its vCPUs. */
export interface IpiExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "ipi";
  /** vCPU ids, or every vCPU, or every one but the sender. */
  readonly targets: readonly number[] | "all" | "others";
  /** The architecture's own interrupt number. */
  readonly vector: number;
}

/** The guest asks to be started again. */
export interface SystemResetExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "systemReset";
  /** Whether devices keep their state. */
  readonly warm: boolean;
  /** Whether the guest gave failure as the reason. */
  readonly failure: boolean;
  /** The guest's own code, 0 if it gave none. */
  readonly code: number;
}

/** The guest switches its machine off. */
export interface SystemShutdownExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "systemShutdown";
  readonly failure: boolean;
  readonly code: number;
}

/** The virtualization hardware refused to enter the guest: its state or controls are invalid. */
export interface FailEntryExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "failEntry";
  readonly code: number;
  readonly message: string;
}

/** The budget of the run is used up, to the instruction, or the guest gives the rest of it away. */
export interface BudgetSpentExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "budgetSpent";
  /** The guest spins, and says so: another vCPU's turn may be what it waits for. */
  readonly yields?: true;
}

/** A debugger's condition holds; the instruction at pc has not run, except after "step". */
export interface DebugStopExit<Raw extends RawExitCause = RawExitCause> extends ExitBase<Raw> {
  readonly kind: "debugStop";
  readonly cause: "breakpoint" | "watchpoint" | "step" | "request";
  /** Guest-virtual address of the breakpoint or of the watched byte; pc for the others. */
  readonly address: bigint;
}

/** Why a vCPU left its guest: one union for all architectures, told apart by `kind`. */
export type VmExitInfo<Raw extends RawExitCause = RawExitCause> =
  | HypercallExit<Raw>
  | MmioReadExit<Raw>
  | MmioWriteExit<Raw>
  | PortReadExit<Raw>
  | PortWriteExit<Raw>
  | SysRegReadExit<Raw>
  | SysRegWriteExit<Raw>
  | NestedPageFaultExit<Raw>
  | ExternalInterruptExit<Raw>
  | TimerExit<Raw>
  | WaitExit<Raw>
  | CpuUpExit<Raw>
  | CpuDownExit<Raw>
  | IpiExit<Raw>
  | SystemResetExit<Raw>
  | SystemShutdownExit<Raw>
  | FailEntryExit<Raw>
  | BudgetSpentExit<Raw>
  | DebugStopExit<Raw>;

export type VmExitKind = VmExitInfo["kind"];

/** The exit of one kind. */
export type VmExitOf<K extends VmExitKind, Raw extends RawExitCause = RawExitCause> = Extract<
  VmExitInfo<Raw>,
  { kind: K }
>;

/** How a request to the firmware ended; the architecture turns it into its own code (SBI, PSCI). */
export type CallStatus =
  | "success"
  | "failed"
  | "notSupported"
  | "invalidParam"
  | "invalidAddress"
  | "denied"
  | "alreadyOn";

/**
 * What completes a pending exit:
 *
 * - `value`: what a read found; the low bytes of the access's width count.
 * - `done`: a write was carried out.
 * - `results`: a hypercall's results, for the result registers of the convention, in order.
 * - `status`: a request was carried out or refused.
 * - `retry`: run the instruction again, for whatever denied it is mended.
 * - `fault`: nothing answered; the guest gets its architecture's fault for that access, or reads all ones where
 *   the architecture has no such fault.
 */
export type ExitAnswer =
  | { readonly kind: "value"; readonly lo: number; readonly hi: number }
  | { readonly kind: "done" }
  | { readonly kind: "results"; readonly values: readonly bigint[] }
  | { readonly kind: "status"; readonly status: CallStatus }
  | { readonly kind: "retry" }
  | { readonly kind: "fault" };

/** Which answers complete which exit. An exit without any is complete when it is reported. */
export const EXIT_ANSWERS: Readonly<Record<VmExitKind, readonly ExitAnswer["kind"][]>> = {
  hypercall: ["results", "status", "fault"],
  mmioRead: ["value", "retry", "fault"],
  mmioWrite: ["done", "retry", "fault"],
  portRead: ["value", "fault"],
  portWrite: ["done", "fault"],
  sysRegRead: ["value", "fault"],
  sysRegWrite: ["done", "fault"],
  nestedPageFault: ["retry", "fault"],
  externalInterrupt: [],
  timer: [],
  wait: [],
  cpuUp: ["status"],
  cpuDown: ["status"],
  ipi: ["status"],
  systemReset: ["status"],
  systemShutdown: ["status"],
  failEntry: [],
  budgetSpent: [],
  debugStop: [],
};

/** Every kind of exit, in the order of the union. */
export const VM_EXIT_KINDS = Object.keys(EXIT_ANSWERS) as readonly VmExitKind[];

/** Whether the vCPU stays with this exit until it is answered. */
export function needsAnswer(kind: VmExitKind): boolean {
  return EXIT_ANSWERS[kind].length > 0;
}
