import { type GicInterrupts, type InterruptRequest, SGIS } from "./interrupt-state.js";
import { type Group, PriorityControl, type PriorityControlState } from "./priority-control.js";

/** What a GIC tells a processing element. */
export interface GicOutputs {
  setIrq(level: boolean): void;
  setFiq(level: boolean): void;
  setVirtualIrq(level: boolean): void;
  setVirtualFiq(level: boolean): void;
}

/** A CPU interface, as plain data. */
export interface CpuInterfaceState {
  readonly control: PriorityControlState;
  readonly eoiSplit: boolean;
  readonly ackControl: boolean;
  readonly fiqEnabled: boolean;
  readonly bypass: number;
}

/** What physical and virtual CPU interfaces of GICv2 and GICv3 have in common: priorities and the life of a request. */
export abstract class CpuInterface {
  readonly control: PriorityControl;
  /** EOImode: the end of an interrupt drops the priority only, and DIR deactivates. */
  eoiSplit = false;
  /** GICv2's AckCtl: IAR acknowledges interrupts of group 1, too. */
  ackControl = false;
  /** Interrupts of group 0 are FIQs. */
  fiqEnabled: boolean;
  /** GICv2's bypass disable bits: there is nothing to bypass to, they are storage. */
  bypass = 0;
  private readonly fiqAtReset: boolean;

  constructor(priorityBits: number, fiqEnabled: boolean) {
    this.control = new PriorityControl(priorityBits);
    this.fiqEnabled = fiqEnabled;
    this.fiqAtReset = fiqEnabled;
  }

  reset(): void {
    this.control.reset();
    this.eoiSplit = false;
    this.ackControl = false;
    this.fiqEnabled = this.fiqAtReset;
    this.bypass = 0;
  }

  /** The most urgent pending interrupt of an enabled group, masked or not (HPPIR). */
  abstract pending(): InterruptRequest | undefined;
  protected abstract activateRequest(request: InterruptRequest): void;
  /** Ends the active state. `source` matters for SGIs of GICv2's virtual interface. */
  abstract deactivate(id: number, source: number): void;

  /** The interrupt that is signalled to the processing element. */
  signalled(): InterruptRequest | undefined {
    const request = this.pending();
    return request !== undefined && this.control.admits(request.priority, request.group)
      ? request
      : undefined;
  }

  acknowledge(request: InterruptRequest): void {
    this.control.activate(request.priority, request.group);
    this.activateRequest(request);
  }

  /**
   * End of interrupt: priority drop and, unless that is left to DIR, deactivation.
   * @param group GICv3: nothing happens if the running priority is of the other group.
   */
  end(id: number, source: number, group?: Group): void {
    if (group !== undefined && this.control.activeGroup() !== group) return;
    if (this.control.drop() && !this.eoiSplit) this.deactivate(id, source);
  }

  /** Whether a request is a FIQ rather than an IRQ. */
  isFiq(request: InterruptRequest): boolean {
    return request.group === 0 && this.fiqEnabled;
  }

  state(): CpuInterfaceState {
    return {
      control: this.control.state(),
      eoiSplit: this.eoiSplit,
      ackControl: this.ackControl,
      fiqEnabled: this.fiqEnabled,
      bypass: this.bypass,
    };
  }

  restore(state: CpuInterfaceState): void {
    this.control.restore(state.control);
    this.eoiSplit = state.eoiSplit;
    this.ackControl = state.ackControl;
    this.fiqEnabled = state.fiqEnabled;
    this.bypass = state.bypass;
  }
}

export interface PhysicalInterfaceOptions {
  readonly interrupts: GicInterrupts;
  readonly cpu: number;
  readonly priorityBits: number;
  readonly fiqEnabled: boolean;
  /** The groups that the distributor forwards to this CPU now: bits 0 and 1. */
  readonly forwarded: () => number;
}

/** The interface of a CPU to its interrupts. */
export class PhysicalInterface extends CpuInterface {
  private readonly interrupts: GicInterrupts;
  private readonly cpu: number;
  private readonly forwarded: () => number;

  constructor(options: PhysicalInterfaceOptions) {
    super(options.priorityBits, options.fiqEnabled);
    this.interrupts = options.interrupts;
    this.cpu = options.cpu;
    this.forwarded = options.forwarded;
  }

  pending(): InterruptRequest | undefined {
    return this.interrupts.highest(this.cpu, this.forwarded() & this.control.groups);
  }

  protected activateRequest(request: InterruptRequest): void {
    this.interrupts.acknowledge(this.cpu, request);
  }

  deactivate(id: number): void {
    this.interrupts.deactivate(this.cpu, id);
  }
}

// --- virtual -------------------------------------------------------------------------------------

/** LR.State: bit 0 pending, bit 1 active. */
export const PENDING = 1;
export const ACTIVE = 2;
/** Virtual IDs from here on are LPIs, which have no active state. */
const FIRST_LPI = 8192;

/** A list register, in fields. */
export interface ListRegister {
  virtualId: number;
  /** With `hardware` only. */
  physicalId: number;
  /** GICv2: the CPU that a virtual SGI is from. */
  source: number;
  /** Without `hardware`: maintenance interrupt when the guest deactivates it. */
  eoi: boolean;
  priority: number;
  /** Bit 0 pending, bit 1 active. */
  state: number;
  group: Group;
  /** Deactivating it deactivates the physical interrupt. */
  hardware: boolean;
}

/** ICH_HCR_EL2 and GICH_HCR. */
export const HCR_EN = 1;
const HCR_UIE = 1 << 1;
export const HCR_LRENPIE = 1 << 2;
export const HCR_NPIE = 1 << 3;
export const EOI_COUNT_SHIFT = 27;

/** Bits of MISR. */
const MISR_EOI = 1;
const MISR_U = 2;
const MISR_LRENP = 4;
const MISR_NP = 8;
const MISR_GROUPS_SHIFT = 4;

export const emptyListRegister = (): ListRegister => ({
  virtualId: 0,
  physicalId: 0,
  source: 0,
  eoi: false,
  priority: 0,
  state: 0,
  group: 0,
  hardware: false,
});

/** A virtual interface, as plain data. */
export interface VirtualInterfaceState extends CpuInterfaceState {
  readonly hcr: number;
  readonly lists: readonly Readonly<ListRegister>[];
}

export interface VirtualInterfaceOptions {
  /** List registers, 1 to 16. */
  readonly lists: number;
  readonly fiqEnabled: boolean;
  /** Bits of HCR that are kept. */
  readonly hcrMask: number;
  /** Deactivates a physical interrupt of this CPU. */
  readonly deactivatePhysical: (id: number) => void;
}

/** Virtual interfaces have five bits of priority, all of which preempt: list registers of GICv2 have no more. */
const VIRTUAL_PRIORITY_BITS = 5;

/** The virtual CPU interface: a guest's interrupts are those in the list registers. */
export class VirtualInterface extends CpuInterface {
  readonly lists: readonly ListRegister[];
  private readonly hcrMask: number;
  private readonly deactivatePhysical: (id: number) => void;
  private hcrBits = 0;

  constructor(options: VirtualInterfaceOptions) {
    super(VIRTUAL_PRIORITY_BITS, options.fiqEnabled);
    this.lists = Array.from({ length: options.lists }, emptyListRegister);
    this.hcrMask = options.hcrMask;
    this.deactivatePhysical = options.deactivatePhysical;
  }

  override reset(): void {
    super.reset();
    this.hcrBits = 0;
    for (const list of this.lists) Object.assign(list, emptyListRegister());
  }

  /** HCR, EOIcount included. */
  get hcr(): number {
    return this.hcrBits;
  }

  set hcr(value: number) {
    this.hcrBits = (value & this.hcrMask) >>> 0;
  }

  get enabled(): boolean {
    return (this.hcrBits & HCR_EN) !== 0;
  }

  pending(): InterruptRequest | undefined {
    const list = this.bestList();
    if (list === undefined) return undefined;
    const { virtualId, source, priority, group } = list;
    return { id: virtualId, source, priority, group };
  }

  private bestList(): ListRegister | undefined {
    if (!this.enabled) return undefined;
    let best: ListRegister | undefined;
    for (const list of this.lists) {
      if (list.state !== PENDING || ((this.control.groups >> list.group) & 1) === 0) continue;
      if (best === undefined || list.priority < best.priority) best = list;
    }
    return best;
  }

  protected activateRequest(): void {
    const list = this.bestList();
    if (list !== undefined) list.state = list.virtualId >= FIRST_LPI ? 0 : ACTIVE;
  }

  deactivate(id: number, source: number): void {
    if (id >= FIRST_LPI) return;
    const list = this.lists.find(
      (item) => item.virtualId === id && item.source === source && (item.state & ACTIVE) !== 0,
    );
    if (list === undefined) {
      // The hypervisor keeps it elsewhere: it is told by the count.
      this.hcrBits = (this.hcrBits + 2 ** EOI_COUNT_SHIFT) >>> 0;
      return;
    }
    list.state &= ~ACTIVE;
    if (list.hardware && list.physicalId >= SGIS) this.deactivatePhysical(list.physicalId);
  }

  /** EISR: list registers whose interrupt ended and that asked for maintenance then. */
  get ended(): number {
    return this.bits((list) => list.state === 0 && !list.hardware && list.eoi);
  }

  /** ELRSR: list registers free for use. */
  get free(): number {
    return this.bits((list) => list.state === 0 && (list.hardware || !list.eoi));
  }

  /** MISR. */
  get maintenance(): number {
    const hcr = this.hcrBits;
    let misr = this.ended !== 0 ? MISR_EOI : 0;
    const used = this.lists.filter((list) => list.state !== 0).length;
    if ((hcr & HCR_UIE) !== 0 && used <= 1) misr |= MISR_U;
    if ((hcr & HCR_LRENPIE) !== 0 && hcr >>> EOI_COUNT_SHIFT !== 0) misr |= MISR_LRENP;
    if ((hcr & HCR_NPIE) !== 0 && !this.lists.some((list) => list.state === PENDING)) misr |= MISR_NP;
    for (const group of [0, 1]) {
      // A pair of enables per group: interrupt while it is enabled, and while it is not.
      const now = (this.control.groups >> group) & 1 ? 1 : 2;
      misr |= (hcr >> (MISR_GROUPS_SHIFT + 2 * group)) & now ? now << (MISR_GROUPS_SHIFT + 2 * group) : 0;
    }
    return misr;
  }

  /** The maintenance interrupt's level. */
  get maintenanceInterrupt(): boolean {
    return this.enabled && this.maintenance !== 0;
  }

  /** GICH_VMCR and ICH_VMCR_EL2; the latter's priority mask has three bits more, which are zero. */
  get vmcr(): number {
    const { control } = this;
    return (
      (control.groups |
        (this.ackControl ? 4 : 0) |
        (this.fiqEnabled ? 8 : 0) |
        (control.common ? 0x10 : 0) |
        (this.eoiSplit ? 0x200 : 0) |
        (control.getBinaryPoint(1) << 18) |
        (control.getBinaryPoint(0) << 21) |
        (control.mask << 24)) >>>
      0
    );
  }

  /** @param fiqFixed GICv3: VFIQEn is 1 and VAckCtl is 0. */
  writeVmcr(value: number, fiqFixed: boolean): void {
    const { control } = this;
    control.groups = value & 3;
    if (!fiqFixed) {
      this.ackControl = (value & 4) !== 0;
      this.fiqEnabled = (value & 8) !== 0;
    }
    control.common = (value & 0x10) !== 0;
    this.eoiSplit = (value & 0x200) !== 0;
    control.setBinaryPoint(1, value >>> 18);
    control.setBinaryPoint(0, value >>> 21);
    control.mask = value >>> 24;
  }

  private bits(test: (list: ListRegister) => boolean): number {
    return this.lists.reduce((bits, list, i) => (test(list) ? bits | (1 << i) : bits), 0);
  }

  override state(): VirtualInterfaceState {
    return { ...super.state(), hcr: this.hcrBits, lists: this.lists.map((list) => ({ ...list })) };
  }

  override restore(state: VirtualInterfaceState): void {
    super.restore(state);
    this.hcr = state.hcr;
    this.lists.forEach((list, i) => {
      Object.assign(list, emptyListRegister(), state.lists[i]);
    });
  }
}
