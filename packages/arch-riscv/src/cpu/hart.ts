import {
  Access,
  type CoreApi,
  CpuModel,
  type CpuModelOptions,
  type GuestCpu,
  Status,
  Translated,
  type Translation,
} from "@hypercraft/engine";
import { Fault, Need } from "./access.js";
import { CacheBlocks } from "./cache-block.js";
import { Irq } from "./causes.js";
import { Contexts } from "./contexts.js";
import { Counters } from "./counters.js";
import { CsrAccess } from "./csr-access.js";
import { CsrTable } from "./csr-table.js";
import { defineHypervisorCsrs } from "./csrs/hypervisor.js";
import { defineMachineCsrs } from "./csrs/machine.js";
import { defineSupervisorCsrs } from "./csrs/supervisor.js";
import { defineUserCsrs } from "./csrs/user.js";
import { TIMER_EXIT } from "./exit.js";
import { DEFAULT_FEATURES, type HartFeatures } from "./features.js";
import { Fences } from "./fences.js";
import { runHelper } from "./helpers.js";
import { HypervisorAccess } from "./hypervisor-access.js";
import { Interrupts } from "./interrupts.js";
import { Mmu } from "./mmu.js";
import { Pmp } from "./pmp.js";
import { resetState } from "./reset.js";
import { privilege, riscvLayout, S, virtualization } from "./state.js";
import { StatusRegisters } from "./status.js";
import { Timers } from "./timers.js";
import { Traps } from "./traps.js";

export interface HartOptions extends CpuModelOptions {
  /** mhartid, 0..2^31-1. */
  readonly hartId: number;
  /** `vm`: HS-mode is TypeScript, so traps into it end the run. `bare`: the guest owns all modes. */
  readonly mode: "bare" | "vm";
  readonly features?: Partial<HartFeatures>;
  /** Ticks of `time` a second; default 10 MHz. */
  readonly timebaseHz?: number;
  /** First pc; default 0. */
  readonly resetVector?: bigint;
}

/**
 * A RISC-V hart as hardware: RV64 with M, HS, U, VS and VU modes, CSRs, traps, two-stage translation, PMP and
 * timers. It has no instructions of its own: the lifter that it is given calls it where state, privilege or
 * memory beyond plain accesses is involved.
 */
export class RiscvHart extends CpuModel implements GuestCpu {
  readonly layout = riscvLayout;
  readonly hartId: number;
  readonly vm: boolean;
  readonly features: HartFeatures;
  /** Privilege mode: 0 U, 1 S, 3 M. The state has a copy. */
  priv = 3;
  /** Virtualization mode V. */
  v: 0 | 1 = 0;

  readonly pmp: Pmp;
  readonly mmu: Mmu;
  readonly contexts: Contexts;
  readonly status: StatusRegisters;
  readonly timers: Timers;
  readonly interrupts: Interrupts;
  readonly counters: Counters;
  readonly traps: Traps;
  readonly fences: Fences;
  readonly hypervisorAccess: HypervisorAccess;
  readonly cacheBlocks: CacheBlocks;
  readonly csrs: CsrTable;
  readonly csrAccess: CsrAccess;

  /** Throws a RangeError for options that contradict each other. */
  constructor(core: CoreApi, options: HartOptions) {
    super(core, options);
    this.hartId = options.hartId;
    this.vm = options.mode === "vm";
    this.features = { ...DEFAULT_FEATURES, ...options.features };
    if (this.vm && !this.features.h) throw new RangeError("vm mode needs the H extension");
    const { geilen } = this.features;
    if (!Number.isInteger(geilen) || geilen < 0 || geilen > 63)
      throw new RangeError(`geilen ${geilen} is not 0..63`);
    this.pmp = new Pmp(core);
    this.mmu = new Mmu(core, this.pmp);
    this.contexts = new Contexts(this);
    this.status = new StatusRegisters(this);
    this.timers = new Timers(this, options.timebaseHz ?? 10_000_000);
    this.interrupts = new Interrupts(this);
    this.counters = new Counters(this);
    this.traps = new Traps(this);
    this.fences = new Fences(this);
    this.hypervisorAccess = new HypervisorAccess(this);
    this.cacheBlocks = new CacheBlocks(this);
    this.csrs = new CsrTable(this);
    this.csrAccess = new CsrAccess(this);
    defineUserCsrs(this.csrs, this);
    defineSupervisorCsrs(this.csrs, this);
    defineHypervisorCsrs(this.csrs, this);
    defineMachineCsrs(this.csrs, this);
    this.reset(options.resetVector ?? 0n);
  }

  // --- State as a whole ----------------------------------------------------------------------

  /** Reset: M-mode at `pc` (bare), or parked in HS-mode as firmware leaves it (vm). */
  reset(pc: bigint): void {
    resetState(this, pc);
    this.reload();
  }

  /** The state's fields were replaced (a snapshot was restored): take everything derived from them anew. */
  reload(): void {
    const { core } = this;
    this.priv = core.lo(privilege);
    this.v = core.lo(virtualization) !== 0 ? 1 : 0;
    this.pmp.rebuild();
    this.mmu.gStage.flush();
    this.counters.restored();
    this.status.refreshMode();
    this.contexts.reset();
    this.timers.update();
    this.interrupts.refresh();
  }

  /** Bring the state's fields up to date (the counters): before they are read for a snapshot. */
  save(): void {
    this.counters.sync();
  }

  /** Forget all translations: a restored hart starts without any. */
  forget(): void {
    this.contexts.dropAll();
    this.mmu.gStage.flush();
  }

  /** Change privilege and virtualization mode; also due after status registers were stored silently. */
  setMode(priv: number, v: 0 | 1): void {
    this.priv = priv;
    this.v = v;
    this.core.set(privilege, priv, 0);
    this.core.set(virtualization, v, 0);
    this.status.refreshMode();
    this.interrupts.modeChanged();
    this.contexts.modeChanged();
  }

  /** PMP registers changed. */
  readonly protectionChanged = (): void => {
    this.mmu.gStage.flush();
    this.contexts.dropAll();
  };

  // --- The engine's side (GuestCpu) ----------------------------------------------------------

  codeMode(): number {
    return this.status.codeMode();
  }

  translateFetch(lo: number, hi: number, out: Translation): Translated {
    const fault = this.walkFetch(lo, hi, out);
    if (fault !== Fault.none) return this.fetchFault(fault, lo, hi);
    // Where PMP divides the page, the rest of the instruction has to be asked for by itself.
    if (!out.cacheable && (lo & 0xfff) < 0xffe && (this.parcelAt(out.physical) & 3) === 3) {
      const rest = this.walkFetch((lo + 2) | 0, hi, this.probed);
      if (rest !== Fault.none) return this.fetchFault(rest, (lo + 2) | 0, hi);
    }
    return Translated.ok;
  }

  private fetchFault(fault: Fault, lo: number, hi: number): Translated {
    return this.traps.memoryFault(fault, Need.fetch, lo, hi, this.contexts.fetch.guest) as Translated;
  }

  /** As `translateFetch` for 2 bytes, but a failure is only told: nothing is trapped. */
  probeFetch(lo: number, hi: number, out: Translation): boolean {
    return this.walkFetch(lo, hi, out) === Fault.none;
  }

  /** Code has to be in RAM. */
  private walkFetch(lo: number, hi: number, out: Translation): Fault {
    const fault = this.mmu.translate(this.contexts.fetch, Need.fetch, lo, hi, 2, out);
    if (fault !== Fault.none) return fault;
    return this.core.ramOffset(out.physical) < 0 ? Fault.access : Fault.none;
  }

  translate(access: Access, lo: number, hi: number, size: number, out: Translation): Translated {
    const r = this.contexts.currentData();
    const fault = this.mmu.translate(r, access, lo, hi, size, out);
    if (fault === Fault.none) return Translated.ok;
    if (fault === Fault.guestPage && this.vm && this.core.hasAnswer && this.mmu.gStage.faultPseudo === 0)
      return Translated.answered;
    return this.traps.memoryFault(fault, access, lo, hi, r.guest) as Translated;
  }

  misaligned(access: Access, lo: number, hi: number): Status {
    return this.traps.misaligned(access, lo, hi, this.contexts.data.guest);
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
    const { contexts, traps } = this;
    if (this.accessDevice(access, physical, size, valueLo, valueHi)) return Status.next;
    const guest = access === Access.fetch ? contexts.fetch.guest : contexts.data.guest;
    return traps.memoryFault(Fault.access, access, vaLo, vaHi, guest);
  }

  helper(id: number, constant: number, aLo: number, aHi: number, bLo: number, bHi: number): Status {
    return runHelper(this, id, constant, aLo, aHi, bLo, bHi);
  }

  takeInterrupt(): boolean {
    // An access that the host has answered is carried out first: to a device it has happened already.
    if (!this.core.hasAnswer && this.interrupts.arrived()) {
      this.traps.interrupt();
      return true;
    }
    if (!this.timers.comparators.moved) return false;
    this.timers.comparators.tell();
    this.core.exit = TIMER_EXIT;
    return true;
  }

  /** Bits of the instruction at the pc, 16 or 32 of them; 0 if they cannot be read. */
  instructionBits(): number {
    const lo = this.core.pcLo();
    const hi = this.core.pcHi();
    const first = this.parcel(lo, hi);
    if (first < 0 || (first & 3) !== 3) return Math.max(first, 0);
    const nextLo = (lo + 2) | 0;
    const second = this.parcel(nextLo, nextLo === 0 ? (hi + 1) | 0 : hi);
    return second < 0 ? 0 : first | (second << 16);
  }

  private parcel(lo: number, hi: number): number {
    return this.probeFetch(lo, hi, this.probed) ? this.parcelAt(this.probed.physical) : -1;
  }

  /** 16 bits of code at an address in RAM. */
  private parcelAt(physical: number): number {
    const { core } = this;
    const offset = core.ramOffset(physical);
    return (core.bytes[offset] as number) | ((core.bytes[offset + 1] as number) << 8);
  }

  // --- Inputs of the hart --------------------------------------------------------------------

  /** mip.MSIP, from the interrupt controller. */
  setMachineSoftware(level: boolean): void {
    this.interrupts.setLine(Irq.msi, level);
  }

  /** mip.MTIP, from the owner of mtimecmp. */
  setMachineTimer(level: boolean): void {
    this.interrupts.setLine(Irq.mti, level);
  }

  /** mip.MEIP. */
  setMachineExternal(level: boolean): void {
    this.interrupts.setLine(Irq.mei, level);
  }

  /** The line that mip.SEIP shows beside its software bit. */
  setSupervisorExternal(level: boolean): void {
    this.interrupts.setLine(Irq.sei, level);
  }

  /** Guest external interrupt 1..geilen: a bit of hgeip. Throws a RangeError for another number. */
  setGuestExternal(number: number, level: boolean): void {
    if (number < 1 || number > this.features.geilen)
      throw new RangeError(`guest external interrupt ${number}`);
    this.interrupts.setGuestLine(number, level);
  }

  /** Whether a waiting hart goes on: something is pending and enabled in mie. */
  get wakeUp(): boolean {
    return this.interrupts.wakeUp;
  }

  /** Compare the timers with the clock; the run loop calls it between slices. */
  updateTimers(): void {
    this.timers.update();
  }

  /** Nanoseconds at which the next timer interrupt becomes pending, Infinity if none will. */
  nextDeadline(): number {
    return this.timers.comparators.tell();
  }

  // --- For a hypervisor or a debugger --------------------------------------------------------

  /** A CSR by name or number as M-mode reads it, 64 bits unsigned. Throws a RangeError if there is none. */
  readCsr(which: string | number): bigint {
    this.csr(which).read();
    const { lo, hi } = this.csrs;
    return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  }

  /** Write a CSR as M-mode does; read-only ones ignore it. Throws a RangeError if there is none. */
  writeCsr(which: string | number, value: bigint): void {
    this.csr(which).write(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  private csr(which: string | number) {
    const csr = typeof which === "number" ? this.csrs.byNumber(which) : this.csrs.byName(which);
    if (csr === undefined) throw new RangeError(`no CSR ${which}`);
    return csr;
  }

  /** vm mode: enter the guest as SRET in HS-mode does, at sepc with hstatus.SPV, SPVP and sstatus.SPP as they are. */
  enterGuest(): void {
    const { core } = this;
    core.set(riscvLayout.pc, core.lo(S.epc), core.hi(S.epc));
    this.traps.returnFromHost();
  }
}
