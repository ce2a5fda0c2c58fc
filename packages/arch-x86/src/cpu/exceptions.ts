import { Status } from "@hypercraft/engine";
import { isCanonical } from "./canonical.js";
import { RFLAG, RIGHTS, SystemType } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import {
  type Descriptor,
  descriptor,
  dplOf,
  gate,
  isCode,
  isConforming,
  isPresent,
  systemType,
} from "./descriptor.js";
import { readDescriptor } from "./descriptor-tables.js";
import type { FatalExit } from "./exit.js";
import { Fault, generalProtection, Vector } from "./fault.js";
import { innerStack, interruptStackPointer, privilegePointer } from "./privilege-stacks.js";
import { quickProtectedEvent } from "./quick-protected.js";
import { quickEvent } from "./quick-transfers.js";
import { readFlags, writeFlagFields } from "./rflags.js";
import { StackTarget } from "./stack-target.js";
import {
  Activity,
  activity,
  CR2,
  DEBUGCTL,
  DR6,
  DR7,
  GPR,
  Gpr,
  IDTR,
  interruptShadow,
  SEGMENTS,
  Seg,
  type SegmentFields,
  x86Layout,
} from "./state.js";
import { interruptTask } from "./transfers/tasks.js";
import type { DeliveredEvent } from "./vmx/exit.js";
import { debugExit, ExitReason, VmExit } from "./vmx/vm-exit.js";
import { highHalf, lowHalf, wide } from "./wide.js";

/** What an event is, as far as its delivery depends on that. */
export type EventSource = "external" | "exception" | "software";

/** Bit 0 of error codes of exceptions that come from delivering another event. */
const EXT = 1;
/** DR6.B0 to B3. */
const BREAKPOINTS = 15;
/** DR7.GD. */
const GENERAL_DETECT = 1 << 13;
/** Bit 1: the selector is a number in the IDT. */
const IDT_ERROR = 2;

/** Benign exceptions never make a double fault; contributory ones and page faults do (SDM volume 3, table 6-5). */
function isContributory(vector: number): boolean {
  return vector === Vector.divide || (vector >= Vector.invalidTss && vector <= Vector.generalProtection);
}

/** Whether an exception that the delivery of another one comes upon is a double fault with it. */
export function makesDoubleFault(first: number, second: number): boolean {
  if (isContributory(second)) return isContributory(first) || first === Vector.page;
  return first === Vector.page && second === Vector.page;
}

/** Exceptions and interrupts: from the event to its handler's first instruction. SDM volume 3, chapter 6. */
export class Exceptions {
  /** Does the instruction at the pc access an address through the stack segment? Set by whoever can decode it. */
  stackAddressed: (address: bigint) => boolean = () => false;
  private readonly cpu: X86Cpu;
  /** The exception to be delivered is a fault: RF is set for the return to it. */
  private faulting = false;
  /** RF, if the image of RFLAGS has it whatever RFLAGS says. */
  private resume = 0;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
  }

  /** #SS for what is addressed by the stack, #GP else: an address that is not canonical. */
  nonCanonical(lo: number, hi: number): Fault {
    const address = wide(lo, hi);
    return this.stackAddressed(address) ? new Fault(Vector.stack, 0) : generalProtection();
  }

  /** CR2 is the address that a page fault is about. */
  tellPageFault(error: unknown, lo: number, hi: number): void {
    if (!(error instanceof Fault) || error.vector !== Vector.page) return;
    const { core, vmx } = this.cpu;
    if (vmx.intercepts(Vector.page, error.errorCode)) vmx.faultAddress = wide(lo, hi);
    else core.set(CR2, lo, hi);
  }

  /** Raise an exception of the instruction at the pc; the address is a page fault's. */
  raise(fault: Fault, lo = 0, hi = 0): Status {
    this.tellPageFault(fault, lo, hi);
    this.faulting = true;
    return this.deliver(fault.vector, "exception", fault.errorCode, fault.at ?? this.cpu.currentIp);
  }

  /**
   * Raise a page fault of 64-bit code as systems have it all the time. False: nothing has been done, and it is to be
   * raised as any other.
   */
  quickPageFault(errorCode: number, lo: number, hi: number): boolean {
    const { cpu } = this;
    const { core, vmx } = cpu;
    if (!cpu.bits64 || vmx.intercepts(Vector.page, errorCode)) return false;
    if (!quickEvent(cpu, Vector.page, errorCode, core.pcLo(), core.pcHi(), RFLAG.RF)) return false;
    core.set(CR2, lo, hi);
    core.set(interruptShadow, 0, 0);
    this.begin("exception");
    if (vmx.guest) vmx.exits.delivered();
    return true;
  }

  /**
   * Deliver an event to its handler, which returns to `ip`. What delivering it comes upon makes a double fault, or is
   * delivered in its place; after a third one the processor shuts down. A guest of VMX that leaves meanwhile goes on
   * at `injectedAt` if an entry brought the event, else before the instruction.
   */
  deliver(vector: number, source: EventSource, errorCode: number, ip: bigint, injectedAt?: bigint): Status {
    const { core, vmx } = this.cpu;
    const before = injectedAt ?? (source === "software" ? this.cpu.currentIp : ip);
    let delivering: DeliveredEvent | undefined;
    let [number, from, code, back, resume] = [vector, source, errorCode, ip, this.faulting];
    this.faulting = false;
    for (let attempts = 0; ; attempts++) {
      try {
        const injected = injectedAt !== undefined && attempts === 0;
        if (vmx.guest && from === "exception" && !injected)
          vmx.interceptException(number, this.shown(code), resume);
        if (vmx.guest) delivering = vmx.deliveredEvent(number, from, this.shown(code), injected);
        this.begin(source);
        this.enter(number, from, code, back, resume);
        if (vmx.guest) vmx.exits.delivered();
        core.requestDispatch();
        return Status.trap;
      } catch (error) {
        if (error instanceof VmExit) return vmx.leave(error, before, delivering);
        if (!(error instanceof Fault)) throw error;
        if (number === Vector.doubleFault || attempts > 8) {
          if (vmx.guest) return vmx.leave(new VmExit(ExitReason.tripleFault), before);
          return this.shutdown(vector);
        }
        // What an INT comes upon is its own fault, and the handler returns to it.
        if (from === "software") back = before;
        if (error.at !== undefined) back = error.at;
        const first = from === "exception" ? number : -1;
        const doubled = makesDoubleFault(first, error.vector);
        if (doubled) delivering = undefined;
        [number, code] = doubled ? [Vector.doubleFault, 0] : [error.vector, error.errorCode];
        from = "exception";
        resume = true;
      }
    }
  }

  /** An event is delivered, whatever comes of it: a processor that waits goes on, and what was due no longer is. */
  private begin(source: EventSource): void {
    const { core, debug, interrupts, monitor } = this.cpu;
    core.set(activity, Activity.active, 0);
    if (monitor.waiting) monitor.disarm();
    interrupts.forgetStep();
    // INT completes: breakpoints that MOV SS held back come at its handler's first instruction.
    if (source === "software") debug.forgetStep();
    else debug.forget();
  }

  /** The error code that handlers see: in real mode there are none. */
  private shown(errorCode: number): number {
    return this.cpu.protectedMode ? errorCode : -1;
  }

  /** A triple fault: the processor waits for a reset. */
  private shutdown(vector: number): Status {
    const { core, vmx } = this.cpu;
    core.set(activity, Activity.shutdown, 0);
    if (!vmx.active && this.cpu.onShutdown()) return Status.trap;
    const pc = core.big(x86Layout.pc);
    core.exit = { kind: "fatal", reason: "triple fault", vector, pc } satisfies FatalExit;
    return Status.exitBefore;
  }

  private enter(vector: number, source: EventSource, errorCode: number, ip: bigint, resume: boolean): void {
    const { cpu } = this;
    const { core } = cpu;
    this.resume = resume ? RFLAG.RF : 0;
    if (!cpu.protectedMode) this.enterReal(vector, ip);
    else if (cpu.longMode) this.enterLongMode(vector, source, errorCode, ip);
    else this.enterProtectedMode(vector, source, errorCode, ip);
    core.set(interruptShadow, 0, 0);
    // Handlers of debug exceptions may use the debug registers.
    if (vector === Vector.debug) core.set(DR7, core.lo(DR7) & ~GENERAL_DETECT, 0);
  }

  private enterLongMode(vector: number, source: EventSource, errorCode: number, ip: bigint): void {
    const [lo, hi] = [lowHalf(ip), highHalf(ip)];
    const quick = source !== "software" && quickEvent(this.cpu, vector, errorCode, lo, hi, this.resume);
    if (!quick) this.enterLong(vector, source, errorCode, ip);
  }

  private enterProtectedMode(vector: number, source: EventSource, errorCode: number, ip: bigint): void {
    const { cpu } = this;
    const low = lowHalf(ip);
    const quick = quickProtectedEvent(cpu, vector, source === "software", errorCode, low, this.resume);
    if (!quick) this.enterProtected(vector, source, errorCode, ip);
  }

  /** Through the interrupt vector table of real mode. */
  private enterReal(vector: number, ip: bigint): void {
    const { cpu } = this;
    const { core, memory, segments } = cpu;
    if (4 * vector + 3 > core.lo(IDTR.limit)) throw generalProtection(4 * vector + IDT_ERROR);
    const entry = Number(memory.read(core.big(IDTR.base) + BigInt(4 * vector), 4));
    const stack = SEGMENTS[Seg.ss] as SegmentFields;
    const base = core.big(stack.base);
    const big = (core.lo(stack.rights) & RIGHTS.big) !== 0;
    const mask = big ? 0xffff_ffffn : 0xffffn;
    let pointer = core.big(GPR[Gpr.rsp]!) & mask;
    const push = (value: bigint) => {
      pointer = (pointer - 2n) & mask;
      memory.write((base + pointer) & 0xffff_ffffn, 2, value & 0xffffn);
    };
    const flags = readFlags(core);
    push(BigInt(flags & 0xffff));
    push(core.big((SEGMENTS[Seg.cs] as SegmentFields).selector));
    push(ip);
    const rsp = GPR[Gpr.rsp]!;
    core.setBig(rsp, (core.big(rsp) & ~mask) | pointer);
    segments.loadReal(Seg.cs, entry >>> 16, false);
    writeFlagFields(core, flags & ~(RFLAG.IF | RFLAG.TF | RFLAG.AC | RFLAG.RF));
    cpu.modeChanged();
    cpu.setIp(BigInt(entry & 0xffff));
  }

  /** The error code of a fault about an IDT entry. */
  private idtError(vector: number, source: EventSource): number {
    return (vector << 3) | IDT_ERROR | (source === "software" ? 0 : EXT);
  }

  private external(source: EventSource): number {
    return source === "software" ? 0 : EXT;
  }

  private enterProtected(vector: number, source: EventSource, errorCode: number, ip: bigint): void {
    const { cpu } = this;
    const { core, memory } = cpu;
    const error = this.idtError(vector, source);
    if (8 * vector + 7 > core.lo(IDTR.limit)) throw generalProtection(error);
    const at = core.big(IDTR.base) + BigInt(8 * vector);
    const d = descriptor(Number(memory.read(at, 4)), Number(memory.read(at + 4n, 4)));
    const type = (d.rights & RIGHTS.segment) !== 0 ? -1 : systemType(d);
    if (type === SystemType.taskGate) {
      if (source === "software" && dplOf(d) < cpu.cpl) throw generalProtection(error);
      if (!isPresent(d)) throw new Fault(Vector.notPresent, error);
      return interruptTask(cpu, gate(d).selector, ip, errorCode, this.external(source));
    }
    const wide = type === SystemType.interruptGate || type === SystemType.trapGate;
    if (!wide && type !== SystemType.interruptGate16 && type !== SystemType.trapGate16)
      throw generalProtection(error);
    if (source === "software" && dplOf(d) < cpu.cpl) throw generalProtection(error);
    if (!isPresent(d)) throw new Fault(Vector.notPresent, error);
    const interrupt = type === SystemType.interruptGate || type === SystemType.interruptGate16;
    this.throughGate(d, wide ? 4 : 2, interrupt, source, errorCode, ip);
  }

  /** The handler's code segment, and the privilege level it runs at. */
  private handlerCode(selector: number, source: EventSource): { code: Descriptor; cpl: number } {
    const { cpu } = this;
    const ext = this.external(source);
    if ((selector & ~3) === 0) throw generalProtection(ext);
    const code = readDescriptor(cpu, selector, (errorCode) => generalProtection(errorCode | ext));
    const error = (selector & ~3) | ext;
    if (!isCode(code) || dplOf(code) > cpu.cpl) throw generalProtection(error);
    if (!isPresent(code)) throw new Fault(Vector.notPresent, error);
    const cpl = isConforming(code) ? cpu.cpl : dplOf(code);
    if (cpu.virtual8086 && cpl !== 0) throw generalProtection(error);
    return { code, cpl };
  }

  private throughGate(
    d: Descriptor,
    size: 2 | 4,
    interrupt: boolean,
    source: EventSource,
    errorCode: number,
    ip: bigint,
  ): void {
    const { cpu } = this;
    const { core, segments } = cpu;
    const { selector, offset } = gate(d);
    const { code, cpl } = this.handlerCode(selector, source);
    const flags = readFlags(core);
    const inner = cpl < cpu.cpl || cpu.virtual8086;
    const pushed: bigint[] = [];
    const selectorOf = (which: number) => core.big((SEGMENTS[which] as SegmentFields).selector);
    if (cpu.virtual8086) for (const which of [Seg.gs, Seg.fs, Seg.ds, Seg.es]) pushed.push(selectorOf(which));
    if (inner) pushed.push(selectorOf(Seg.ss), core.big(GPR[Gpr.rsp]!));
    pushed.push(BigInt((flags | this.resume) >>> 0), selectorOf(Seg.cs), ip);
    if (errorCode >= 0) pushed.push(BigInt(errorCode));
    const ext = this.external(source);
    const stack = inner ? innerStack(cpu, cpl, ext) : StackTarget.current(cpu);
    const pointer = stack.push(pushed, size, (which) => new Fault(Vector.stack, which | ext));
    // From here on nothing faults.
    if (cpu.virtual8086) for (const which of [Seg.gs, Seg.fs, Seg.ds, Seg.es]) segments.loadNull(which, 0);
    stack.install(pointer);
    segments.load(Seg.cs, (selector & ~3) | cpl, code);
    cpu.setPrivilege(cpl);
    const cleared = RFLAG.TF | RFLAG.VM | RFLAG.RF | RFLAG.NT | (interrupt ? RFLAG.IF : 0);
    writeFlagFields(core, flags & ~cleared);
    cpu.modeChanged();
    cpu.setIp(BigInt(size === 2 ? offset & 0xffff : offset));
  }

  /** Long mode: gates of 16 bytes, stacks by privilege or by the interrupt stack table, and always a frame with SS:RSP. */
  private enterLong(vector: number, source: EventSource, errorCode: number, ip: bigint): void {
    const { cpu } = this;
    const { core, memory, segments } = cpu;
    const error = this.idtError(vector, source);
    if (16 * vector + 15 > core.lo(IDTR.limit)) throw generalProtection(error);
    const at = core.big(IDTR.base) + BigInt(16 * vector);
    const d = descriptor(Number(memory.read(at, 4)), Number(memory.read(at + 4n, 4)));
    const type = (d.rights & RIGHTS.segment) !== 0 ? -1 : systemType(d);
    if (type !== SystemType.interruptGate && type !== SystemType.trapGate) throw generalProtection(error);
    if (source === "software" && dplOf(d) < cpu.cpl) throw generalProtection(error);
    if (!isPresent(d)) throw new Fault(Vector.notPresent, error);
    const { selector, offset, extra } = gate(d);
    const target = (memory.read(at + 8n, 4) << 32n) | BigInt(offset);
    const { code, cpl } = this.handlerCode(selector, source);
    if ((code.rights & (RIGHTS.long | RIGHTS.big)) !== RIGHTS.long)
      throw generalProtection((selector & ~3) | this.external(source));
    const ext = this.external(source);
    const table = extra & 7;
    const old = core.big(GPR[Gpr.rsp]!);
    const inner = cpl < cpu.cpl;
    const top =
      table !== 0 ? interruptStackPointer(cpu, table, ext) : inner ? privilegePointer(cpu, cpl, ext) : old;
    const flags = readFlags(core);
    const frame = [
      core.big((SEGMENTS[Seg.ss] as SegmentFields).selector),
      old,
      BigInt((flags | this.resume) >>> 0),
      core.big((SEGMENTS[Seg.cs] as SegmentFields).selector),
      ip,
      ...(errorCode >= 0 ? [BigInt(errorCode)] : []),
    ];
    let pointer = BigInt.asUintN(64, top & ~15n);
    const lowest = BigInt.asUintN(64, pointer - BigInt(8 * frame.length));
    if (!isCanonical(pointer - 1n) || !isCanonical(lowest)) throw new Fault(Vector.stack, ext);
    for (const value of frame) {
      pointer = BigInt.asUintN(64, pointer - 8n);
      // With the rights of the handler's level.
      memory.write(pointer, 8, value, cpl === 3);
    }
    if (inner) segments.loadNull(Seg.ss, cpl);
    core.setBig(GPR[Gpr.rsp]!, pointer);
    segments.load(Seg.cs, (selector & ~3) | cpl, code);
    cpu.setPrivilege(cpl);
    if (inner) segments.setStackPrivilege(cpl);
    const cleared =
      RFLAG.TF | RFLAG.VM | RFLAG.RF | RFLAG.NT | (type === SystemType.interruptGate ? RFLAG.IF : 0);
    writeFlagFields(core, flags & ~cleared);
    cpu.modeChanged();
    cpu.setIp(target);
  }

  /** #DB of an instruction that has not been executed, whose reason DR6 has already. */
  debugFault(): Fault {
    return new Fault(Vector.debug);
  }

  /** #DB with its reasons in DR6. */
  debug(reasons: number, ip: bigint): Status {
    const { core, vmx } = this.cpu;
    if (vmx.intercepts(Vector.debug, -1)) return vmx.leave(debugExit(reasons), ip);
    // The breakpoints of the last one are forgotten, the rest of DR6 is software's to clear.
    core.set(DR6, (core.lo(DR6) & ~BREAKPOINTS) | reasons, 0);
    core.set(DEBUGCTL, 0, 0);
    return this.deliver(Vector.debug, "exception", -1, ip);
  }
}
