import { IOPL, RFLAG, RIGHTS, SystemType } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import {
  type Descriptor,
  descriptor,
  dplOf,
  gate,
  isCode,
  isConforming,
  isPresent,
  isReadable,
  isSegment,
  isWritableData,
  systemType,
} from "./descriptor.js";
import { isCanonicalAddress } from "./exceptions.js";
import { Fault, generalProtection, Vector } from "./fault.js";
import { find } from "./quick-tables.js";
import { readFlags, writeFlagFields } from "./rflags.js";
import { StackTarget } from "./stack-target.js";
import { GDTR, GPR, Gpr, interruptShadow, LDTR, SEGMENTS, Seg, type SegmentFields, TR } from "./state.js";
import { type SwitchKind, TaskSwitch } from "./task-switch.js";

const RSP = GPR[Gpr.rsp]!;
/** In the upper word of a task-state segment's descriptor. */
const TSS_BUSY = 0x200;
const stackFault = (selector: number): Fault => new Fault(Vector.stack, selector);
const notPresent = (selector: number): Fault => new Fault(Vector.notPresent, selector);
const invalidTss = (selector: number): Fault => new Fault(Vector.invalidTss, selector);
const OUTER_SEGMENTS = [Seg.es, Seg.fs, Seg.gs, Seg.ds] as const;

/** Loading segment registers, and everything that changes CS: SDM volume 3, chapter 5 and volume 2, CALL, JMP, RET, IRET. */
export class FarTransfers {
  private readonly cpu: X86Cpu;
  private readonly tasks: TaskSwitch;

  constructor(cpu: X86Cpu) {
    this.cpu = cpu;
    this.tasks = new TaskSwitch(cpu);
  }

  // --- Descriptors ---------------------------------------------------------------------------

  /** Linear address of the descriptor that a selector names. Throws what `fault` makes of the selector. */
  private descriptorAddress(selector: number, fault: (errorCode: number) => Fault, bytes = 8): bigint {
    const { core } = this.cpu;
    const local = (selector & 4) !== 0;
    const offset = selector & ~7;
    const error = selector & ~3;
    if (local && (core.lo(LDTR.rights) & RIGHTS.unusable) !== 0) throw fault(error);
    const limit = core.lo(local ? LDTR.limit : GDTR.limit) >>> 0;
    if (offset + bytes - 1 > limit) throw fault(error);
    return core.big(local ? LDTR.base : GDTR.base) + BigInt(offset);
  }

  /** The descriptor that a selector names. */
  descriptor(selector: number, fault: (errorCode: number) => Fault): Descriptor {
    const { memory } = this.cpu;
    const quick = find(this.cpu, selector);
    if (quick !== undefined) return quick;
    const at = this.descriptorAddress(selector, fault);
    return descriptor(Number(memory.read(at, 4)), Number(memory.read(at + 4n, 4)));
  }

  /** Upper half of the base of a system descriptor of long mode. */
  private baseHigh(selector: number): number {
    if (!this.cpu.longMode) return 0;
    const at = this.descriptorAddress(selector, generalProtection, 16);
    return Number(this.cpu.memory.read(at + 8n, 4));
  }

  /** The same of a table or task, whose base has to be canonical. */
  private systemBaseHigh(selector: number): number {
    const high = this.baseHigh(selector);
    if (!isCanonicalAddress(BigInt(high >>> 0) << 32n)) throw generalProtection(selector & ~3);
    return high;
  }

  /** Set bits in the second word of a descriptor: accessed, busy. */
  private markDescriptor(selector: number, d: Descriptor, bits: number): Descriptor {
    if ((d.high & bits) === bits) return d;
    const at = this.descriptorAddress(selector, generalProtection);
    const high = d.high | bits;
    this.cpu.memory.write(at + 4n, 4, BigInt(high >>> 0));
    return descriptor(d.low, high);
  }

  accessed(selector: number, d: Descriptor): Descriptor {
    return this.markDescriptor(selector, d, RIGHTS.accessed << 8);
  }

  // --- Segment registers ---------------------------------------------------------------------

  /** MOV, POP, LDS and so on into ES, SS, DS, FS or GS. */
  loadSegment(number: number, selector: number): void {
    const { cpu } = this;
    const { segments } = cpu;
    if (!cpu.protectedMode || cpu.virtual8086) segments.loadReal(number, selector, cpu.virtual8086);
    else if (number === Seg.ss) this.loadStack(selector);
    else this.loadData(number, selector);
    cpu.modeChanged();
  }

  private loadStack(selector: number): void {
    const { cpu } = this;
    const rpl = selector & 3;
    if ((selector & ~3) === 0) {
      // 64-bit mode takes a null selector below ring 3.
      if (!cpu.bits64 || cpu.cpl === 3 || rpl !== cpu.cpl) throw generalProtection();
      cpu.segments.loadNull(Seg.ss, selector);
      this.setStackPrivilege(cpu.cpl);
      return;
    }
    const d = this.descriptor(selector, generalProtection);
    const error = selector & ~3;
    if (rpl !== cpu.cpl || !isWritableData(d) || dplOf(d) !== cpu.cpl) throw generalProtection(error);
    if (!isPresent(d)) throw stackFault(error);
    cpu.segments.load(Seg.ss, selector, this.accessed(selector, d));
  }

  private loadData(number: number, selector: number): void {
    const { cpu } = this;
    if ((selector & ~3) === 0) return cpu.segments.loadNull(number, selector);
    const d = this.descriptor(selector, generalProtection);
    const error = selector & ~3;
    if (!isReadable(d)) throw generalProtection(error);
    const free = isCode(d) && isConforming(d);
    if (!free && Math.max(selector & 3, cpu.cpl) > dplOf(d)) throw generalProtection(error);
    if (!isPresent(d)) throw notPresent(error);
    cpu.segments.load(number, selector, this.accessed(selector, d));
  }

  /** The DPL of SS follows the CPL also where SS is null. */
  setStackPrivilege(cpl: number): void {
    const { core } = this.cpu;
    const { rights } = SEGMENTS[Seg.ss] as SegmentFields;
    core.set(rights, (core.lo(rights) & ~RIGHTS.dpl) | (cpl << RIGHTS.dplShift), 0);
  }

  /** LLDT. */
  loadLocalTable(selector: number): void {
    const { core, segments } = this.cpu;
    if ((selector & ~3) === 0) {
      core.set(LDTR.selector, selector & 0xffff, 0);
      core.set(LDTR.rights, RIGHTS.unusable, 0);
      return;
    }
    const error = selector & ~3;
    if ((selector & 4) !== 0) throw generalProtection(error);
    const d = this.descriptor(selector, generalProtection);
    if (isSegment(d) || systemType(d) !== SystemType.ldt) throw generalProtection(error);
    const high = this.systemBaseHigh(selector);
    if (!isPresent(d)) throw notPresent(error);
    segments.set(LDTR, selector, d.base, high, d.limit, d.rights);
  }

  /** LTR. */
  loadTask(selector: number): void {
    const { segments, longMode } = this.cpu;
    const error = selector & ~3;
    if (error === 0) throw generalProtection();
    if ((selector & 4) !== 0) throw generalProtection(error);
    const d = this.descriptor(selector, generalProtection);
    const type = systemType(d);
    if (isSegment(d) || (type !== SystemType.tss && (longMode || type !== SystemType.tss16)))
      throw generalProtection(error);
    const high = this.systemBaseHigh(selector);
    if (!isPresent(d)) throw notPresent(error);
    const busy = this.markDescriptor(selector, d, 0x200);
    segments.set(TR, selector, busy.base, high, busy.limit, busy.rights);
  }

  // --- Stacks --------------------------------------------------------------------------------

  currentStack(): StackTarget {
    return StackTarget.current(this.cpu);
  }

  /** The stack of an inner level, from the task-state segment. `ext`: delivering an external event. */
  innerStack(cpl: number, ext: number): StackTarget {
    const { cpu } = this;
    const { core, memory } = cpu;
    const wide = ((core.lo(TR.rights) & 15) | 2) === SystemType.busyTss;
    const offset = wide ? 4 + 8 * cpl : 2 + 4 * cpl;
    const size = wide ? 4 : 2;
    const error = (core.lo(TR.selector) & ~3) | ext;
    if (offset + (wide ? 5 : 3) > core.lo(TR.limit) >>> 0) throw invalidTss(error);
    const base = core.big(TR.base) + BigInt(offset);
    const pointer = memory.read(base, size);
    const selector = Number(memory.read(base + BigInt(size), 2));
    return this.stackOf(selector, pointer, cpl, (code) => invalidTss(code | ext));
  }

  private stackOf(
    selector: number,
    pointer: bigint,
    cpl: number,
    fault: (selector: number) => Fault,
  ): StackTarget {
    if ((selector & ~3) === 0) throw fault(0);
    const d = this.descriptor(selector, fault);
    const error = selector & ~3;
    if ((selector & 3) !== cpl || dplOf(d) !== cpl || !isWritableData(d)) throw fault(error);
    if (!isPresent(d)) throw stackFault(error);
    return StackTarget.of(this.cpu, selector, this.accessed(selector, d), pointer, cpl);
  }

  /** A stack pointer of a 64-bit task-state segment. */
  tssPointer(offset: number, ext: number): bigint {
    const { core, memory } = this.cpu;
    if (offset + 7 > core.lo(TR.limit) >>> 0) throw invalidTss((core.lo(TR.selector) & ~3) | ext);
    const pointer = memory.read(core.big(TR.base) + BigInt(offset), 8);
    if (!isCanonicalAddress(pointer)) throw stackFault(ext);
    return pointer;
  }

  /** Mark a task-state segment busy, or available again. */
  setBusy(selector: number, busy: boolean): void {
    const at = this.descriptorAddress(selector, generalProtection);
    const { memory } = this.cpu;
    const high = Number(memory.read(at + 4n, 4));
    memory.write(at + 4n, 4, BigInt((busy ? high | TSS_BUSY : high & ~TSS_BUSY) >>> 0));
  }

  /** JMP or CALL names a task, directly or by a gate: switch. False: it names something else. */
  private toTask(selector: number, d: Descriptor, kind: "jump" | "call", next: bigint): boolean {
    const { cpl, longMode } = this.cpu;
    const type = systemType(d);
    const gated = type === SystemType.taskGate;
    if (longMode || (!gated && type !== SystemType.tss && type !== SystemType.tss16)) return false;
    if (dplOf(d) < Math.max(cpl, selector & 3)) throw generalProtection(selector & ~3);
    if (!isPresent(d)) throw notPresent(selector & ~3);
    const task = gated ? gate(d).selector : selector;
    this.switchTask(task, kind, next);
    return true;
  }

  /** An exception or interrupt through a task gate. `ext`: bit 0 of error codes. */
  taskGate(d: Descriptor, ip: bigint, errorCode: number, ext: number): void {
    this.interruptTask(gate(d).selector, ip, errorCode, ext);
  }

  /** The same by the task's selector. */
  interruptTask(task: number, ip: bigint, errorCode: number, ext: number): void {
    const found = this.tasks.target(task, false, (error) => generalProtection(error | ext));
    const wide = (systemType(found) & SystemType.tss) === SystemType.tss;
    this.tasks.switchTo(task, found, "call", ip, ext, true);
    if (errorCode < 0) return;
    const stack = this.currentStack();
    stack.install(stack.push([BigInt(errorCode)], wide ? 4 : 2, stackFault));
  }

  /**
   * JMP, CALL or IRET to another task, of which the gate's or the segment's rights were checked: the present one goes on at
   * `next`. A hypervisor does so for a guest that left by it.
   */
  switchTask(selector: number, kind: SwitchKind, next: bigint): void {
    const leaves = kind === "return";
    const d = this.tasks.target(selector, leaves, leaves ? invalidTss : generalProtection);
    this.tasks.switchTo(selector, d, kind, next);
  }

  // --- JMP and CALL --------------------------------------------------------------------------

  /** JMP to another code segment or task; `next` is where the present one would go on. */
  jump(selector: number, offset: bigint, size: 2 | 4 | 8, next: bigint): void {
    const { cpu } = this;
    if (!cpu.protectedMode || cpu.virtual8086) return this.realTransfer(selector, offset, size);
    const d = this.target(selector);
    if (isSegment(d)) return this.enterCode(selector, this.direct(selector, d), cpu.cpl, offset, size);
    if (this.toTask(selector, d, "jump", next)) return;
    const { code, gateSelector, gateOffset } = this.callGate(selector, d, true);
    this.enterCode(gateSelector, code, cpu.cpl, gateOffset, 8);
  }

  private realTransfer(selector: number, offset: bigint, size: 2 | 4 | 8): void {
    const { cpu } = this;
    const ip = BigInt.asUintN(8 * size, offset);
    const { limit } = SEGMENTS[Seg.cs] as SegmentFields;
    if (ip > BigInt(cpu.core.lo(limit) >>> 0)) throw generalProtection();
    cpu.segments.loadReal(Seg.cs, selector, cpu.virtual8086);
    cpu.modeChanged();
    cpu.setIp(ip);
  }

  private target(selector: number): Descriptor {
    if ((selector & ~3) === 0) throw generalProtection();
    return this.descriptor(selector, generalProtection);
  }

  /** A code segment that JMP or CALL names: the privilege stays. */
  private direct(selector: number, d: Descriptor): Descriptor {
    const { cpl } = this.cpu;
    const error = selector & ~3;
    if (!isCode(d)) throw generalProtection(error);
    const allowed = isConforming(d) ? dplOf(d) <= cpl : (selector & 3) <= cpl && dplOf(d) === cpl;
    if (!allowed) throw generalProtection(error);
    if (!isPresent(d)) throw notPresent(error);
    return d;
  }

  /** Go on in a code segment. */
  private enterCode(selector: number, d: Descriptor, cpl: number, offset: bigint, size: 2 | 4 | 8): void {
    const { cpu } = this;
    const ip = this.checkedIp(selector, d, offset, size);
    cpu.segments.load(Seg.cs, (selector & ~3) | cpl, this.accessed(selector, d));
    cpu.setPrivilege(cpl);
    cpu.modeChanged();
    cpu.setIp(ip);
  }

  private checkedIp(selector: number, d: Descriptor, offset: bigint, size: 2 | 4 | 8): bigint {
    const long = this.cpu.longMode && (d.rights & RIGHTS.long) !== 0;
    if (long && (d.rights & RIGHTS.big) !== 0) throw generalProtection(selector & ~3);
    const ip = BigInt.asUintN(long ? 8 * size : Math.min(8 * size, 32), offset);
    if (long ? !isCanonicalAddress(ip) : ip > BigInt(d.limit)) throw generalProtection();
    return ip;
  }

  private callGate(selector: number, d: Descriptor, jumps: boolean) {
    const { cpu } = this;
    const error = selector & ~3;
    const type = systemType(d);
    const { longMode, cpl } = cpu;
    if (type !== SystemType.callGate && (longMode || type !== SystemType.callGate16)) {
      throw generalProtection(error);
    }
    if (dplOf(d) < cpl || dplOf(d) < (selector & 3)) throw generalProtection(error);
    if (!isPresent(d)) throw notPresent(error);
    const { selector: gateSelector, offset, extra } = gate(d);
    const high = longMode ? BigInt(this.baseHigh(selector) >>> 0) : 0n;
    const code = this.target(gateSelector);
    const codeError = gateSelector & ~3;
    if (!isCode(code) || dplOf(code) > cpl) throw generalProtection(codeError);
    if (longMode && (code.rights & (RIGHTS.long | RIGHTS.big)) !== RIGHTS.long)
      throw generalProtection(codeError);
    if (!isPresent(code)) throw notPresent(codeError);
    if (jumps && !isConforming(code) && dplOf(code) !== cpl) throw generalProtection(codeError);
    const wide = type === SystemType.callGate;
    const gateOffset = (high << 32n) | BigInt(wide ? offset : offset & 0xffff);
    return { code, gateSelector, gateOffset, parameters: extra, wide };
  }

  /** CALL to another code segment; `next` is what it returns to. */
  call(selector: number, offset: bigint, size: 2 | 4 | 8, next: bigint): void {
    const { cpu } = this;
    const { core } = cpu;
    const cs = core.big((SEGMENTS[Seg.cs] as SegmentFields).selector);
    const stack = this.currentStack();
    if (!cpu.protectedMode || cpu.virtual8086) {
      const pointer = stack.push([cs, next], size, stackFault);
      this.realTransfer(selector, offset, size);
      return stack.install(pointer);
    }
    const d = this.target(selector);
    if (isSegment(d)) {
      const code = this.direct(selector, d);
      this.checkedIp(selector, code, offset, size);
      const pointer = stack.push([cs, next], size, stackFault);
      stack.install(pointer);
      return this.enterCode(selector, code, cpu.cpl, offset, size);
    }
    if (!this.toTask(selector, d, "call", next)) this.callThroughGate(selector, d, cs, next);
  }

  private callThroughGate(selector: number, d: Descriptor, cs: bigint, next: bigint): void {
    const { cpu } = this;
    const { core } = cpu;
    const { code, gateSelector, gateOffset, parameters, wide } = this.callGate(selector, d, false);
    const cpl = isConforming(code) ? cpu.cpl : dplOf(code);
    this.checkedIp(gateSelector, code, gateOffset, 8);
    if (cpu.longMode) return this.callLong(gateSelector, code, cpl, gateOffset, cs, next);
    const size = wide ? 4 : 2;
    const outer = this.currentStack();
    if (cpl === cpu.cpl) {
      outer.install(outer.push([cs, next], size, stackFault));
      return this.enterCode(gateSelector, code, cpl, gateOffset, 8);
    }
    const inner = this.innerStack(cpl, 0);
    const copied = Array.from({ length: parameters }, (_, i) =>
      outer.peek(parameters - 1 - i, size, stackFault),
    );
    const ss = core.big((SEGMENTS[Seg.ss] as SegmentFields).selector);
    const pointer = inner.push([ss, core.big(RSP), ...copied, cs, next], size, stackFault);
    cpu.setPrivilege(cpl);
    inner.install(pointer);
    this.enterCode(gateSelector, code, cpl, gateOffset, 8);
  }

  private callLong(
    selector: number,
    code: Descriptor,
    cpl: number,
    offset: bigint,
    cs: bigint,
    next: bigint,
  ): void {
    const { cpu } = this;
    const { core, memory } = cpu;
    const inner = cpl < cpu.cpl;
    const old = core.big(RSP);
    const ss = core.big((SEGMENTS[Seg.ss] as SegmentFields).selector);
    const frame = inner ? [ss, old, cs, next] : [cs, next];
    let pointer = inner ? this.tssPointer(4 + 8 * cpl, 0) : old;
    for (const value of frame) {
      pointer = BigInt.asUintN(64, pointer - 8n);
      if (!isCanonicalAddress(pointer)) throw stackFault(0);
      memory.write(pointer, 8, value, cpl === 3);
    }
    if (inner) {
      cpu.segments.loadNull(Seg.ss, cpl);
      this.setStackPrivilege(cpl);
    }
    core.setBig(RSP, pointer);
    this.enterCode(selector, code, cpl, offset, 8);
  }

  // --- RET and IRET --------------------------------------------------------------------------

  /** RET to another code segment, and `release` bytes of parameters. */
  returnFar(size: 2 | 4 | 8, release: number): void {
    const { cpu } = this;
    const stack = this.currentStack();
    const ip = stack.peek(0, size, stackFault);
    const selector = Number(stack.peek(1, size, stackFault) & 0xffffn);
    if (!cpu.protectedMode || cpu.virtual8086) {
      this.realTransfer(selector, ip, size);
      return stack.install(stack.above(2 * size + release));
    }
    const code = this.returnTarget(selector);
    const rpl = selector & 3;
    if (rpl === cpu.cpl) {
      this.checkedIp(selector, code, ip, size);
      stack.install(stack.above(2 * size + release));
      return this.enterCode(selector, code, rpl, ip, size);
    }
    // The outer stack lies above the parameters.
    const above = (depth: number) =>
      this.cpu.memory.read(this.outerAddress(stack, 2 * size + release + depth * size), size);
    const [pointer, outerSelector] = [above(0), Number(above(1) & 0xffffn)];
    this.checkedIp(selector, code, ip, size);
    this.toOuter(selector, code, rpl, ip, size, outerSelector, pointer, release);
  }

  private outerAddress(stack: StackTarget, bytes: number): bigint {
    const base = this.cpu.bits64 ? 0n : this.cpu.core.big((SEGMENTS[Seg.ss] as SegmentFields).base);
    return base + stack.above(bytes);
  }

  /** A code segment to return to. */
  private returnTarget(selector: number): Descriptor {
    const { cpu } = this;
    const error = selector & ~3;
    const d = this.target(selector);
    const rpl = selector & 3;
    if (!isCode(d) || rpl < cpu.cpl) throw generalProtection(error);
    if (isConforming(d) ? dplOf(d) > rpl : dplOf(d) !== rpl) throw generalProtection(error);
    if (!isPresent(d)) throw notPresent(error);
    return d;
  }

  /** Return to an outer level: its stack, and no data segments that it may not have. */
  private toOuter(
    selector: number,
    code: Descriptor,
    cpl: number,
    ip: bigint,
    size: 2 | 4 | 8,
    stackSelector: number,
    pointer: bigint,
    release: number,
  ): void {
    const { cpu } = this;
    const { core, segments } = cpu;
    const to64 = cpu.longMode && (code.rights & RIGHTS.long) !== 0;
    if ((stackSelector & ~3) === 0) {
      if (!to64 || cpl === 3) throw generalProtection();
      segments.loadNull(Seg.ss, stackSelector);
      core.setBig(RSP, BigInt.asUintN(64, pointer + BigInt(release)));
    } else {
      const target = this.stackOf(stackSelector, pointer, cpl, generalProtection);
      const mask = to64 ? (1n << 64n) - 1n : target.pointer === pointer ? (1n << 32n) - 1n : 0xffffn;
      target.install(target.above(release));
      if (to64) core.setBig(RSP, (pointer + BigInt(release)) & mask);
    }
    this.enterCode(selector, code, cpl, ip, size);
    this.setStackPrivilege(cpl);
    this.dropInnerSegments(cpl);
    cpu.modeChanged();
  }

  private dropInnerSegments(cpl: number): void {
    const { core, segments } = this.cpu;
    for (const number of OUTER_SEGMENTS) {
      const { rights: field } = SEGMENTS[number] as SegmentFields;
      const rights = core.lo(field);
      const free = (rights & (RIGHTS.code | RIGHTS.conforming)) === (RIGHTS.code | RIGHTS.conforming);
      const dpl = (rights & RIGHTS.dpl) >> RIGHTS.dplShift;
      // A register that is null stays as it is: FS and GS have bases all the same.
      const isNull = (core.lo(SEGMENTS[number]!.selector) & ~3) === 0;
      if (!isNull && !free && dpl < cpl) segments.nullify(number);
    }
  }

  /** IRET; a task that it leaves goes on at `next`. */
  interruptReturn(size: 2 | 4 | 8, next: bigint): void {
    const { cpu } = this;
    const { core } = cpu;
    core.set(interruptShadow, 0, 0);
    if (!cpu.protectedMode) return this.realReturn(size);
    if (cpu.virtual8086) {
      if (cpu.iopl !== 3) throw generalProtection();
      return this.realReturn(size);
    }
    const stack = this.currentStack();
    const flags = readFlags(core);
    if ((flags & RFLAG.NT) !== 0) {
      if (cpu.longMode) throw generalProtection();
      const link = Number(cpu.memory.read(core.big(TR.base), 2));
      return this.switchTask(link, "return", next);
    }
    const ip = stack.peek(0, size, stackFault);
    const selector = Number(stack.peek(1, size, stackFault) & 0xffffn);
    const popped = Number(BigInt.asIntN(32, stack.peek(2, size, stackFault)));
    const merged = this.returnedFlags(flags, popped, size);
    if (!cpu.longMode && size === 4 && (popped & RFLAG.VM) !== 0 && cpu.cpl === 0)
      return this.toVirtual8086(stack, ip, selector, popped);
    const code = this.returnTarget(selector);
    const rpl = selector & 3;
    if (rpl === cpu.cpl && !cpu.bits64) {
      this.checkedIp(selector, code, ip, size);
      stack.install(stack.above(3 * size));
      writeFlagFields(core, merged);
      return this.enterCode(selector, code, rpl, ip, size);
    }
    const pointer = stack.peek(3, size, stackFault);
    const stackSelector = Number(stack.peek(4, size, stackFault) & 0xffffn);
    this.checkedIp(selector, code, ip, size);
    // In 64-bit mode the stack is always popped, to the same level too.
    const before = readFlags(core);
    writeFlagFields(core, merged);
    try {
      this.toOuter(selector, code, rpl, ip, size, stackSelector, pointer, 0);
    } catch (error) {
      writeFlagFields(core, before);
      throw error;
    }
  }

  /** What of the popped flags takes effect. */
  private returnedFlags(flags: number, popped: number, size: 2 | 4 | 8): number {
    const { cpl, iopl } = this.cpu;
    let kept = RFLAG.VM | RFLAG.VIF | RFLAG.VIP;
    if (cpl > iopl) kept |= RFLAG.IF;
    if (cpl > 0) kept |= IOPL;
    if (cpl === 0) kept &= ~(RFLAG.VIF | RFLAG.VIP);
    if (size === 2) kept |= ~0xffff;
    return (popped & ~kept) | (flags & kept);
  }

  private realReturn(size: 2 | 4 | 8): void {
    const { cpu } = this;
    const { core } = cpu;
    const stack = this.currentStack();
    const ip = stack.peek(0, size, stackFault);
    const selector = Number(stack.peek(1, size, stackFault) & 0xffffn);
    const popped = Number(BigInt.asIntN(32, stack.peek(2, size, stackFault)));
    const flags = readFlags(core);
    let kept = RFLAG.VM | RFLAG.VIF | RFLAG.VIP;
    if (cpu.virtual8086) kept |= IOPL;
    if (size === 2) kept |= ~0xffff;
    this.realTransfer(selector, ip, size);
    stack.install(stack.above(3 * size));
    writeFlagFields(core, (popped & ~kept) | (flags & kept));
    cpu.modeChanged();
  }

  private toVirtual8086(stack: StackTarget, ip: bigint, cs: number, flags: number): void {
    const { cpu } = this;
    const { core, segments } = cpu;
    const at = (depth: number) => stack.peek(depth, 4, stackFault);
    const pointer = at(3);
    const [ss, es, ds, fs, gs] = [at(4), at(5), at(6), at(7), at(8)].map((v) => Number(v & 0xffffn));
    writeFlagFields(core, flags);
    for (const [number, selector] of [
      [Seg.cs, cs],
      [Seg.ss, ss],
      [Seg.es, es],
      [Seg.ds, ds],
      [Seg.fs, fs],
      [Seg.gs, gs],
    ] as const)
      segments.loadReal(number, selector ?? 0, true);
    core.setBig(RSP, pointer & 0xffff_ffffn);
    cpu.setPrivilege(3);
    cpu.modeChanged();
    cpu.setIp(ip & 0xffffn);
  }
}
