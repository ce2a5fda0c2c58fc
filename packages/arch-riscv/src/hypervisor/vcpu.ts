import { type CallStatus, type ExitAnswer, type GuestPhysAddr, HyperError, type VCpuContext, type VmExitInfo } from "@hypercraft/hypercraft";
import { Cause } from "../cpu/causes.js";
import { Fault, Need } from "../cpu/access.js";
import { floatRegister } from "../cpu/report.js";
import { H, S } from "../cpu/state.js";
import { HSTATUS } from "../cpu/status-bits.js";
import type { RiscvExitCause } from "./exit-cause.js";
import { HartVCpu } from "./hart-vcpu.js";
import { decodeLoadStore } from "./load-store.js";
import { sbiCall } from "./sbi/call.js";
import { SbiError } from "./sbi/constants.js";
import type { SbiOutcome } from "./sbi/host.js";
import { VCpuSbiHost } from "./sbi/vcpu-host.js";
import { enterWorld, setGuestInterrupts, setGuestTimer } from "./world.js";

const A0 = 10;
const A1 = 11;
const A6 = 16;
const A7 = 17;

/** hvip bits. */
const VSSIP = 1 << 2;
const VSEIP = 1 << 10;

/** Interrupts a VM can raise, by their numbers in the guest's own sip. */
export const GuestInterrupt = { software: 1, external: 9 } as const;

/** Extension ids that are none of the SBI's: a hypercall for whoever runs the VM. */
function isHypercall(eid: number): boolean {
  return eid === 0x485643 || (eid >= 0x0900_0000 && eid <= 0x0aff_ffff);
}

const SBI_STATUS: Record<CallStatus, number> = {
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

/** hcHyper's vCPU with its faults mended: a guest in VS-mode and VU-mode, whose traps into HS-mode end up here. */
export class RiscvVCpu extends HartVCpu {
  /** In an SBI suspend, which to other harts is not the same as waiting. */
  suspended = false;
  private sbi: VCpuSbiHost | undefined;
  /** The pending exit came from a legacy SBI call, whose result is in a0 alone. */
  private legacy = false;

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

  private start(pc: bigint, context: VCpuContext): void {
    enterWorld(this.hart, pc, context.guestPageTable.token);
  }

  protected override enter(budget: number): VmExitInfo<RiscvExitCause> {
    this.suspended = false;
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
        return this.guestPageFault(cause, raw);
      case Cause.virtualInstruction:
        // The guest has no hypervisor extension and no counters beyond its own: as on hardware without them.
        this.injectException(Cause.illegalInstruction, raw.stval);
        return undefined;
      default:
        return { kind: "failEntry", code: cause, message: `exception ${cause} is delegated to the guest, yet trapped`, raw };
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

  /** A load or store of a device, or an access nothing lies behind. */
  private guestPageFault(cause: number, raw: RiscvExitCause): VmExitInfo<RiscvExitCause> {
    const gpa = Number((raw.htval << 2n) | (raw.stval & 3n));
    const tinst = Number(raw.htinst);
    const access = cause === Cause.fetchGuestPage ? "execute" : cause === Cause.storeGuestPage ? "write" : "read";
    // Pseudoinstructions (0x3000, 0x3020 and their 32-bit forms) stand for the guest's own table walk.
    const tableWalk = tinst !== 0 && (tinst & 1) === 0;
    const instruction = tableWalk || cause === Cause.fetchGuestPage ? undefined : this.faultingAccess(tinst);
    if (instruction === undefined || instruction.store !== (access === "write")) {
      return { kind: "nestedPageFault", gpa, access, tableWalk, raw };
    }
    const { width, reg, signed } = instruction;
    if (!instruction.store) return { kind: "mmioRead", gpa, width, reg, signed, regWidth: 8, raw };
    const { lo, hi } = reg < 0 ? floatRegister(this.core, storedRegister(raw)) : { lo: this.getGprLo(reg), hi: this.getGprHi(reg) };
    return { kind: "mmioWrite", gpa, width, reg, lo: width < 4 ? lo & (2 ** (width * 8) - 1) : lo, hi: width === 8 ? hi : 0, raw };
  }

  private faultingAccess(tinst: number) {
    if (tinst !== 0) return decodeLoadStore(tinst, true);
    const bits = this.hart.instructionBits();
    return bits === 0 ? undefined : decodeLoadStore(bits, false);
  }

  // --- SBI -----------------------------------------------------------------------------------

  private ecall(raw: RiscvExitCause): VmExitInfo<RiscvExitCause> | undefined {
    const { core } = this;
    const eid = this.getGprLo(A7) | 0;
    const args = [0, 1, 2, 3, 4, 5].map((i) => this.getGpr(A0 + i));
    core.finishInstruction(4);
    if (isHypercall(eid)) return { kind: "hypercall", nr: BigInt(eid), args, raw };
    if (this.sbi === undefined) throw new HyperError("BadState", `vCPU ${this.vcpuId} is in no VM yet`);
    const outcome = sbiCall({ eid, fid: this.getGprLo(A6) | 0, args }, this.sbi);
    const exit = this.carryOut(outcome, raw);
    // Those that end in an exit are counted by the VM, under that exit's kind.
    if (exit === undefined) this.context.stats.count("hypercall");
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
      case "startHart":
        return { kind: "cpuUp", target: outcome.hartId, entry: outcome.entry, arg: outcome.opaque, raw };
      case "stopHart":
        return { kind: "cpuDown", raw };
      case "suspendHart":
        return this.suspend(outcome.resume, raw);
      case "shutdown":
        return { kind: "systemShutdown", failure: outcome.failure, code: outcome.code, raw };
      case "reset":
        return { kind: "systemReset", warm: outcome.warm, failure: outcome.failure, code: outcome.code, raw };
      default:
        throw new HyperError("Internal", `SBI outcome ${JSON.stringify(outcome satisfies never)}`);
    }
  }

  private suspend(resume: { entry: bigint; opaque: bigint } | undefined, raw: RiscvExitCause): VmExitInfo<RiscvExitCause> {
    this.setResult(SbiError.success, 0n);
    if (resume !== undefined) {
      this.start(resume.entry, this.context);
      this.setGpr(A0, BigInt(this.vcpuId));
      this.setGpr(A1, resume.opaque);
    }
    this.suspended = true;
    return { kind: "wait", raw };
  }

  private setResult(error: number, value: bigint): void {
    this.setGprPair(A0, error, error >> 31);
    this.setGpr(A1, BigInt.asUintN(64, value));
  }

  setGuestTimer(lo: number, hi: number): void {
    setGuestTimer(this.hart, lo, hi);
  }

  clearSoftwareInterrupt(): void {
    setGuestInterrupts(this.hart, VSSIP, 0);
  }

  /** Eight bytes as a load of the guest's present mode would read them. */
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
        this.fault(exit);
    }
  }

  /** Nothing answered: the guest gets the access fault that a bus without a device there would give. */
  private fault(exit: VmExitInfo<RiscvExitCause>): void {
    if (exit.kind === "hypercall") return this.setResult(SbiError.notSupported, 0n);
    const write = exit.kind === "mmioWrite" || (exit.kind === "nestedPageFault" && exit.access === "write");
    const execute = exit.kind === "nestedPageFault" && exit.access === "execute";
    this.injectException(execute ? Cause.fetchAccess : write ? Cause.storeAccess : Cause.loadAccess, exit.raw.stval);
  }

  private injectException(cause: number, value: bigint): void {
    this.hart.traps.raise(cause, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  /** Make one of `GuestInterrupt` pending. */
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

/** Register number of a floating-point store's data, from the instruction that the exit tells. */
function storedRegister(raw: RiscvExitCause): number {
  return Number((raw.htinst >> 20n) & 31n);
}
