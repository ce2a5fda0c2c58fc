import {
  type Access,
  type CoreApi,
  CpuModel,
  type CpuModelOptions,
  type GuestCpu,
  Status,
  Translated,
  type Translation,
} from "@hypercraft/engine";
import type { GicSystemRegisters, HcrRouting } from "../interrupts/gicv3-system-registers.js";
import { Need, Rights } from "./access.js";
import { Contexts } from "./contexts.js";
import { HCR } from "./control-bits.js";
import { SelfHostedDebug } from "./debug/self-hosted-debug.js";
import { Events } from "./events.js";
import { Exceptions } from "./exceptions.js";
import { TIMER_EXIT } from "./exit.js";
import { EL2 } from "./fields.js";
import { runHelper } from "./helpers.js";
import { InterruptControllerAccess } from "./interrupt-controller.js";
import { Interrupts, Line } from "./interrupts.js";
import { Mmu } from "./mmu.js";
import { ModeBits } from "./mode-bits.js";
import { Operations } from "./operations.js";
import { Pmu } from "./pmu.js";
import { defineDebug } from "./registers/debug.js";
import { defineIdentification } from "./registers/identification.js";
import { definePmu } from "./registers/pmu.js";
import { defineProcessorState } from "./registers/processor-state.js";
import { defineTimers } from "./registers/timers.js";
import { defineControl } from "./registers/translation.js";
import { resetState } from "./reset.js";
import type { SemihostingHost } from "./semihosting.js";
import { armLayout, PSTATE, waitingForEvent } from "./state.js";
import { Fsc, isZeroBlock } from "./syndrome.js";
import { SystemRegisters } from "./system-registers.js";
import { Timers } from "./timers.js";
import { TlbMaintenance } from "./tlb-maintenance.js";

export interface PeOptions extends CpuModelOptions {
  /** Affinity 0: MPIDR_EL1 bits 7..0. */
  readonly index: number;
  /** `vm`: EL2 is TypeScript, so exceptions to it end the run. `bare`: the guest owns all levels. */
  readonly mode: "bare" | "vm";
  /** CNTFRQ_EL0 at reset; default 62.5 MHz. */
  readonly timerHz?: number;
  /** First pc; default 0. */
  readonly resetVector?: bigint;
}

/**
 * A processing element as hardware: AArch64 with EL0, EL1 and EL2, system registers, exceptions, two-stage
 * translation and the generic timer. It has no instructions of its own: the lifter that it is given calls it.
 */
export class ArmPe extends CpuModel implements GuestCpu {
  readonly layout = armLayout;
  readonly vm: boolean;
  readonly mpidr: number;
  /** Exception level 0..2. The state has a copy. */
  el = 2;
  /** The PEs that broadcast maintenance reaches, this one among them. */
  domain: readonly ArmPe[] = [this];
  /** Plays the firmware behind SMC where there is no EL3. Undefined: SMC is UNDEFINED. */
  firmware: ((immediate: number) => Status) | undefined;
  /** Whom HLT #0xF000 calls. Undefined: HLT is UNDEFINED. */
  semihosting: SemihostingHost | undefined;

  readonly mmu: Mmu;
  readonly contexts: Contexts;
  readonly modeBits: ModeBits;
  readonly timers: Timers;
  readonly interrupts: Interrupts;
  readonly exceptions: Exceptions;
  readonly events: Events;
  readonly debug: SelfHostedDebug;
  readonly pmu: Pmu;
  readonly tlb: TlbMaintenance;
  readonly operations: Operations;
  readonly interruptController: InterruptControllerAccess;
  readonly registers: SystemRegisters;

  constructor(core: CoreApi, options: PeOptions) {
    super(core, options);
    this.vm = options.mode === "vm";
    this.mpidr = (1 << 31) | (options.index & 0xff);
    this.mmu = new Mmu(core);
    this.contexts = new Contexts(this);
    this.modeBits = new ModeBits(this);
    this.timers = new Timers(this, options.timerHz ?? 62_500_000);
    this.interrupts = new Interrupts(this);
    this.exceptions = new Exceptions(this);
    this.events = new Events(this);
    this.debug = new SelfHostedDebug(this);
    this.pmu = new Pmu(this);
    this.tlb = new TlbMaintenance(this);
    this.operations = new Operations(this);
    this.interruptController = new InterruptControllerAccess(this);
    this.registers = new SystemRegisters(this);
    defineIdentification(this);
    defineProcessorState(this);
    defineControl(this);
    defineTimers(this);
    defineDebug(this);
    definePmu(this);
    this.reset(options.resetVector ?? 0n);
  }

  // --- State as a whole ----------------------------------------------------------------------

  /** Reset: EL2 at `pc`. */
  reset(pc: bigint): void {
    resetState(this, pc);
    this.reload();
  }

  /** The state's fields were replaced (a snapshot was restored): take everything derived from them anew. */
  reload(): void {
    this.el = this.core.lo(PSTATE.currentEl);
    this.modeBits.refresh();
    this.contexts.reset();
    this.timers.restored();
    this.debug.changed();
    this.pmu.restored();
  }

  /** Bring the state's fields up to date before they are read for a snapshot. */
  save(): void {
    this.pmu.sync();
  }

  /** Forget all translations: a restored PE starts without any. */
  forget(): void {
    this.contexts.reset();
  }

  /** Change the exception level and PSTATE.SP. */
  setLevel(el: number, selection: number): void {
    this.pmu.sync();
    this.el = el;
    this.core.set(PSTATE.currentEl, el, 0);
    this.core.set(PSTATE.spSel, selection, 0);
    this.modeBits.refresh();
    this.contexts.modeChanged();
    this.interrupts.refresh();
  }

  // --- The engine's side (GuestCpu) ----------------------------------------------------------

  codeMode(): number {
    return this.modeBits.value;
  }

  translateFetch(lo: number, hi: number, out: Translation): Translated {
    const { exceptions, mmu, contexts, core } = this;
    // Branches leave tags in the pc, so that they need not look for any.
    const top = contexts.branchTop(hi);
    if (top !== hi) {
      core.setPc(lo, top);
      return Translated.moved;
    }
    if ((lo & 3) !== 0) return exceptions.pcAlignment(lo, hi) as Translated;
    if (!mmu.translate(contexts.regime, contexts.fetchRights, Need.fetch, lo, hi, false, out))
      return exceptions.translationFault(Need.fetch, lo, hi) as Translated;
    if (core.ramOffset(out.physical) >= 0) return this.debug.fetch(lo, hi, out) as Translated;
    return exceptions.simpleAbort(Fsc.external, Need.fetch, lo, hi) as Translated;
  }

  translate(
    access: Access,
    lo: number,
    hi: number,
    size: number,
    out: Translation,
    unaligned = (lo & (size - 1)) !== 0,
  ): Translated {
    const { mmu, core, contexts, debug, el } = this;
    const { regime, dataRights } = contexts;
    let done = mmu.translate(regime, dataRights, access, lo, hi, unaligned, out);
    // The probe of a DC ZVA, which Device memory takes as it takes what is unaligned.
    if (done && access === Need.write && size === 1 && !out.cacheable && isZeroBlock(this.instructionBits()))
      done = mmu.translate(regime, dataRights, access, lo, hi, true, out);
    if (done) {
      const level = (dataRights & Rights.user) !== 0 ? 0 : el;
      return debug.access(access, lo, hi, size, level, out) as Translated;
    }
    const { fault } = mmu;
    if (this.vm && core.hasAnswer && fault.stage2 && !fault.s1ptw) return Translated.answered;
    return this.exceptions.translationFault(access, lo, hi) as Translated;
  }

  misaligned(access: Access, lo: number, hi: number): Status {
    return this.exceptions.simpleAbort(Fsc.alignment, access, lo, hi);
  }

  physicalAccess(
    access: Access,
    physical: number,
    size: number,
    valueLo: number,
    valueHi: number,
    vaLo: number,
    vaHi: number,
  ): Status {
    const { exceptions } = this;
    // An access that crosses pages comes in one piece.
    if ((vaLo & (size - 1)) !== 0) return exceptions.simpleAbort(Fsc.alignment, access, vaLo, vaHi);
    if (this.accessDevice(access, physical, size, valueLo, valueHi)) return Status.next;
    return exceptions.simpleAbort(Fsc.external, access, vaLo, vaHi);
  }

  helper(id: number, constant: number, aLo: number, aHi: number, bLo = 0, bHi = 0): Status {
    return runHelper(this, id, constant, aLo, aHi, bLo, bHi);
  }

  takeInterrupt(): boolean {
    const { core, interrupts, exceptions, timers } = this;
    if (core.lo(waitingForEvent) !== 0) this.events.resumed();
    if (this.debug.step.taken()) return true;
    // An access that the host has answered is carried out first: to a device it has happened already.
    if (!core.hasAnswer) {
      const arrival = interrupts.arrived();
      if (arrival !== undefined) {
        if (arrival.virtualError) core.set(EL2.hcr, core.lo(EL2.hcr) & ~HCR.VSE, core.hi(EL2.hcr));
        exceptions.asynchronous(arrival.target, arrival.kind);
        return true;
      }
    }
    // Whatever instruction comes next is illegal.
    if (core.lo(PSTATE.il) !== 0) {
      exceptions.illegalState();
      return true;
    }
    if (!timers.comparators.moved && !this.pmu.moved) return false;
    timers.comparators.tell();
    this.pmu.tellDeadline();
    core.exit = TIMER_EXIT;
    return true;
  }

  /** The instruction at the pc; 0 if it cannot be read. */
  instructionBits(): number {
    return this.fetchedBits() ?? 0;
  }

  /** The instruction at the pc; undefined if it cannot be read. Nothing is trapped. */
  fetchedBits(): number | undefined {
    const { core, contexts } = this;
    const offset = this.probe(contexts.fetchRights, Need.fetch, core.pcLo(), core.pcHi());
    return offset < 0 ? undefined : (core.words[offset >>> 2] as number);
  }

  /** A byte as a load of the present code would read it, -1 where it would fault or find no RAM. Nothing is trapped. */
  peek(lo: number, hi: number): number {
    const offset = this.probe(this.contexts.dataRights, Need.read, lo, hi);
    return offset < 0 ? -1 : (this.core.bytes[offset] as number);
  }

  /** Where in host memory an access would lead, -1 where it would fault or find no RAM. */
  probe(rights: number, need: Need, lo: number, hi: number): number {
    const { core, mmu, contexts, probed } = this;
    // Whatever failed before is what the caller may want to tell about.
    const { code, stage2, s1ptw, write, ipa } = mmu.fault;
    const found = mmu.translate(contexts.regime, rights, need, lo, hi, false, probed);
    Object.assign(mmu.fault, { code, stage2, s1ptw, write, ipa });
    return found ? core.ramOffset(probed.physical) : -1;
  }

  // --- Inputs of the PE ----------------------------------------------------------------------

  setIrq(level: boolean): void {
    this.interrupts.setLine(Line.irq, level);
  }

  setFiq(level: boolean): void {
    this.interrupts.setLine(Line.fiq, level);
  }

  setVirtualIrq(level: boolean): void {
    this.interrupts.setLine(Line.virtualIrq, level);
  }

  setVirtualFiq(level: boolean): void {
    this.interrupts.setLine(Line.virtualFiq, level);
  }

  /** A GICv3's system registers; undefined: none. */
  get gic(): GicSystemRegisters | undefined {
    return this.interruptController.gic;
  }
  set gic(gic: GicSystemRegisters | undefined) {
    this.interruptController.gic = gic;
  }

  /** Where the performance monitors' interrupt leads. */
  get onPmu(): Pmu["onChange"] {
    return this.pmu.onChange;
  }
  set onPmu(onChange: Pmu["onChange"]) {
    this.pmu.onChange = onChange;
  }

  /** Where the timers' outputs lead. */
  get onTimer(): Timers["onChange"] {
    return this.timers.onChange;
  }
  set onTimer(onChange: Timers["onChange"]) {
    this.timers.onChange = onChange;
  }

  /** Which physical interrupts go from EL1 to EL2, so that EL1 uses the virtual CPU interface; EL2 never does. */
  get routing(): HcrRouting {
    const hcr = this.el === 1 ? this.core.lo(EL2.hcr) : 0;
    return { fiq: (hcr & (HCR.FMO | HCR.TGE)) !== 0, irq: (hcr & (HCR.IMO | HCR.TGE)) !== 0 };
  }

  /** Whether a waiting PE goes on. */
  get wakeUp(): boolean {
    if (this.semihosting?.ready === true) return true;
    return this.core.lo(waitingForEvent) !== 0 ? this.events.wakeUp : this.interrupts.wakeUp;
  }

  /** Compare the timers with the clock; the run loop calls it between slices. */
  updateTimers(): void {
    this.timers.update();
    this.pmu.update();
  }

  /** Nanoseconds at which the next timer fires, ends a wait or a counter overflows, Infinity if none will. */
  nextDeadline(): number {
    const deadline = Math.min(this.timers.comparators.tell(), this.pmu.tellDeadline());
    if (this.core.lo(waitingForEvent) === 0) return deadline;
    return Math.min(deadline, this.events.stream.deadline);
  }

  // --- For a hypervisor or a debugger --------------------------------------------------------

  /** A system register by name or number as EL2 reads it, 64 bits unsigned. Throws a RangeError if there is none. */
  readSystem(which: string | number): bigint {
    const { registers } = this;
    registers.find(which).read?.();
    return (BigInt(registers.hi >>> 0) << 32n) | BigInt(registers.lo >>> 0);
  }

  /** Write a system register as EL2 does; read-only ones ignore it. Throws a RangeError if there is none. */
  writeSystem(which: string | number, value: bigint): void {
    const register = this.registers.find(which);
    register.write?.(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  /** vm mode: enter the guest as ERET in EL2 does, with SPSR_EL2 and ELR_EL2 as they are. */
  enterGuest(): void {
    const { core, exceptions } = this;
    exceptions.returnTo(core.lo(EL2.spsr), core.lo(EL2.elr), core.hi(EL2.elr));
  }
}
