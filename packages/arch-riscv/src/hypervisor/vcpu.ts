import { Status } from "@hypercraft/engine";
import {
  type CallStatus,
  type ExitAnswer,
  type GuestPhysAddr,
  HyperError,
  type VCpuContext,
  type VmExitInfo,
} from "@hypercraft/hypercraft";
import { Fault, Need } from "../cpu/access.js";
import { Cause } from "../cpu/causes.js";
import type { FatalExit } from "../cpu/exit.js";
import { floatRegister } from "../cpu/report.js";
import { H, S } from "../cpu/state.js";
import { HSTATUS } from "../cpu/status-bits.js";
import type { RiscvExitCause } from "./exit-cause.js";
import { type FaultingGuest, guestPageFaultExit } from "./guest-page-fault.js";
import { HartVCpu, type HartVCpuState } from "./hart-vcpu.js";
import { sbiCall } from "./sbi/call.js";
import { isVendorCall, SbiError, sbiName, VMM_CALL } from "./sbi/constants.js";
import type { SbiOutcome } from "./sbi/host.js";
import { VCpuSbiHost } from "./sbi/vcpu-host.js";
import { enterWorld, resumeWorld, setGuestInterrupts, setGuestTimer } from "./world.js";

const A0 = 10;
const A1 = 11;
const A6 = 16;
const A7 = 17;

/** hvip bits. */
const VSSIP = 1 << 2;
const VSEIP = 1 << 10;

const ECALL_BYTES = 4;

/** Interrupts a VM can raise, by their numbers in the guest's own sip. */
export const GuestInterrupt = { software: 1, external: 9 } as const;

const SBI_STATUS: Record<CallStatus, SbiError> = {
  success: SbiError.success,
  failed: SbiError.failed,
  notSupported: SbiError.notSupported,
  invalidParam: SbiError.invalidParam,
  invalidAddress: SbiError.invalidAddress,
  denied: SbiError.denied,
  alreadyOn: SbiError.alreadyAvailable,
};

const REASONS: Record<number, string> = {
  [Cause.ecallVS]: "environment call from VS-mode",
  [Cause.fetchGuestPage]: "instruction guest-page fault",
  [Cause.loadGuestPage]: "load guest-page fault",
  [Cause.virtualInstruction]: "virtual instruction",
  [Cause.storeGuestPage]: "store/AMO guest-page fault",
};

/** What a bus with nothing behind the address would have raised. */
const ACCESS_FAULTS: Record<number, number> = {
  [Cause.fetchGuestPage]: Cause.fetchAccess,
  [Cause.loadGuestPage]: Cause.loadAccess,
  [Cause.storeGuestPage]: Cause.storeAccess,
};

/** hgatp was reset when virtualization was switched off: a guest would be loose in host memory. */
const NO_SECOND_STAGE: FatalExit = {
  kind: "fatal",
  reason: "the hart's second stage of translation is off",
  cause: 0,
  interrupt: false,
  pc: 0n,
  value: 0n,
};

const HOST_FIELDS = ["hgatp"] as const;

/** A vCPU's state as plain data. */
export type RiscvVCpuState = HartVCpuState;

/** hcHyper's vCPU with its faults mended: a guest in VS-mode and VU-mode, whose traps into HS-mode end up here. */
export class RiscvVCpu extends HartVCpu {
  private sbi: VCpuSbiHost | undefined;
  /** The pending exit came from a legacy SBI call, whose result is in a0 alone. */
  private legacy = false;
  private readonly guest: FaultingGuest = {
    instructionBits: () => this.hart.instructionBits(),
    integerRegister: (index) => ({ lo: this.getGprLo(index), hi: this.getGprHi(index) }),
    floatRegister: (index) => floatRegister(this.core, index),
  };

  protected override onSetup(context: VCpuContext): void {
    this.sbi = new VCpuSbiHost(this, context);
    this.start(BigInt(this.entry), context);
    this.setGpr(A0, BigInt(this.vcpuId));
  }

  protected override onPowerOn(entry: GuestPhysAddr, arg: bigint): void {
    this.start(BigInt(entry), this.context);
    this.setGpr(A0, BigInt(this.vcpuId));
    this.setGpr(A1, arg);
  }

  /** hgatp: where the second stage's tables are, and the VMID. */
  protected override get hostFields(): readonly string[] {
    return HOST_FIELDS;
  }

  private start(pc: bigint, context: VCpuContext): void {
    const { core, hart } = this;
    // The external interrupt is a wire from the interrupt controller, which tells only its changes.
    const external = core.lo(H.vip) & VSEIP;
    core.forgetAnswers();
    this.deadEnd = undefined;
    enterWorld(hart, pc, context.guestPageTable.token);
    setGuestInterrupts(hart, VSEIP, external);
  }

  protected override enter(budget: number): VmExitInfo<RiscvExitCause> {
    if (this.core.hi(H.gatp) === 0) return this.fatal(NO_SECOND_STAGE);
    return super.enter(budget);
  }

  // --- Exits ---------------------------------------------------------------------------------

  protected override trapped(): VmExitInfo<RiscvExitCause> | undefined {
    const { core } = this;
    const cause = core.lo(S.cause);
    const interrupt = core.hi(S.cause) < 0;
    const raw = this.rawCause(interrupt);
    // Back to the guest's mode at once: between runs a vCPU is always in its guest.
    this.hart.enterGuest();
    if (interrupt) return { kind: "externalInterrupt", vector: cause, raw };
    switch (cause) {
      case Cause.ecallVS:
        return this.ecall(raw);
      case Cause.loadGuestPage:
      case Cause.storeGuestPage:
      case Cause.fetchGuestPage:
        return guestPageFaultExit(raw, this.guest);
      case Cause.virtualInstruction:
        // The guest has no hypervisor extension: to it these are illegal, with the instruction as trap value.
        this.inject(Cause.illegalInstruction, raw.stval);
        return undefined;
      default: {
        const message = `exception ${cause} is delegated to the guest, yet trapped`;
        return { kind: "failEntry", code: cause, message, raw };
      }
    }
  }

  private rawCause(interrupt: boolean): RiscvExitCause {
    const { core } = this;
    const cause = core.lo(S.cause);
    return {
      arch: "riscv64",
      reason: interrupt ? `interrupt ${cause}` : (REASONS[cause] ?? `exception ${cause}`),
      scause: core.big(S.cause),
      sepc: core.big(S.epc),
      stval: core.big(S.tval),
      htval: core.big(H.tval),
      htinst: core.big(H.tinst),
      spvp: (core.lo(H.status) & HSTATUS.SPVP) !== 0 ? 1 : 0,
    };
  }

  // --- SBI -----------------------------------------------------------------------------------

  private ecall(raw: RiscvExitCause): VmExitInfo<RiscvExitCause> | undefined {
    const { core, hart } = this;
    const eid = this.getGprLo(A7) | 0;
    const fid = this.getGprLo(A6);
    const args = [0, 1, 2, 3, 4, 5].map((i) => this.getGpr(A0 + i));
    core.finishInstruction(ECALL_BYTES);
    // Environment calls are executed, but do not retire.
    hart.counters.trapped();
    if (eid === VMM_CALL) return { kind: "hypercall", nr: BigInt(fid), args, raw };
    if (isVendorCall(eid)) return { kind: "hypercall", nr: BigInt(eid), args: [...args, BigInt(fid)], raw };
    if (this.sbi === undefined) throw new HyperError("BadState", `vCPU ${this.vcpuId} is in no VM yet`);
    const exit = this.carryOut(sbiCall({ eid, fid: fid | 0, args }, this.sbi), raw);
    // Those that end in an exit are counted by the VM, under that exit's kind.
    if (exit === undefined) this.context.stats.count("hypercall", sbiName(eid));
    return exit;
  }

  private carryOut(outcome: SbiOutcome, raw: RiscvExitCause): VmExitInfo<RiscvExitCause> | undefined {
    this.legacy = false;
    switch (outcome.kind) {
      case "return":
        this.setResult(outcome.error, outcome.value);
        return undefined;
      case "legacy":
        this.setGpr(A0, BigInt.asUintN(64, outcome.value));
        return undefined;
      case "unknown":
        this.setResult(SbiError.notSupported, 0n);
        return undefined;
      case "ipi":
        this.legacy = outcome.legacy;
        return { kind: "ipi", targets: outcome.targets, vector: GuestInterrupt.software, raw };
      default:
        return this.power(outcome, raw);
    }
  }

  protected override suspending(resume: { entry: number; arg: bigint } | undefined): void {
    this.setResult(SbiError.success, 0n);
    if (resume === undefined) return;
    resumeWorld(this.hart, BigInt(resume.entry));
    this.setGpr(A0, BigInt(this.vcpuId));
    this.setGpr(A1, resume.arg);
  }

  private setResult(error: SbiError, value: bigint): void {
    this.setGprPair(A0, error, error >> 31);
    this.setGpr(A1, BigInt.asUintN(64, value));
  }

  /** Program the guest's timer in ticks of its `time`; all ones is never. */
  setGuestTimer(lo: number, hi: number): void {
    setGuestTimer(this.hart, lo, hi);
  }

  /** Whether a software interrupt was pending. */
  clearSoftwareInterrupt(): boolean {
    const pending = (this.core.lo(H.vip) & VSSIP) !== 0;
    setGuestInterrupts(this.hart, VSSIP, 0);
    return pending;
  }

  /** Eight bytes as a load of the guest's present mode would read them; undefined where it would fault. */
  readVirtual(address: bigint): bigint | undefined {
    const [lo, hi] = [Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n))];
    const { hypervisorAccess } = this.hart;
    if (hypervisorAccess.read(Need.read, 8, lo, hi) !== Fault.none) return undefined;
    return (BigInt(hypervisorAccess.hi >>> 0) << 32n) | BigInt(hypervisorAccess.lo >>> 0);
  }

  // --- Answers and interrupts ----------------------------------------------------------------

  protected override finishExit(exit: VmExitInfo<RiscvExitCause>, answer: ExitAnswer): void {
    switch (answer.kind) {
      case "value":
        this.core.answer(answer.lo, answer.hi);
        return;
      case "done":
        this.core.answer(0, 0);
        return;
      case "retry":
        return;
      case "results":
        this.setGpr(A0, answer.values[0] ?? 0n);
        this.setGpr(A1, answer.values[1] ?? 0n);
        return;
      case "status":
        if (this.legacy) this.setGprPair(A0, SBI_STATUS[answer.status], SBI_STATUS[answer.status] >> 31);
        else this.setResult(SBI_STATUS[answer.status], 0n);
        return;
      case "fault":
        if (exit.kind === "hypercall") this.setResult(SbiError.notSupported, 0n);
        else this.inject(ACCESS_FAULTS[Number(exit.raw.scause)] ?? Cause.loadAccess, exit.raw.stval);
    }
  }

  /** An exception of the instruction at the pc, which counts as executed by that. */
  private inject(cause: number, value: bigint): void {
    const { core, hart } = this;
    core.finishInstruction(0);
    core.traps++;
    const [lo, hi] = [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
    if (hart.traps.raise(cause, lo, hi) === Status.exitBefore) this.deadEnd = core.exit as FatalExit;
  }

  /** Make one of `GuestInterrupt` pending. Throws OutOfRange for another number. */
  override interrupt(vector: number): void {
    if (vector !== GuestInterrupt.software && vector !== GuestInterrupt.external) {
      throw new HyperError("OutOfRange", `a hart has no interrupt ${vector} for others to raise`);
    }
    this.setInterrupt(vector, true);
  }

  /** Drive an interrupt of the guest; the external one follows the virtual PLIC's output. */
  setInterrupt(vector: number, level: boolean): void {
    const bit = vector === GuestInterrupt.software ? VSSIP : VSEIP;
    setGuestInterrupts(this.hart, bit, level ? bit : 0);
    if (level) this.signalWake();
  }
}
