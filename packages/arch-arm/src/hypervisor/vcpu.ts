import { Status } from "@hypercraft/engine";
import {
  type ExitAnswer,
  type GuestPhysAddr,
  HyperError,
  type VCpuContext,
  type VmExitInfo,
} from "@hypercraft/hypercraft";
import { Need } from "../cpu/access.js";
import { HCR } from "../cpu/control-bits.js";
import type { FatalExit, PeExit, VectorKind } from "../cpu/exit.js";
import { EL2 } from "../cpu/fields.js";
import { resumeAfterPowerDown } from "../cpu/reset.js";
import { Ec, Fsc, ISS_CM, ISS_FSC, ISS_WNR } from "../cpu/syndrome.js";
import { trappedAccess } from "../cpu/system-register.js";
import type { ArmExitCause } from "./exit-cause.js";
import { guestIdentification } from "./identification.js";
import { PeVCpu } from "./pe-vcpu.js";
import { isVendorCall } from "./psci/constants.js";
import { type AbortingGuest, stage2AbortExit } from "./stage2-abort.js";
import { enterWorld, setVirtualInterrupt } from "./world.js";

const INSTRUCTION_BYTES = 4;
const EC_SHIFT = 26n;
const ISS_MASK = 0x1ff_ffffn;
/** WFE rather than WFI. */
const WFX_EVENT = 1;
/** Arguments of a hypercall: X1 to X6, as in the SMC Calling Convention 1.0. */
const ARGUMENTS = [1, 2, 3, 4, 5, 6] as const;
/** Results, X0 to X3. */
const RESULTS = 4;

/** What a VM's interrupt controller raises: the virtual IRQ and FIQ. */
export const GuestInterrupt = { irq: 0, fiq: 1 } as const;
const PENDING_BITS: Readonly<Record<number, number>> = {
  [GuestInterrupt.irq]: HCR.VI,
  [GuestInterrupt.fiq]: HCR.VF,
};

const REASONS: Readonly<Record<number, string>> = {
  [Ec.wfx]: "WFI or WFE",
  [Ec.hvc]: "HVC",
  [Ec.smc]: "SMC",
  [Ec.systemAccess]: "MSR, MRS or system instruction",
  [Ec.instructionAbort]: "instruction abort from a lower exception level",
  [Ec.dataAbort]: "data abort from a lower exception level",
};
const VECTOR_REASONS: Readonly<Record<VectorKind, string>> = {
  sync: "exception",
  irq: "IRQ",
  fiq: "FIQ",
  serror: "SError",
};

/** HCR_EL2 was reset when virtualization was switched off: a guest would be loose in host memory. */
const NO_SECOND_STAGE: FatalExit = { kind: "fatal", reason: "the PE's second stage of translation is off" };

/** A VM's interrupt controller, as one of its vCPUs has it. */
export interface VCpuInterruptController {
  /** Makes the vCPU's SGI or PPI of this interrupt ID pending. Throws OutOfRange for another one. */
  raise(id: number): void;
  /** A physical interrupt for the hypervisor has come; false if none is the controller's. Undefined: none ever is. */
  hostInterrupt?(): boolean;
  /** The guest wrote one of its system registers that the hypervisor traps; false if there is none. */
  writeRegister?(register: number, value: bigint): boolean;
}

const HOST_FIELDS = ["VTTBR_EL2"] as const;

/** A guest at EL1 and EL0, whose exceptions to EL2 end up here. */
export class ArmVCpu extends PeVCpu {
  /** Whoever wires the VM's interrupt controller sets this, and drives `setInterrupt`. */
  interruptController: VCpuInterruptController | undefined;
  private readonly guest: AbortingGuest = {
    register: (index) => ({ lo: this.getGprLo(index), hi: this.getGprHi(index) }),
    askedAccess: () => this.core.askedAccess(),
  };

  /** Aff0 is the vCPU's id. */
  override get affinity(): bigint {
    return BigInt(this.vcpuId);
  }

  protected override onSetup(context: VCpuContext): void {
    super.onSetup(context);
    this.start(this.entry, context);
  }

  protected override onPowerOn(entry: GuestPhysAddr, arg: bigint): void {
    this.start(entry, this.context);
    this.setGpr(0, arg);
  }

  /** Where the second stage's tables are, and the VMID. */
  protected override get hostFields(): readonly string[] {
    return HOST_FIELDS;
  }

  private start(entry: GuestPhysAddr, { guestPageTable }: VCpuContext): void {
    this.core.forgetAnswers();
    this.deadEnd = undefined;
    enterWorld(this.pe, { pc: BigInt(entry), vttbr: guestPageTable.token, affinity: this.affinity });
  }

  protected override resumeAt(entry: number): void {
    resumeAfterPowerDown(this.pe, BigInt(entry));
  }

  protected override enter(budget: number): VmExitInfo<ArmExitCause> {
    if ((this.core.lo(EL2.hcr) & HCR.VM) === 0) return this.fatal(NO_SECOND_STAGE);
    return super.enter(budget);
  }

  // --- Exits ---------------------------------------------------------------------------------

  protected override trapped(): VmExitInfo<ArmExitCause> | undefined {
    const { vector } = this.core.exit as Extract<PeExit, { kind: "trap" }>;
    const raw = this.rawCause(vector);
    // Back to the guest at once: between runs a vCPU is always in its guest.
    this.pe.enterGuest();
    if (vector === "irq") return this.hostInterrupt(raw);
    if (vector === "fiq") return { kind: "externalInterrupt", vector: GuestInterrupt.fiq, raw };
    return vector === "sync" ? this.synchronous(raw) : this.unexpected(raw);
  }

  private hostInterrupt(raw: ArmExitCause): VmExitInfo<ArmExitCause> | undefined {
    if (this.interruptController?.hostInterrupt?.() !== true)
      return { kind: "externalInterrupt", vector: GuestInterrupt.irq, raw };
    this.context.stats.count("externalInterrupt", "GIC maintenance interrupt");
    return undefined;
  }

  private rawCause(vector: VectorKind): ArmExitCause {
    const { core } = this;
    const esr = core.big(EL2.esr);
    const ec = Number(esr >> EC_SHIFT);
    const reason =
      vector === "sync" ? (REASONS[ec] ?? `exception class 0x${ec.toString(16)}`) : VECTOR_REASONS[vector];
    return {
      arch: "aarch64",
      reason,
      esr,
      elr: core.big(EL2.elr),
      spsr: core.big(EL2.spsr),
      far: core.big(EL2.far),
      hpfar: core.big(EL2.hpfar),
    };
  }

  private synchronous(raw: ArmExitCause): VmExitInfo<ArmExitCause> | undefined {
    const iss = Number(raw.esr & ISS_MASK);
    switch (Number(raw.esr >> EC_SHIFT)) {
      case Ec.wfx:
        this.core.finishInstruction(INSTRUCTION_BYTES);
        // Trapped WFE has no event to wait for: it is a hint that others could run.
        return (iss & WFX_EVENT) !== 0 ? { kind: "timer", raw } : { kind: "wait", raw };
      case Ec.hvc:
        // The preferred return is behind it.
        this.core.finishInstruction(0);
        return this.hypervisorCall(iss & 0xffff, raw);
      case Ec.smc:
        this.core.finishInstruction(INSTRUCTION_BYTES);
        return this.secureMonitorCall(iss & 0xffff, raw);
      case Ec.systemAccess:
        return this.systemAccess(iss);
      case Ec.instructionAbort:
        return stage2AbortExit(raw, this.guest);
      case Ec.dataAbort:
        return this.dataAbort(iss, raw);
      default:
        return this.unexpected(raw);
    }
  }

  private unexpected(raw: ArmExitCause): VmExitInfo<ArmExitCause> {
    const message = `${raw.reason} is not routed to EL2, yet was taken there`;
    return { kind: "failEntry", code: Number(raw.esr >> EC_SHIFT), message, raw };
  }

  private dataAbort(iss: number, raw: ArmExitCause): VmExitInfo<ArmExitCause> | undefined {
    // Device memory that the second stage maps: what is unaligned there is the guest's own fault.
    if ((iss & ISS_FSC) === Fsc.alignment) return this.injectAbort(Fsc.alignment, raw);
    if ((iss & ISS_CM) !== 0) {
      // Maintenance of a cache that has nothing of a device.
      this.core.finishInstruction(INSTRUCTION_BYTES);
      return undefined;
    }
    return stage2AbortExit(raw, this.guest);
  }

  // --- Calls ---------------------------------------------------------------------------------

  /**
   * HVC #0 is a call by the SMC Calling Convention: firmware, or a hypercall where the function is a vendor's
   * hypervisor's. Every other immediate is the hypervisor's own, too: the hypercall of that number, with X0 to X5.
   */
  private hypervisorCall(immediate: number, raw: ArmExitCause): VmExitInfo<ArmExitCause> | undefined {
    if (immediate !== 0) {
      const args = ARGUMENTS.map((index) => this.getGpr(index - 1));
      return { kind: "hypercall", nr: BigInt(immediate), args, raw };
    }
    const id = this.getGprLo(0);
    if (!isVendorCall(id)) return this.conventionalCall(raw);
    const args = ARGUMENTS.map((index) => this.getGpr(index));
    return { kind: "hypercall", nr: BigInt(id), args, raw };
  }

  /** There is no EL3: the hypervisor is the firmware, whatever the guest takes it for. */
  private secureMonitorCall(immediate: number, raw: ArmExitCause): VmExitInfo<ArmExitCause> | undefined {
    if (immediate === 0) return this.conventionalCall(raw);
    this.callUnsupported();
    return undefined;
  }

  private conventionalCall(raw: ArmExitCause): VmExitInfo<ArmExitCause> | undefined {
    const exit = this.firmwareCall(raw);
    if (exit === "unknown") this.callUnsupported();
    return typeof exit === "string" ? undefined : exit;
  }

  // --- System registers ----------------------------------------------------------------------

  /** ID registers read as what a guest has, SGIs go to its interrupt controller; whatever else is trapped is not there. */
  private systemAccess(iss: number): undefined {
    const { number, rt, read } = trappedAccess(iss);
    if (!(read ? this.readTrapped(number, rt) : this.writeTrapped(number, rt)))
      return this.inject(() => this.pe.exceptions.undefined());
    this.core.finishInstruction(INSTRUCTION_BYTES);
    return undefined;
  }

  private readTrapped(number: number, rt: number): boolean {
    const value = guestIdentification(this.pe, number);
    if (value !== undefined) this.setGpr(rt, value);
    return value !== undefined;
  }

  private writeTrapped(number: number, rt: number): boolean {
    if (this.interruptController?.writeRegister?.(number, this.getGpr(rt)) !== true) return false;
    this.context.stats.count("sysRegWrite", "SGI");
    return true;
  }

  // --- Answers and interrupts ----------------------------------------------------------------

  protected override finishExit(exit: VmExitInfo<ArmExitCause>, answer: ExitAnswer): void {
    switch (answer.kind) {
      case "value":
        return this.core.answer(answer.lo, answer.hi);
      case "done":
        return this.core.answer(0, 0);
      case "retry":
        return;
      case "results":
        for (const [index, value] of answer.values.slice(0, RESULTS).entries()) this.setGpr(index, value);
        return;
      case "status":
        return this.callStatus(answer.status);
      case "fault":
        if (exit.kind === "hypercall") this.callUnsupported();
        else this.injectAbort(Fsc.external, exit.raw);
    }
  }

  /** The abort that nothing behind the address would have been, at EL1 with the address in FAR_EL1. */
  private injectAbort(code: number, { esr, far }: ArmExitCause): undefined {
    const [lo, hi] = [Number(BigInt.asIntN(32, far)), Number(BigInt.asIntN(32, far >> 32n))];
    const write = (Number(esr & ISS_MASK) & ISS_WNR) !== 0;
    const need =
      Number(esr >> EC_SHIFT) === Ec.instructionAbort ? Need.fetch : write ? Need.write : Need.read;
    return this.inject(() => this.pe.exceptions.simpleAbort(code, need, lo, hi));
  }

  /** An exception of the instruction at the pc, which counts as executed by that. */
  private inject(raise: () => Status): undefined {
    this.core.finishInstruction(0);
    this.core.traps++;
    if (raise() === Status.exitBefore) this.deadEnd = this.core.exit as FatalExit;
  }

  /** Make an SGI or PPI pending, by its interrupt ID. Throws OutOfRange for others, and without a controller. */
  override interrupt(vector: number): void {
    if (this.interruptController === undefined)
      throw new HyperError("OutOfRange", `vCPU ${this.vcpuId} has no interrupt controller for ${vector}`);
    this.interruptController.raise(vector);
  }

  /** The wire from the PE's own interrupt controller, where that has a virtual interface for the guest. */
  setVirtualLine(line: "irq" | "fiq", level: boolean): void {
    if (line === "irq") this.pe.setVirtualIrq(level);
    else this.pe.setVirtualFiq(level);
    if (level) this.signalWake();
  }

  /** Drive one of `GuestInterrupt`, as the interrupt controller's outputs do. Throws OutOfRange for another. */
  setInterrupt(line: number, level: boolean): void {
    const bit = PENDING_BITS[line];
    if (bit === undefined) throw new HyperError("OutOfRange", `a PE has no virtual interrupt ${line}`);
    setVirtualInterrupt(this.pe, bit, level);
    if (level) this.signalWake();
  }
}
