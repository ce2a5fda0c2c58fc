import {
  Access,
  type CoreApi,
  CpuModel,
  type CpuModelOptions,
  type GuestCpu,
  Status,
  type Translated,
  type Translation,
} from "@hypercraft/engine";
import { isVirtualClock } from "@hypercraft/hypercraft";
import type { DecodeMode } from "../isa/decoder.js";
import type { PortBus, SecondStage } from "./access.js";
import { AddressLine20 } from "./address-line.js";
import { AddressMonitor } from "./address-monitor.js";
import { AddressTranslation } from "./address-translation.js";
import { Contexts } from "./contexts.js";
import {
  CR0 as CR0_BIT,
  CR4 as CR4_BIT,
  EFER as EFER_BIT,
  IOPL,
  IOPL_SHIFT,
  RFLAG,
  RIGHTS,
} from "./control-bits.js";
import { Cpuid } from "./cpuid.js";
import { Debug } from "./debug.js";
import { Exceptions } from "./exceptions.js";
import { Fault, generalProtection } from "./fault.js";
import { TSC_HZ } from "./frequencies.js";
import { runHelper } from "./helpers.js";
import { Interrupts } from "./interrupts.js";
import { Mmu } from "./mmu.js";
import { PACKED } from "./mode.js";
import { Msrs } from "./msrs.js";
import { packedSimdMode } from "./mxcsr.js";
import { type FindOwn, withOwn } from "./own-device.js";
import { resetState } from "./reset.js";
import { clearUnusedSource } from "./rflags.js";
import { Segments } from "./segments.js";
import {
  CR0,
  CR4,
  EFER,
  GPR,
  IDTR,
  privilege,
  RFLAGS,
  SEGMENTS,
  Seg,
  type SegmentFields,
  XCR0,
  x86Layout,
} from "./state.js";
import { SystemMemory } from "./system-memory.js";
import { QUICK_TIMESTAMP, quickTimestamp } from "./timestamp.js";
import { VmExit } from "./vmx/vm-exit.js";
import { Vmx } from "./vmx/vmx.js";
import { highHalf, lowHalf, wide } from "./wide.js";
import { ErrorLines } from "./x87/error-lines.js";
import { X87Helpers } from "./x87/helpers.js";

export interface X86CpuOptions extends CpuModelOptions {
  /** Initial APIC ID. */
  readonly index: number;
  /** `vm`: the guest is in VMX non-root operation and the rest is TypeScript. `bare`: the guest owns the processor. */
  readonly mode: "bare" | "vm";
  readonly ports: PortBus;
  /** Frequency of the time-stamp counter; default `TSC_HZ`. */
  readonly tscHz?: number;
}

const NANOSECONDS = 1_000_000_000;
const NO_PORTS: PortBus = { read: (_port, size) => 2 ** (8 * size) - 1, write: () => undefined };

/**
 * A logical processor as hardware: all operating modes, segmentation, paging, exceptions. It has no instructions of
 * its own: the lifter that it is given calls it.
 */
export class X86Cpu extends CpuModel implements GuestCpu {
  readonly layout = x86Layout;
  /** The bus takes accesses of any alignment apart. */
  readonly devicesInPieces = true;
  readonly index: number;
  readonly vm: boolean;
  readonly tscHz: number;
  ports: PortBus;
  /** CR8: the task priority of the local APIC, bits 7:4. */
  taskPriority: { read(): number; write(value: number): void } | undefined;
  /** What this processor alone has at a physical address where there is no RAM: a local APIC that was moved there. */
  ownDevice: FindOwn | undefined;
  /** The bus cycle of a shutdown. True: the chip set answers it by INIT. */
  onShutdown: () => boolean = () => false;
  /** 64 random bits, for RDRAND: from the machine's seeded source. */
  random: () => bigint = () => 0n;
  /** Nested paging, when VMX has it on. */
  secondStage: SecondStage | undefined;

  readonly mmu: Mmu;
  readonly translation: AddressTranslation;
  readonly segments: Segments;
  readonly contexts: Contexts;
  readonly memory: SystemMemory;
  readonly debug: Debug;
  readonly exceptions: Exceptions;
  readonly interrupts: Interrupts;
  readonly line20: AddressLine20;
  readonly monitor: AddressMonitor;
  readonly msrs: Msrs;
  readonly cpuid: Cpuid;
  readonly vmx: Vmx;
  /** The floating-point unit. */
  readonly x87: X87Helpers;
  readonly floatErrors: ErrorLines;
  /** Time is made of instructions, not of the real world's. */
  readonly hasVirtualTime: boolean;
  /** General registers may have something in their upper halves. */
  private hasUpperHalves = true;

  constructor(core: CoreApi, options: X86CpuOptions) {
    super(core, { ...options, bus: withOwn(options.bus, (physical) => this.ownDevice?.(physical)) });
    this.index = options.index;
    this.hasVirtualTime = isVirtualClock(options.clock);
    this.vm = options.mode === "vm";
    this.tscHz = options.tscHz ?? TSC_HZ;
    this.ports = options.ports ?? NO_PORTS;
    this.mmu = new Mmu(core);
    this.translation = new AddressTranslation(this);
    this.segments = new Segments(core);
    this.contexts = new Contexts(this);
    this.memory = new SystemMemory(this);
    this.debug = new Debug(this);
    this.exceptions = new Exceptions(this);
    this.interrupts = new Interrupts(this);
    this.line20 = new AddressLine20(this);
    this.monitor = new AddressMonitor(this);
    this.msrs = new Msrs(this);
    this.cpuid = new Cpuid(this);
    this.vmx = new Vmx(this);
    this.floatErrors = new ErrorLines(this);
    this.x87 = new X87Helpers(this);
    this.reset();
  }

  // --- State as a whole ----------------------------------------------------------------------

  /** Reset: real mode at F000:FFF0 (SDM volume 3, 9.1.1). */
  reset(): void {
    resetState(this);
    this.reload();
  }

  /** The state's fields were replaced: take everything derived from them anew. */
  reload(): void {
    this.vmx.derive();
    this.segments.deriveAll();
    this.derivePrivilege();
    this.contexts.reset();
    this.hasUpperHalves = true;
    this.modeChanged();
    this.debug.forget();
    this.debug.changed();
    this.interrupts.reload();
  }

  /** Bring the state's fields up to date before they are read for a snapshot. */
  save(): void {}

  /** Forget all translations. */
  forget(): void {
    this.contexts.reset();
  }

  /** Take the privilege level from the segments and flags. */
  derivePrivilege(): void {
    this.setPrivilege(this.privilegeNow());
  }

  private privilegeNow(): number {
    const { core } = this;
    if (!this.protectedMode) return 0;
    if ((core.lo(RFLAGS) & RFLAG.VM) !== 0) return 3;
    // The DPL of SS is the CPL, in every mode.
    return (core.lo((SEGMENTS[Seg.ss] as SegmentFields).rights) & RIGHTS.dpl) >> RIGHTS.dplShift;
  }

  /** Current privilege level. */
  get cpl(): number {
    return this.core.lo(privilege);
  }

  /** CR0.PE. */
  get protectedMode(): boolean {
    return (this.core.lo(CR0) & CR0_BIT.PE) !== 0;
  }

  get virtual8086(): boolean {
    return (this.core.lo(RFLAGS) & RFLAG.VM) !== 0;
  }

  /** EFER.LMA. */
  get longMode(): boolean {
    return (this.core.lo(EFER) & EFER_BIT.LMA) !== 0;
  }

  /** There is something in the table that IDTR names. */
  get hasInterruptTable(): boolean {
    return this.core.lo(IDTR.limit) !== 0;
  }

  /** 64-bit mode: long mode with CS.L. */
  get bits64(): boolean {
    return this.longMode && (this.codeRights & RIGHTS.long) !== 0;
  }

  private get codeRights(): number {
    return this.core.lo((SEGMENTS[Seg.cs] as SegmentFields).rights);
  }

  /** Default operand size: 16, 32 or 64 bits. */
  get codeSize(): 16 | 32 | 64 {
    if (this.bits64) return 64;
    return (this.codeRights & RIGHTS.big) !== 0 ? 32 : 16;
  }

  /** What the meaning of bytes as instructions depends on. */
  get decodeMode(): DecodeMode {
    const { codeSize, protectedMode, virtual8086 } = this;
    return { bits: codeSize, protectedMode, virtual8086 };
  }

  /** DR0 to DR3, DR6 or DR7 were written. */
  debugRegistersChanged(): void {
    this.debug.changed();
  }

  get iopl(): number {
    return (this.core.lo(RFLAGS) & IOPL) >> IOPL_SHIFT;
  }

  /** The instruction of some bytes is done: go on behind it. */
  skip(bytes: number): Status {
    const { core } = this;
    if (this.bits64) {
      const next = (core.pcLo() >>> 0) + bytes;
      core.setPc(next | 0, next > 0xffff_ffff ? core.pcHi() + 1 : core.pcHi());
    } else this.setIp(this.currentIp + BigInt(bytes));
    return Status.redispatch;
  }

  /** XCR0; undefined if CR4.OSXSAVE is clear. */
  extendedControl(): bigint | undefined {
    return (this.core.lo(CR4) & CR4_BIT.OSXSAVE) === 0 ? undefined : this.core.big(XCR0);
  }

  /** XSETBV: there is XCR0, which can have x87 and SSE. Throws a `Fault`. */
  setExtendedControl(number: number, value: bigint): void {
    if (number !== 0 || (value !== 1n && value !== 3n)) throw generalProtection();
    this.core.setBig(XCR0, value);
  }

  /** CPL or what it is derived from changed: segments, CR0, CR4, EFER, RFLAGS, MXCSR. */
  modeChanged(): void {
    const had = this.hasUpperHalves;
    this.hasUpperHalves = this.longMode;
    // The lifter counts on there being none; the manual leaves them undefined (volume 1, 3.4.1.1).
    if (had && !this.hasUpperHalves) for (const field of GPR) this.core.set(field, this.core.lo(field), 0);
    this.contexts.modeChanged(this.packedMode());
  }

  /** Change the privilege level; `modeChanged` has to follow. */
  setPrivilege(cpl: number): void {
    this.core.set(privilege, cpl, 0);
  }

  private packedMode(): number {
    const { core, cpl } = this;
    const [cr0, cr4, flags] = [core.lo(CR0), core.lo(CR4), core.lo(RFLAGS)];
    const rights = core.lo((SEGMENTS[Seg.cs] as SegmentFields).rights);
    const long = (core.lo(EFER) & EFER_BIT.LMA) !== 0;
    const protectedMode = (cr0 & CR0_BIT.PE) !== 0;
    const inLong = long && (rights & RIGHTS.long) !== 0;
    const bigStack = (core.lo((SEGMENTS[Seg.ss] as SegmentFields).rights) & RIGHTS.big) !== 0;
    const bits = inLong ? 2 : (rights & RIGHTS.big) !== 0 ? 1 : 0;
    const stack = inLong ? 2 : bigStack ? 1 : 0;
    const allowed = !protectedMode || cpl <= (flags & IOPL) >> IOPL_SHIFT;
    return (
      bits |
      (stack << PACKED.stack) |
      (cpl << PACKED.cpl) |
      (inLong || this.segments.flat ? PACKED.flat : 0) |
      (protectedMode ? PACKED.protectedMode : 0) |
      ((flags & RFLAG.VM) !== 0 ? PACKED.virtual8086 : 0) |
      (long ? PACKED.longMode : 0) |
      (allowed ? PACKED.interruptsAllowed : 0) |
      ((cr0 & CR0_BIT.EM) !== 0 ? PACKED.emulated : 0) |
      ((cr0 & CR0_BIT.MP) !== 0 ? PACKED.monitored : 0) |
      ((cr0 & CR0_BIT.TS) !== 0 ? PACKED.taskSwitched : 0) |
      ((cr4 & CR4_BIT.OSFXSR) !== 0 ? PACKED.sse : 0) |
      ((cr4 & CR4_BIT.FSGSBASE) !== 0 ? PACKED.baseAccess : 0) |
      packedSimdMode(core)
    );
  }

  /** The instruction pointer: the pc without CS.base. */
  get ip(): bigint {
    const { core } = this;
    const pc = core.big(x86Layout.pc);
    if (this.bits64) return pc;
    return BigInt.asUintN(32, pc - core.big((SEGMENTS[Seg.cs] as SegmentFields).base));
  }

  /** Go on at an offset in CS as it is now. */
  setIp(ip: bigint): void {
    const { core } = this;
    const base = this.bits64 ? 0n : core.big((SEGMENTS[Seg.cs] as SegmentFields).base);
    const linear = this.bits64 ? ip : BigInt.asUintN(32, base + ip);
    core.setPc(lowHalf(linear), highHalf(linear));
  }

  /** The same for the instruction that executes: its own offset. */
  get currentIp(): bigint {
    const { core } = this;
    const pc = wide(core.pcLo(), core.pcHi());
    if (this.bits64) return pc;
    return BigInt.asUintN(32, pc - core.big((SEGMENTS[Seg.cs] as SegmentFields).base));
  }

  // --- The engine's questions ----------------------------------------------------------------

  codeMode(): number {
    return this.contexts.codeMode;
  }

  takeInterrupt(): boolean {
    return this.interrupts.take();
  }

  ask(question: number): number {
    return quickTimestamp(this, question === QUICK_TIMESTAMP.withProcessor);
  }

  translateFetch(lo: number, hi: number, out: Translation): Translated {
    return this.translation.fetch(lo, hi, out);
  }

  translate(
    access: Access,
    lo: number,
    hi: number,
    size: number,
    out: Translation,
    unaligned: boolean,
  ): Translated {
    return this.translation.access(access, lo, hi, size, out, unaligned);
  }

  /** An access of the processor itself to what is no RAM: up to 8 bytes. */
  readDevice(physical: number, size: number): bigint {
    const { devices } = this;
    devices.readPieces(physical, size);
    return BigInt.asUintN(8 * size, wide(devices.lo, devices.hi));
  }

  writeDevice(physical: number, size: number, value: bigint): void {
    this.devices.writePieces(physical, size, lowHalf(value), highHalf(value));
  }

  misaligned(): Status {
    return this.exceptions.raise(generalProtection());
  }

  settle(): void {
    clearUnusedSource(this.core);
  }

  physicalAccess(access: Access, physical: number, size: number, lo: number, hi: number): Status {
    const { devices } = this;
    if (access === Access.write) devices.writePieces(physical, size, lo, hi);
    else {
      devices.readPieces(physical, size);
      this.core.setAnswer(devices.lo, devices.hi);
    }
    return Status.next;
  }

  helper(id: number, constant: number, aLo: number, aHi: number, bLo: number, bHi: number): Status {
    try {
      return runHelper(this, id, constant, aLo, aHi, bLo, bHi);
    } catch (error) {
      if (error instanceof Fault) return this.exceptions.raise(error);
      if (error instanceof VmExit) return this.vmx.leave(error, this.currentIp);
      throw error;
    }
  }

  /** Whether a waiting processor goes on. */
  get wakeUp(): boolean {
    return this.interrupts.wakeUp;
  }

  /** Timers are the local APIC's. */
  updateTimers(): void {
    this.interrupts.refresh();
  }

  nextDeadline(): number {
    return this.vmx.exits.nextDeadline();
  }

  /** Ticks of the time-stamp counter since the start, without IA32_TSC_ADJUST. */
  timestamp(): bigint {
    return BigInt(this.ticks());
  }

  /**
   * The same as a number: exact for a hundred days at one gigahertz, for 26 at four. `pending` instructions were executed
   * that the clock has not been told of.
   */
  ticks(pending = this.pendingInstructions): number {
    const nanoseconds = Math.floor(this.clock.now(pending));
    if (this.tscHz % NANOSECONDS === 0) return nanoseconds * (this.tscHz / NANOSECONDS);
    return Number((BigInt(nanoseconds) * BigInt(this.tscHz)) / BigInt(NANOSECONDS));
  }
}
