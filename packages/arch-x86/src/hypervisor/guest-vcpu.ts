import type { Core, CoreState } from "@hypercraft/engine";
import {
  type EmulatedVCpuState,
  type ExitAnswer,
  type GuestPhysAddr,
  type HostPhysAddr,
  type HyperCraftHal,
  HyperError,
  type VCpuContext,
  type VmExitInfo,
} from "@hypercraft/hypercraft";
import type { X86Cpu } from "../cpu/cpu.js";
import type { EntryState } from "../cpu/entry.js";
import { Activity, GPR, Gpr } from "../cpu/state.js";
import { VmcsField as F } from "../cpu/vmx/fields.js";
import type { EntryRefusal } from "../cpu/vmx/root-vmcs.js";
import { VmxOperation } from "../cpu/vmx/vmx-state.js";
import type { LocalApic } from "../interrupts/local-apic.js";
import { DeliveryMode } from "../interrupts/message.js";
import { vmxBasic } from "./detect.js";
import { plainCause, type X86ExitCause } from "./exit-cause.js";
import { exitReasonText } from "./exit-reasons.js";
import { type GuestEvent, GuestEvents } from "./guest-events.js";
import { GuestExits } from "./guest-exits.js";
import { GuestMsrs } from "./guest-msrs.js";
import { placeGuest, resetGuest, resetPageAttributes, startGuestAt } from "./guest-start.js";
import { msrBitmap } from "./msr-bitmap.js";
import { frameWith, regionFrame } from "./region.js";
import { instructionErrorText, rootOperation } from "./root-operation.js";
import { guestControls, hostFields } from "./vmcs-setup.js";
import { X86VCpu } from "./x86-vcpu.js";

/** A guest's virtual CPU as plain data: what is in the processor, and what the hypervisor keeps of it. */
export interface X86GuestState extends EmulatedVCpuState<CoreState> {
  readonly events: readonly GuestEvent[];
  /** Fields of the VMCS that the guest has put there, by name. */
  readonly vmcs: Readonly<Record<keyof typeof GUEST_CONTROLS, bigint>>;
}

/** What of the control fields depends on what the guest did. */
const GUEST_CONTROLS = {
  cr0Shadow: F.CR0_SHADOW,
  exceptions: F.EXCEPTION_BITMAP,
  cr4Shadow: F.CR4_SHADOW,
  tscOffset: F.TSC_OFFSET,
} as const;
/** Where on this host the VM is, and whether its processor is in it. */
const HOST_FIELDS = ["vmxOperation", "vmxonPointer", "currentVmcs", "IA32_FEATURE_CONTROL"] as const;

const NMI = 2;
const RESET_VECTOR = 0xffff_fff0;
const REAL_MODE_END = 0x10_0000;
/** CPUID.1:EAX, which EDX holds after a reset. */
const SIGNATURE_LEAF = 1;

/** A guest in VMX non-root operation, whose VM exits end up here. Between runs the processor has its state. */
export class X86GuestVCpu extends X86VCpu {
  readonly msrs: GuestMsrs;
  readonly events: GuestEvents;
  private readonly hal: HyperCraftHal;
  private readonly exits: GuestExits;
  private regions: readonly HostPhysAddr[] = [];
  private virtualApic: LocalApic | undefined;
  /** An exit is being served; whether it was an INIT, and if so, of the bootstrap processor. */
  private serving = false;
  private heldInit: boolean | undefined;

  constructor(vcpuId: number, entry: GuestPhysAddr, core: Core, cpu: X86Cpu, hal: HyperCraftHal) {
    super(vcpuId, entry, core, cpu);
    this.hal = hal;
    this.msrs = new GuestMsrs(cpu);
    this.events = new GuestEvents(cpu);
    this.exits = new GuestExits(this);
  }

  /** Its virtual local APIC (`connectGuestApic` sets it). */
  get apic(): LocalApic | undefined {
    return this.virtualApic;
  }
  set apic(apic: LocalApic | undefined) {
    this.virtualApic = apic;
    this.events.source = apic;
  }

  /** What the VM gave: for exits that are served here. Throws BadState before `setup`. */
  get surroundings(): VCpuContext {
    return this.context;
  }

  // --- Set-up --------------------------------------------------------------------------------

  /** A VMCS of its own, current on its processor. Throws NotSupported, NoMemory or BadState. */
  protected override onSetup(context: VCpuContext): void {
    const { cpu, hal } = this;
    const host = hostFields(cpu);
    const bitmap = frameWith(hal, msrBitmap());
    const region = regionFrame(hal, vmxBasic(cpu).revision);
    this.regions = [region, bitmap];
    rootOperation.vmclear(cpu, region);
    rootOperation.vmptrld(cpu, region);
    const { guestPageTable, vmid } = context;
    const space = { eptp: guestPageTable.token, vpid: vmid, msrBitmap: bitmap };
    for (const [field, value] of [...host, ...guestControls(cpu, space)]) cpu.vmx.root.write(field, value);
    resetPageAttributes(cpu.vmx.root);
    this.start(stateAt(this.entry));
  }

  protected override onPowerOn(entry: GuestPhysAddr, arg: bigint): void {
    this.start(stateAt(entry));
    this.setGpr(Gpr.rdi, arg);
  }

  /** Frames of the VMCS and its bitmap go back to the host: the vCPU cannot be run any more. */
  dispose(): void {
    const [region] = this.regions;
    if (region !== undefined) rootOperation.vmclear(this.cpu, region);
    for (const frame of this.regions) this.hal.deallocPage(frame);
    this.regions = [];
  }

  /** Begin anew where a boot protocol enters what it loaded. */
  start(state: EntryState): void {
    const { cpu, core } = this;
    this.reset();
    const registers = "registers" in state ? state.registers : undefined;
    for (const [name, value] of Object.entries(registers ?? {}))
      core.setBig(GPR[Gpr[name as keyof typeof Gpr]]!, BigInt(value));
    placeGuest(cpu.vmx.root, state);
    cpu.vmx.root.load();
  }

  /** As after INIT, at the reset vector. */
  private reset(): void {
    const { cpu, core } = this;
    this.leaveGuest();
    core.forgetAnswers();
    this.deadEnd = undefined;
    this.events.clear();
    resetGuest(cpu.vmx.root);
    for (const field of GPR) core.setBig(field, 0n);
    core.setBig(GPR[Gpr.rdx]!, BigInt(cpu.cpuid.leaf(SIGNATURE_LEAF, 0)[0]));
    // INVVPID: nothing that was translated for the guest before is right.
    cpu.contexts.reset();
  }

  // --- What other processors tell it ----------------------------------------------------------

  /** Its interrupts may be others than before. */
  interruptsChanged(): void {
    this.signalWake();
  }

  raiseNmi(): void {
    this.events.raiseNmi();
    this.signalWake();
  }

  /**
   * INIT: the bootstrap processor starts anew, all others wait for a start-up IPI. What it sends to itself comes when the
   * instruction is over.
   */
  init(bootstrap: boolean): void {
    if (this.serving) {
      this.heldInit = bootstrap;
      return;
    }
    this.heldInit = undefined;
    this.exits.forget();
    this.start(bootstrap ? { kind: "reset" } : { kind: "waiting" });
  }

  /** A start-up IPI; ignored but by a processor that waits for one. */
  startUp(vector: number): void {
    const { root } = this.cpu.vmx;
    if (root.get(F.GUEST_ACTIVITY) !== Activity.waitForSipi) return;
    startGuestAt(root, vector);
    root.load();
    this.signalWake();
  }

  /** Make a vector of the virtual local APIC pending; 2 is NMI. Throws OutOfRange without an APIC, and for others. */
  override interrupt(vector: number): void {
    if (vector === NMI) return this.raiseNmi();
    if (this.apic === undefined || vector < 16 || vector > 255)
      throw new HyperError("OutOfRange", `vCPU ${this.vcpuId} has no interrupt ${vector}`);
    const { fixed } = DeliveryMode;
    const destination = { logical: false, destination: this.apic.id, wide: true };
    this.apic.accept({ mode: fixed, vector, level: false, ...destination });
  }

  /** A triple fault, by an exception that the hypervisor raised. */
  shutDown(vector: number): void {
    this.deadEnd = { kind: "fatal", reason: "triple fault", vector, pc: this.getPc() };
  }

  // --- Entries and exits ----------------------------------------------------------------------

  /** It does nothing until something comes: after HLT, or between INIT and a start-up IPI. */
  private get asleep(): boolean {
    const activity = this.cpu.vmx.root.get(F.GUEST_ACTIVITY);
    if (activity === Activity.halted && this.events.wakes) return false;
    return activity !== Activity.active;
  }

  /** HLT with interrupts masked, or a wait for a start-up IPI: only other processors can end it. */
  get deaf(): boolean {
    const { root } = this.cpu.vmx;
    const activity = root.get(F.GUEST_ACTIVITY);
    if (activity === Activity.active || !this.asleep) return false;
    return activity !== Activity.halted || !this.cpu.interrupts.enabled;
  }

  override hasWakeEvent(): boolean {
    return !this.asleep;
  }

  override nextDeadline(): number {
    return Math.min(super.nextDeadline(), this.apic?.timer.deadlineNs ?? Number.POSITIVE_INFINITY);
  }

  protected override enter(budget: number): VmExitInfo<X86ExitCause> {
    if (this.asleep) return this.waiting();
    const { root, guest } = this.cpu.vmx;
    if (root.get(F.GUEST_ACTIVITY) !== 0) root.write(F.GUEST_ACTIVITY, 0n);
    if (guest && !this.events.none) this.leaveGuest();
    return this.resume() ?? super.enter(budget);
  }

  private waiting(): VmExitInfo<X86ExitCause> {
    const halted = this.cpu.vmx.root.get(F.GUEST_ACTIVITY) === Activity.halted;
    return { kind: "wait", raw: plainCause(halted ? "HLT" : "it waits for a start-up IPI") };
  }

  /** As an interrupt of the host's does. */
  private leaveGuest(): void {
    if (!this.cpu.vmx.guest) return;
    this.events.takeBack();
    this.cpu.vmx.setOperation(VmxOperation.root);
  }

  /** VMLAUNCH or VMRESUME. An exit if the guest cannot be entered. */
  private resume(): VmExitInfo<X86ExitCause> | undefined {
    const { vmx } = this.cpu;
    if (vmx.guest) return undefined;
    if (!vmx.active) return refused({ error: 0, reason: 0, rule: "VMX operation is off" });
    this.events.prepare();
    const refusal = vmx.root.enter();
    return refusal && refused(refusal);
  }

  protected override trapped(): VmExitInfo<X86ExitCause> | undefined {
    this.serving = true;
    const exit = this.exits.handle();
    this.serving = false;
    if (this.heldInit !== undefined) this.init(this.heldInit);
    if (this.deadEnd !== undefined) return this.fatal(this.deadEnd);
    return exit ?? (this.asleep ? this.waiting() : this.resume());
  }

  protected override finishExit(exit: VmExitInfo<X86ExitCause>, answer: ExitAnswer): void {
    this.exits.finish(exit, answer);
  }

  // --- State ----------------------------------------------------------------------------------

  protected override get hostFields(): readonly string[] {
    return HOST_FIELDS;
  }

  override save(): X86GuestState {
    // What the entry was to inject waits with the rest.
    this.leaveGuest();
    const { root } = this.cpu.vmx;
    const controls = Object.entries(GUEST_CONTROLS).map(([name, field]) => [name, root.read(field)]);
    return { ...super.save(), events: this.events.state(), vmcs: Object.fromEntries(controls) };
  }

  override load(state: X86GuestState): void {
    if (state.events === undefined || state.vmcs === undefined)
      throw new HyperError("InvalidParam", "the saved vCPU state is no guest's");
    super.load(state);
    const { root } = this.cpu.vmx;
    this.leaveGuest();
    this.events.restore(state.events);
    this.exits.forget();
    for (const [name, field] of Object.entries(GUEST_CONTROLS))
      root.write(field, state.vmcs[name as keyof typeof GUEST_CONTROLS]);
  }
}

/** Real mode where it reaches, else flat protected mode. */
function stateAt(entry: number): EntryState {
  if (entry === RESET_VECTOR) return { kind: "reset" };
  if (entry < REAL_MODE_END)
    return { kind: "real", cs: Math.floor(entry / 0x1_0000) << 12, ip: entry % 0x1_0000, data: 0 };
  return { kind: "protected", pc: entry, code: 0x08, data: 0x10 };
}

function refused({ error, reason, rule }: EntryRefusal): VmExitInfo<X86ExitCause> {
  const what = error !== 0 ? instructionErrorText(error) : exitReasonText(reason);
  return {
    kind: "failEntry",
    code: error !== 0 ? error : reason,
    message: `${what}: ${rule}`,
    raw: plainCause(what),
  };
}
