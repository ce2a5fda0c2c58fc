import {
  type Clock,
  HyperError,
  type IrqLine,
  type MmioDevice,
  type TimerQueue,
} from "@hypercraft/hypercraft";
import { CRYSTAL_HZ } from "../cpu/frequencies.js";
import type { InterruptSource } from "../cpu/interrupt-source.js";
import { AcceptedInterrupts } from "./accepted-interrupts.js";
import { ApicBase } from "./apic-base.js";
import type { ApicBus } from "./apic-bus.js";
import { extendedLogicalId, isAddressed } from "./destination.js";
import { ErrorStatus } from "./error-status.js";
import {
  commandMessage,
  hasIllegalVector,
  isSynchronization,
  LOWEST_VECTOR,
  shorthandOf,
} from "./interrupt-command.js";
import {
  ApicError,
  BASE,
  LVT,
  LVT_ENTRIES,
  Lvt,
  Register,
  readable,
  readableExtended,
  SVR,
  VERSION,
  writableExtended,
} from "./local-apic-registers.js";
import type { LocalApicState } from "./local-apic-state.js";
import { LocalApicTimer, type TimestampCounter } from "./local-apic-timer.js";
import { LocalVectorTable } from "./local-vector-table.js";
import { DeliveryMode, type InterruptMessage } from "./message.js";

/** What a local APIC tells its processor. */
export interface ApicProcessor {
  /** `pending` may have changed. */
  interruptsChanged(): void;
  nmi(): void;
  smi(): void;
  init(): void;
  /** A start-up IPI: a processor that waits for one starts at `vector` times 4 KiB. */
  startUp(vector: number): void;
}

export interface LocalApicOptions {
  /** Initial APIC ID. In xAPIC mode it has 8 bits. */
  readonly id: number;
  readonly bus: ApicBus;
  readonly processor: ApicProcessor;
  readonly clock: Clock;
  readonly timers: TimerQueue;
  /** Frequency in Hz of the clock of the timer; default that of the crystal, 1 GHz. */
  readonly timerHz?: number;
  /** For TSC-deadline mode; without it that never expires. */
  readonly tsc?: TimestampCounter;
  /** Whether this is the bootstrap processor's; default: that of ID 0 is. */
  readonly bootstrap?: boolean;
  /** Where ExtINT interrupts get their vector: the 8259. */
  readonly extInt?: InterruptSource;
}

/**
 * A local APIC as a register model, in xAPIC and in x2APIC mode: SDM volume 3, chapter 11. It is a processor's own in
 * bare mode, and the virtual one that a hypervisor gives to its guest's processor.
 */
export class LocalApic implements InterruptSource, MmioDevice {
  readonly id: number;
  readonly timer: LocalApicTimer;
  private readonly bus: ApicBus;
  private readonly processor: ApicProcessor;
  /** Of the processor that starts first. */
  readonly isBootstrap: boolean;
  private readonly extInt: InterruptSource | undefined;

  private readonly baseRegister = new ApicBase();
  private readonly accepted = new AcceptedInterrupts();
  private readonly errors = new ErrorStatus();
  private logicalId = 0;
  private format = 0xffff_ffff;
  private svr = 0xff;
  private command = 0;
  private commandHigh = 0;
  private readonly vectorTable = new LocalVectorTable((message) => this.accept(message));
  /** A message asked for an interrupt whose vector the 8259 has. */
  private extIntMessage = false;

  constructor(options: LocalApicOptions) {
    const { id, bus, processor, clock, timers } = options;
    this.id = id;
    this.bus = bus;
    this.processor = processor;
    this.isBootstrap = options.bootstrap ?? id === 0;
    this.extInt = options.extInt;
    this.timer = new LocalApicTimer({
      clock,
      timers,
      hz: options.timerHz ?? CRYSTAL_HZ,
      tsc: options.tsc,
      expired: () => this.vectorTable.signal(Lvt.timer),
    });
    this.powerUp();
    bus.add(this);
  }

  private powerUp(): void {
    this.baseRegister.powerUp(this.isBootstrap);
    this.clear();
  }

  /** Power-up. */
  reset(): void {
    this.powerUp();
    this.processor.interruptsChanged();
  }

  /** All registers but the ID and IA32_APIC_BASE: table 11-1's state, as after INIT (11.4.7.3). */
  private clear(): void {
    this.accepted.clear();
    this.errors.clear();
    this.logicalId = 0;
    this.format = 0xffff_ffff;
    this.svr = 0xff;
    this.command = 0;
    this.commandHigh = 0;
    this.vectorTable.reset();
    this.extIntMessage = false;
    this.timer.reset();
  }

  /**
   * Virtual wire mode, as firmware leaves the bootstrap processor's to who starts next (MP specification 1.4, 3.6.2.2):
   * enabled, the 8259 behind LINT0, NMI behind LINT1.
   */
  enterVirtualWireMode(): void {
    this.svr |= SVR.enabled;
    this.vectorTable.enterVirtualWireMode();
    this.processor.interruptsChanged();
  }

  // --- Modes: IA32_APIC_BASE ------------------------------------------------------------------

  /** IA32_APIC_BASE. */
  get base(): bigint {
    return this.baseRegister.value;
  }

  /** Physical address of the registers' page. */
  get address(): number {
    return this.baseRegister.address;
  }

  /** Its registers are in memory, but not where PCs have them. */
  get moved(): boolean {
    return this.enabled && !this.extended && this.address !== BASE.address;
  }

  /** IA32_APIC_BASE.EN. */
  get enabled(): boolean {
    return this.baseRegister.enabled;
  }

  /** x2APIC mode. */
  get extended(): boolean {
    return this.baseRegister.extended;
  }

  /** Write IA32_APIC_BASE; false is #GP. */
  writeBase(value: bigint): boolean {
    const { baseRegister } = this;
    if (!baseRegister.accepts(value)) return false;
    const { enabled, extended } = baseRegister;
    baseRegister.value = value;
    if (enabled && !this.enabled) this.clear();
    if (this.extended && !extended) this.commandHigh = 0;
    this.processor.interruptsChanged();
    return true;
  }

  get softwareEnabled(): boolean {
    return this.enabled && (this.svr & SVR.enabled) !== 0;
  }

  // --- Towards the processor ------------------------------------------------------------------

  /** An interrupt waits: one that the priorities let through, or one of the 8259, which are above them. */
  get pending(): boolean {
    if (this.extIntPending) return true;
    return this.enabled && this.accepted.pending;
  }

  private get extIntPending(): boolean {
    if (this.extIntMessage) return true;
    // An APIC that is off leaves LINT0 to be INTR.
    if (!this.enabled) return this.vectorTable.level(0);
    return this.vectorTable.isExtInt(0) || this.vectorTable.isExtInt(1);
  }

  /** INTA: the vector, now in service. The spurious one if nothing is pending any more. */
  acknowledge(): number {
    if (this.extIntPending) {
      this.extIntMessage = false;
      if (this.extInt !== undefined) return this.extInt.acknowledge();
    }
    const vector = this.accepted.serve();
    return vector < 0 ? this.svr & SVR.vector : vector;
  }

  /** PPR (11.8.3.1). */
  get processorPriority(): number {
    return this.accepted.processorPriority;
  }

  /** TPR; CR8 is its bits 7:4. */
  get taskPriority(): number {
    return this.accepted.taskPriority;
  }

  set taskPriority(value: number) {
    this.accepted.taskPriority = value & 0xff;
    this.processor.interruptsChanged();
  }

  // --- Messages -------------------------------------------------------------------------------

  /** Whether a message's destination names this APIC (11.6.2). */
  isTarget(message: InterruptMessage): boolean {
    return this.enabled && isAddressed(this, message);
  }

  /** Take a message that is for this one. False if it is not accepted. */
  accept({ mode, vector, level }: InterruptMessage): boolean {
    switch (mode) {
      case DeliveryMode.fixed:
      case DeliveryMode.lowestPriority:
        return this.request(vector, level);
      case DeliveryMode.smi:
        this.processor.smi();
        return true;
      case DeliveryMode.nmi:
        this.processor.nmi();
        return true;
      case DeliveryMode.init:
        this.clear();
        this.processor.init();
        return true;
      case DeliveryMode.startUp:
        this.processor.startUp(vector);
        return true;
      case DeliveryMode.extInt:
        this.extIntMessage = true;
        this.processor.interruptsChanged();
        return true;
      default:
        return false;
    }
  }

  private request(vector: number, level: boolean): boolean {
    if (!this.softwareEnabled) return false;
    if (vector < LOWEST_VECTOR) {
      this.error(ApicError.receiveIllegalVector);
      return false;
    }
    this.accepted.request(vector, level);
    this.processor.interruptsChanged();
    return true;
  }

  private error(bit: number): void {
    if (this.errors.add(bit)) this.vectorTable.signal(Lvt.error);
  }

  /** EOI: the interrupt of the highest priority is no longer in service. */
  endInterrupt(): void {
    const vector = this.accepted.end();
    if (vector < 0) return;
    if (this.accepted.isLevel(vector)) {
      this.vectorTable.ended(vector);
      if ((this.svr & SVR.noEoiBroadcast) === 0) this.bus.endOfInterrupt(vector);
      this.vectorTable.serviceLint0();
    }
    this.processor.interruptsChanged();
  }

  /** A write to ICR sends. */
  private sendCommand(): void {
    const { command, commandHigh, extended } = this;
    if (isSynchronization(command)) return;
    if (hasIllegalVector(command)) this.error(ApicError.sendIllegalVector);
    else this.bus.sendFrom(this, shorthandOf(command), commandMessage(command, commandHigh, extended));
  }

  // --- Local interrupts -----------------------------------------------------------------------

  /** LINT0 or LINT1. */
  lint(pin: 0 | 1): IrqLine {
    return { set: (level) => this.setLint(pin, level) };
  }

  private setLint(pin: 0 | 1, level: boolean): void {
    const { vectorTable } = this;
    if (vectorTable.level(pin) === level) return;
    vectorTable.setLevel(pin, level);
    if (this.enabled) vectorTable.pinChanged(pin);
    // LINT1 is NMI then.
    else if (pin === 1 && level) this.processor.nmi();
    this.processor.interruptsChanged();
  }

  /** The thermal sensor's interrupt, or that of an overflowing performance counter. */
  signal(source: "thermal" | "performance"): void {
    this.vectorTable.signal(Lvt[source]);
    // Handlers of the counters' interrupt unmask it (19.6.2.1).
    if (source === "performance") this.vectorTable.mask(Lvt.performance);
  }

  private writeLvt(index: number, value: number): void {
    this.vectorTable.set(index, value, (this.svr & SVR.enabled) === 0);
    if (index === Lvt.timer) this.timer.mode = (this.vectorTable.get(index) >> LVT.timerModeShift) & 3;
    this.processor.interruptsChanged();
  }

  // --- Registers ------------------------------------------------------------------------------

  /** LDR. */
  get logicalDestination(): number {
    return this.extended ? extendedLogicalId(this.id) : this.logicalId;
  }

  /** DFR. */
  get destinationFormat(): number {
    return this.format;
  }

  private get(register: number): number {
    if (register >= Register.inService && register < Register.errorStatus)
      return this.accepted.word(register);
    const entry = register - Register.localVectorTable;
    if (entry >= 0 && entry < LVT_ENTRIES) return this.vectorTable.get(entry);
    switch (register) {
      case Register.id:
        return this.extended ? this.id : this.id << 24;
      case Register.version:
        return VERSION;
      case Register.taskPriority:
        return this.taskPriority;
      case Register.arbitrationPriority:
      case Register.processorPriority:
        return this.processorPriority;
      case Register.logicalDestination:
        return this.logicalDestination;
      case Register.destinationFormat:
        return this.format;
      case Register.spuriousVector:
        return this.svr;
      case Register.errorStatus:
        return this.errors.shown;
      case Register.interruptCommand:
        return this.command;
      case Register.interruptCommandHigh:
        return this.commandHigh;
      case Register.initialCount:
        return this.timer.initialCount;
      case Register.currentCount:
        return this.timer.current;
      case Register.divide:
        return this.timer.divider;
      default:
        return 0;
    }
  }

  private set(register: number, value: number): void {
    const entry = register - Register.localVectorTable;
    if (entry >= 0 && entry < LVT_ENTRIES) {
      this.writeLvt(entry, value);
      return;
    }
    switch (register) {
      case Register.taskPriority:
        this.taskPriority = value;
        break;
      case Register.endOfInterrupt:
        this.endInterrupt();
        break;
      case Register.logicalDestination:
        if (!this.extended) this.logicalId = (value & 0xff00_0000) >>> 0;
        break;
      case Register.destinationFormat:
        this.format = (value | 0x0fff_ffff) >>> 0;
        break;
      case Register.spuriousVector:
        this.writeSpurious(value);
        break;
      case Register.errorStatus:
        this.errors.show();
        break;
      case Register.interruptCommand:
        this.command = value & 0xccfff;
        this.sendCommand();
        break;
      case Register.interruptCommandHigh:
        this.commandHigh = (value & 0xff00_0000) >>> 0;
        break;
      case Register.initialCount:
        this.timer.initialCount = value;
        break;
      case Register.divide:
        this.timer.divider = value;
        break;
      case Register.selfInterrupt:
        if (this.extended) this.selfInterrupt(value & 0xff);
        break;
      default:
        break;
    }
  }

  private selfInterrupt(vector: number): void {
    if (vector < LOWEST_VECTOR) this.error(ApicError.sendIllegalVector);
    else this.request(vector, false);
  }

  private writeSpurious(value: number): void {
    const enabled = (value & ~this.svr & SVR.enabled) !== 0;
    this.svr = value & SVR.writable;
    if (enabled) this.bus.retry();
    // Without the APIC, its local interrupts are masked, and stay so.
    if ((value & SVR.enabled) === 0) this.vectorTable.maskAll();
    this.processor.interruptsChanged();
  }

  /** The page of registers in xAPIC mode; without that, nothing is behind it. */
  read(offset: number, width: 1 | 2 | 4): number {
    if (!this.enabled || this.extended) return 2 ** (8 * width) - 1;
    const register = offset >> 4;
    if (!readable(register)) {
      this.error(ApicError.illegalRegister);
      return 0;
    }
    if ((offset & 15) >= 4) return 0;
    const value = this.get(register) >>> ((offset & 3) * 8);
    return width === 4 ? value >>> 0 : value & (width === 1 ? 0xff : 0xffff);
  }

  /** Registers are written whole. */
  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (!this.enabled || this.extended) return;
    const register = offset >> 4;
    if (!readable(register)) this.error(ApicError.illegalRegister);
    else if (width === 4 && (offset & 15) === 0) this.set(register, value);
  }

  /** RDMSR 0x800 to 0x8ff; undefined is #GP. */
  readMsr(msr: number): bigint | undefined {
    const register = msr & 0xff;
    if (!this.extended || !readableExtended(register)) return undefined;
    const low = BigInt(this.get(register) >>> 0);
    return register === Register.interruptCommand ? (BigInt(this.commandHigh) << 32n) | low : low;
  }

  /** WRMSR 0x800 to 0x8ff; false is #GP. */
  writeMsr(msr: number, value: bigint): boolean {
    const register = msr & 0xff;
    const writable = this.extended ? writableExtended(register) : undefined;
    if (writable === undefined) return false;
    const low = Number(value & 0xffff_ffffn);
    const high = Number(value >> 32n);
    if ((low & ~writable) !== 0) return false;
    if (register === Register.interruptCommand) this.commandHigh = high;
    else if (high !== 0) return false;
    this.set(register, low);
    return true;
  }

  // --- State ----------------------------------------------------------------------------------

  state(): LocalApicState {
    return {
      version: 1,
      base: `0x${this.base.toString(16)}`,
      ...this.accepted.state(),
      ...this.errors.state(),
      logicalId: this.logicalId,
      destinationFormat: this.format,
      spurious: this.svr,
      command: this.command,
      commandHigh: this.commandHigh,
      ...this.vectorTable.state(),
      extInt: this.extIntMessage,
      timer: this.timer.state(),
    };
  }

  /** Throws InvalidParam for a state of another version. */
  restore(state: LocalApicState): void {
    if (state.version !== 1 || state.vectorTable.length !== LVT_ENTRIES)
      throw new HyperError("InvalidParam", "the saved state of a local APIC is of another version or shape");
    this.baseRegister.value = BigInt(state.base);
    this.accepted.restore(state);
    this.errors.restore(state);
    this.logicalId = state.logicalId;
    this.format = state.destinationFormat;
    this.svr = state.spurious;
    this.command = state.command;
    this.commandHigh = state.commandHigh;
    this.vectorTable.restore(state.vectorTable, state.lint);
    this.extIntMessage = state.extInt;
    this.timer.restore(state.timer);
    this.processor.interruptsChanged();
  }
}
