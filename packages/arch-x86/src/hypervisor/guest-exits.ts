import type { DeviceWidth, ExitAnswer, VmExitInfo } from "@hypercraft/hypercraft";
import { RFLAG } from "../cpu/control-bits.js";
import { Fault, Vector } from "../cpu/fault.js";
import { Activity, CR2, Gpr, RFLAGS } from "../cpu/state.js";
import { VmcsField as F } from "../cpu/vmx/fields.js";
import type { RootVmcs } from "../cpu/vmx/root-vmcs.js";
import { ExitReason, VmExit } from "../cpu/vmx/vm-exit.js";
import type { X86ExitCause } from "./exit-cause.js";
import { exitReasonText } from "./exit-reasons.js";
import { controlAccess, moveToCr0, moveToCr4 } from "./exits/control-register.js";
import { guestCpuid } from "./exits/cpuid.js";
import { type AskedAccess, eptViolationExit } from "./exits/ept-violation.js";
import { ioQualification } from "./exits/io.js";
import { switchGuestTask } from "./exits/task-switch.js";
import type { X86GuestVCpu } from "./guest-vcpu.js";
import { CALL_ARGUMENTS, CALL_NUMBER, CALL_RESULTS, CALL_STATUS } from "./hypercall.js";

type Exit = VmExitInfo<X86ExitCause>;

/** Bytes of a local APIC's registers. */
const APIC_PAGE = 4096;
const SHADOWS = 3;
const ONES = 0xffff_ffff;
/** Of a page fault's error code. */
const PRESENT = 1;
const WRITE = 2;
const USER = 4;
const RESERVED = 8;

/** What a guest's VM exits mean: served here, or an exit of the contracts that is answered later. */
export class GuestExits {
  private readonly vcpu: X86GuestVCpu;
  private readonly root: RootVmcs;
  /** The answer to come is for a guest that is no more. */
  private forgotten = false;

  constructor(vcpu: X86GuestVCpu) {
    this.vcpu = vcpu;
    this.root = vcpu.cpu.vmx.root;
  }

  /** INIT, while an exit may wait for its answer. */
  forget(): void {
    this.forgotten = this.vcpu.pendingExit !== undefined;
  }

  /** The processor has left its guest. Undefined: the guest can go on. */
  handle(): Exit | undefined {
    const { root, vcpu } = this;
    const asked = this.takeAsked();
    const delivering = vcpu.events.takeUp();
    const reason = root.get(F.EXIT_REASON);
    switch (reason) {
      case ExitReason.interruptWindow:
      case ExitReason.nmiWindow:
        return this.served("externalInterrupt", reason);
      case ExitReason.externalInterrupt:
        return {
          kind: "externalInterrupt",
          vector: root.get(F.EXIT_INTERRUPTION_INFORMATION) & 0xff,
          raw: this.cause(),
        };
      case ExitReason.exceptionOrNmi:
        return this.exception();
      case ExitReason.cpuid:
        return this.cpuid();
      case ExitReason.hlt:
        return this.halt();
      case ExitReason.invd:
      case ExitReason.wbinvd:
        // Nothing is cached.
        this.skip();
        return this.served("sysRegWrite", reason);
      case ExitReason.vmcall:
        return this.hypercall();
      case ExitReason.controlRegister:
        return this.controlRegister();
      case ExitReason.taskSwitch:
        return this.taskSwitch();
      case ExitReason.io:
        return this.io(asked);
      case ExitReason.rdmsr:
      case ExitReason.wrmsr:
        return this.msr(reason === ExitReason.wrmsr);
      case ExitReason.xsetbv:
        return this.xsetbv();
      case ExitReason.eptViolation:
        // What delivers an event is no instruction that could be executed again.
        return this.unlessMovedApic(eptViolationExit(this.cause(), delivering ? undefined : asked));
      case ExitReason.monitor:
      case ExitReason.mwait:
      case ExitReason.vmclear:
      case ExitReason.vmlaunch:
      case ExitReason.vmptrld:
      case ExitReason.vmptrst:
      case ExitReason.vmread:
      case ExitReason.vmresume:
      case ExitReason.vmwrite:
      case ExitReason.vmxoff:
      case ExitReason.vmxon:
      case ExitReason.invept:
      case ExitReason.invvpid:
        // The guest has neither MONITOR nor VMX.
        return this.inject(Vector.invalidOpcode, -1, reason);
      default:
        return this.unexpected(reason);
    }
  }

  /** The guest's own local APIC is not on the VM's bus where the guest has moved it to. */
  private unlessMovedApic(exit: Exit): Exit | undefined {
    const { apic, core } = this.vcpu;
    if (!apic?.moved || (exit.kind !== "mmioRead" && exit.kind !== "mmioWrite")) return exit;
    const offset = exit.gpa - apic.address;
    if (offset < 0 || offset >= APIC_PAGE) return exit;
    const width = exit.width === 8 ? 4 : exit.width;
    const deadline = this.vcpu.nextDeadline();
    if (exit.kind === "mmioRead") {
      const low = apic.read(offset, width);
      core.answer(low | 0, exit.width === 8 ? apic.read(offset + 4, 4) | 0 : 0);
    } else {
      apic.write(offset, width, exit.lo >>> 0);
      if (exit.width === 8) apic.write(offset + 4, 4, exit.hi >>> 0);
      core.answer(0, 0);
    }
    if (this.vcpu.nextDeadline() !== deadline) return { kind: "timer", raw: this.cause() };
    return this.served(exit.kind, ExitReason.eptViolation);
  }

  private takeAsked(): AskedAccess | undefined {
    const { core, cpu } = this.vcpu;
    const { asked } = cpu.vmx;
    cpu.vmx.asked = undefined;
    return asked === "engine" ? core.askedAccess() : asked;
  }

  /** The exit's fields, as far as its reason has them. */
  private cause(): X86ExitCause {
    const { root } = this;
    const exitReason = root.get(F.EXIT_REASON);
    const memory = exitReason === ExitReason.eptViolation || exitReason === ExitReason.eptMisconfiguration;
    return {
      arch: "x86_64",
      reason: exitReasonText(exitReason),
      exitReason,
      qualification: root.read(F.EXIT_QUALIFICATION),
      instructionLength: root.get(F.EXIT_INSTRUCTION_LENGTH),
      ...(memory && {
        guestPhysicalAddress: root.read(F.GUEST_PHYSICAL_ADDRESS),
        guestLinearAddress: root.read(F.GUEST_LINEAR_ADDRESS),
      }),
    };
  }

  private unexpected(reason: number): Exit | undefined {
    const text = exitReasonText(reason);
    const shutDown = reason === ExitReason.tripleFault;
    if (shutDown && this.vcpu.cpu.onShutdown()) return this.served("systemReset", reason);
    const message = shutDown ? `it has shut down by a ${text}` : `the hypervisor has nothing for ${text}`;
    return { kind: "failEntry", code: reason, message, raw: this.cause() };
  }

  // --- Instructions ---------------------------------------------------------------------------

  /** The instruction that exited is carried out: behind it nothing that it was held back for holds any more. */
  private skip(): void {
    const { root, vcpu } = this;
    vcpu.core.finishInstruction(root.get(F.EXIT_INSTRUCTION_LENGTH));
    this.endShadows();
  }

  private endShadows(): void {
    const { root } = this;
    const blocking = root.get(F.GUEST_INTERRUPTIBILITY);
    if ((blocking & SHADOWS) !== 0) root.write(F.GUEST_INTERRUPTIBILITY, BigInt(blocking & ~SHADOWS));
  }

  /** Count what the VM never sees. */
  private served(kind: Exit["kind"], reason: number): undefined {
    this.vcpu.surroundings.stats.count(kind, exitReasonText(reason));
    return undefined;
  }

  /** An exception of the instruction at the pc, which counts as executed by that. */
  private inject(vector: number, errorCode: number, reason: number): undefined {
    const { vcpu } = this;
    // What a fault pushes has RF, and an event that is injected pushes the guest's flags.
    if (vector !== Vector.debug) vcpu.core.set(RFLAGS, vcpu.core.lo(RFLAGS) | RFLAG.RF, 0);
    vcpu.core.finishInstruction(0);
    vcpu.core.traps++;
    if (!vcpu.events.raise(vector, errorCode)) vcpu.shutDown(vector);
    return this.served("sysRegWrite", reason);
  }

  private cpuid(): undefined {
    const { vcpu } = this;
    const leaf = vcpu.getGprLo(Gpr.rax);
    const values = guestCpuid(vcpu.cpu, leaf, vcpu.getGprLo(Gpr.rcx), vcpu.apic?.enabled ?? false);
    for (const [i, register] of [Gpr.rax, Gpr.rbx, Gpr.rcx, Gpr.rdx].entries())
      vcpu.setGprPair(register, values[i]!, 0);
    this.skip();
    return this.served("sysRegRead", ExitReason.cpuid);
  }

  /** The vCPU sleeps until something comes that it takes. */
  private halt(): Exit | undefined {
    const { root, vcpu } = this;
    this.skip();
    // The trap of a step ends it, too.
    const steps = (root.get(F.GUEST_RFLAGS) & RFLAG.TF) !== 0;
    if (steps || vcpu.events.wakes) return this.served("wait", ExitReason.hlt);
    root.write(F.GUEST_ACTIVITY, BigInt(Activity.halted));
    return { kind: "wait", raw: this.cause() };
  }

  /** What is intercepted are errors of the floating-point unit, of a guest without CR0.NE. */
  private exception(): Exit | undefined {
    const { root, vcpu } = this;
    const reason = ExitReason.exceptionOrNmi;
    if ((root.get(F.EXIT_INTERRUPTION_INFORMATION) & 0xff) !== Vector.math) return this.unexpected(reason);
    if (vcpu.cpu.floatErrors.outside()) {
      // The instruction is executed again in spite of it.
      vcpu.core.answer(0, 0);
      return this.served("sysRegRead", reason);
    }
    if (vcpu.events.wakes) return this.served("wait", reason);
    root.write(F.GUEST_ACTIVITY, BigInt(Activity.halted));
    return { kind: "wait", raw: this.cause() };
  }

  /** A task switch, which is carried out here. */
  private taskSwitch(): Exit | undefined {
    const { root, vcpu } = this;
    const { cpu, events } = vcpu;
    const reason = ExitReason.taskSwitch;
    const event = events.inDelivery;
    try {
      switchGuestTask(cpu, root.get(F.EXIT_QUALIFICATION), root.get(F.EXIT_INSTRUCTION_LENGTH), event);
    } catch (error) {
      // A task-state segment that is no RAM.
      if (error instanceof VmExit) return this.unexpected(reason);
      if (!(error instanceof Fault)) throw error;
      if (error.at !== undefined) cpu.setIp(error.at);
      return this.inject(error.vector, error.errorCode, reason);
    }
    events.delivered();
    this.endShadows();
    vcpu.core.finishInstruction(0);
    return this.served("sysRegWrite", reason);
  }

  private hypercall(): Exit {
    const { vcpu } = this;
    const args = CALL_ARGUMENTS.map((register) => vcpu.getGpr(register));
    return { kind: "hypercall", nr: vcpu.getGpr(CALL_NUMBER), args, raw: this.cause() };
  }

  private controlRegister(): Exit | undefined {
    const { root, vcpu } = this;
    const { number, kind, register } = controlAccess(root.get(F.EXIT_QUALIFICATION));
    const reason = ExitReason.controlRegister;
    const value = vcpu.getGpr(register);
    if (number === 8) return this.taskPriority(kind === "to", register, value);
    if (kind !== "to" || (number !== 0 && number !== 4)) return this.unexpected(reason);
    const wide = vcpu.cpu.bits64 ? value : value & 0xffff_ffffn;
    const outcome = number === 0 ? moveToCr0(root, wide) : moveToCr4(wide);
    if (outcome === "fault") return this.inject(Vector.generalProtection, 0, reason);
    return this.served("sysRegWrite", reason);
  }

  /** CR8 is the task priority of the virtual local APIC. */
  private taskPriority(write: boolean, register: number, value: bigint): undefined {
    const { apic } = this.vcpu;
    const reason = ExitReason.controlRegister;
    if (!write) {
      this.vcpu.setGpr(register, BigInt((apic?.taskPriority ?? 0) >> 4));
      this.skip();
      return this.served("sysRegRead", reason);
    }
    if (value >> 4n !== 0n) return this.inject(Vector.generalProtection, 0, reason);
    if (apic !== undefined) apic.taskPriority = Number(value) << 4;
    this.skip();
    return this.served("sysRegWrite", reason);
  }

  /** XCR0: what the processor would take. */
  private xsetbv(): undefined {
    return this.carriedOut(ExitReason.xsetbv, (value) => {
      this.vcpu.cpu.setExtendedControl(this.vcpu.getGprLo(Gpr.rcx), value);
    });
  }

  private msr(write: boolean): Exit | undefined {
    const { vcpu } = this;
    const number = vcpu.getGprLo(Gpr.rcx);
    if (!write) {
      return this.carriedOut(ExitReason.rdmsr, () => {
        const value = vcpu.msrs.read(number);
        vcpu.setGprPair(Gpr.rax, Number(value & 0xffff_ffffn), 0);
        vcpu.setGprPair(Gpr.rdx, Number(value >> 32n), 0);
      });
    }
    const deadline = vcpu.nextDeadline();
    this.carriedOut(ExitReason.wrmsr, (value) => vcpu.msrs.write(number, value));
    if (vcpu.nextDeadline() === deadline) return undefined;
    return { kind: "timer", raw: this.cause() };
  }

  /** An instruction on EDX:EAX, or the fault that it comes upon. */
  private carriedOut(reason: number, action: (value: bigint) => void): undefined {
    const { vcpu } = this;
    const value = (BigInt(vcpu.getGprLo(Gpr.rdx)) << 32n) | BigInt(vcpu.getGprLo(Gpr.rax));
    try {
      action(value);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return this.inject(error.vector, error.errorCode, reason);
    }
    this.skip();
    return this.served(reason === ExitReason.rdmsr ? "sysRegRead" : "sysRegWrite", reason);
  }

  // --- Ports ----------------------------------------------------------------------------------

  private io(asked: AskedAccess | undefined): Exit | undefined {
    const { root, vcpu } = this;
    const { port, width, input, string } = ioQualification(root.get(F.EXIT_QUALIFICATION));
    const raw = this.cause();
    try {
      if (!input) {
        const value = string ? (asked?.lo ?? this.stringElement(width)) : vcpu.getGprLo(Gpr.rax);
        return { kind: "portWrite", port, width, value: (value & (2 ** (8 * width) - 1)) >>> 0, raw };
      }
      if (string) vcpu.cpu.memory.checkWrite(root.read(F.GUEST_LINEAR_ADDRESS), width, vcpu.cpu.cpl === 3);
      return { kind: "portRead", port, width, raw };
    } catch (error) {
      if (error instanceof Fault) return this.inject(error.vector, error.errorCode, ExitReason.io);
      // OUTS has its element from a device, which is asked by the instruction itself: it leaves again with the value.
      if (!(error instanceof VmExit)) throw error;
      return this.readFirst(error, width);
    }
  }

  /** What OUTS writes: the guest has left before it looked. Throws the fault or exit that it would have come upon. */
  private stringElement(width: DeviceWidth): number {
    const { cpu } = this.vcpu;
    return Number(cpu.memory.read(this.root.read(F.GUEST_LINEAR_ADDRESS), width, cpu.cpl === 3));
  }

  private readFirst({ details }: VmExit, width: DeviceWidth): Exit {
    const gpa = Number(details.physical ?? 0n);
    return { kind: "mmioRead", gpa, width, reg: -1, signed: false, regWidth: width, raw: this.cause() };
  }

  /** IN is carried out here; INS and OUTS are executed again with the answer. */
  private finishPort(value: number): void {
    const { root, vcpu } = this;
    const { width, input, string } = ioQualification(root.get(F.EXIT_QUALIFICATION));
    if (string) return vcpu.core.answer(value | 0, 0);
    if (input) {
      const old = vcpu.getGprLo(Gpr.rax);
      const mask = 2 ** (8 * width) - 1;
      if (width === 4) vcpu.setGprPair(Gpr.rax, value, 0);
      else vcpu.setGprPair(Gpr.rax, (old & ~mask) | (value & mask), vcpu.getGprHi(Gpr.rax));
    }
    this.skip();
  }

  // --- Answers --------------------------------------------------------------------------------

  finish(exit: Exit, answer: ExitAnswer): void {
    const { vcpu } = this;
    if (this.forgotten) {
      this.forgotten = false;
      return;
    }
    if (exit.kind === "portRead" || exit.kind === "portWrite")
      return this.finishPort(answer.kind === "value" ? answer.lo : ONES);
    switch (answer.kind) {
      case "value":
        return vcpu.core.answer(answer.lo, answer.hi);
      case "done":
        return vcpu.core.answer(0, 0);
      case "retry":
        return;
      case "results":
        for (const [i, value] of answer.values.slice(0, CALL_RESULTS.length).entries())
          vcpu.setGpr(CALL_RESULTS[i]!, value);
        return this.skip();
      case "status":
        vcpu.setGpr(CALL_NUMBER, CALL_STATUS[answer.status]);
        return this.skip();
      case "fault":
        return this.refuse(exit);
    }
  }

  /** Nobody answers: there are no hypercalls and no devices but what was asked. Nothing drives an open bus low. */
  private refuse(exit: Exit): void {
    const { vcpu } = this;
    if (exit.kind === "hypercall") {
      vcpu.setGpr(CALL_NUMBER, CALL_STATUS.notSupported);
      return this.skip();
    }
    if (exit.kind !== "nestedPageFault") return vcpu.core.answer(-1, -1);
    if (!exit.tableWalk) {
      this.inject(Vector.generalProtection, 0, ExitReason.eptViolation);
      return;
    }
    // A paging-structure entry of ones has reserved bits set.
    const user = vcpu.cpu.cpl === 3 ? USER : 0;
    const write = exit.access === "write" ? WRITE : 0;
    vcpu.core.setBig(CR2, exit.raw.guestLinearAddress ?? 0n);
    this.inject(Vector.page, PRESENT | RESERVED | user | write, ExitReason.eptViolation);
  }
}
