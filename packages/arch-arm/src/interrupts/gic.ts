import { HyperError, type IrqLine } from "@hypercraft/hypercraft";
import {
  type CpuInterfaceState,
  type GicOutputs,
  PhysicalInterface,
  VirtualInterface,
  type VirtualInterfaceState,
} from "./cpu-interface.js";
import { GicInterrupts, type InterruptsState, PRIVATE_INTERRUPTS, SGIS } from "./interrupt-state.js";

/** The PPI that is the virtual interface's maintenance interrupt, as Arm's base system architecture has it. */
export const MAINTENANCE_INTERRUPT = 25;

export interface GicOptions {
  /** The processing elements it interrupts. */
  readonly cpus: readonly GicOutputs[];
  /** The number of the CPU whose access is being served: some registers exist once per CPU. */
  readonly accessor: () => number;
  /** Interrupt IDs, SGIs and PPIs included: a multiple of 32, 64 to 992. Default 288. */
  readonly interrupts?: number;
  /** Whether it has the virtual interface, for a hypervisor that is a guest. Default true. */
  readonly virtualization?: boolean;
}

/** What a GIC's versions tell the part they share. */
export interface GicDesign {
  readonly priorityBits: number;
  readonly maxCpus: number;
  /** GICv2: SGIs are pending per sender, group 0 can be IRQ. */
  readonly version: 2 | 3;
  /** Bits of the hypervisor control register. */
  readonly hcrMask: number;
}

/** GICD_ISPENDR0 and GICR_ISPENDR0. */
const SET_PENDING = 0x200;

/** IRQ, FIQ, virtual IRQ and virtual FIQ. */
const ALL_OUTPUTS = 15;

/** List registers of each virtual interface. */
export const LIST_REGISTERS = 4;

/** State of a GIC's interrupts and CPU interfaces, as plain data. */
export interface GicState {
  readonly version: 1;
  readonly design: 2 | 3;
  /** Enabled groups of the distributor: bits 0 and 1. */
  readonly groups: number;
  readonly interrupts: InterruptsState;
  readonly physical: readonly CpuInterfaceState[];
  readonly virtual: readonly VirtualInterfaceState[];
  /** GICv3: affinity routing of SPIs, and redistributors asleep. */
  readonly routes: readonly number[];
  readonly asleep: readonly boolean[];
}

/**
 * A Generic Interrupt Controller's state and outputs, whatever its registers look like. It is the controller of a
 * machine, whose `cpus` take setIrq and setFiq as interrupts, or of a VM, whose `cpus` pass them on to
 * setVirtualIrq and setVirtualFiq of the vCPUs.
 */
export abstract class Gic {
  protected readonly interrupts: GicInterrupts;
  protected readonly physical: readonly PhysicalInterface[];
  protected readonly virtual: readonly VirtualInterface[];
  protected readonly accessor: () => number;
  protected groups = 0;
  private readonly outputs: readonly GicOutputs[];
  private readonly design: GicDesign;
  /** Levels told last: IRQ, FIQ, virtual IRQ, virtual FIQ in bits 0 to 3. */
  private readonly told: number[];

  constructor(options: GicOptions, design: GicDesign) {
    const { cpus } = options;
    if (cpus.length < 1 || cpus.length > design.maxCpus) {
      throw new HyperError(
        "InvalidParam",
        `a GICv${design.version} has 1 to ${design.maxCpus} CPUs, not ${cpus.length}`,
      );
    }
    this.outputs = cpus;
    this.design = design;
    this.accessor = options.accessor;
    const fiqEnabled = design.version === 3;
    const { priorityBits } = design;
    const interrupts = new GicInterrupts({
      cpus: cpus.length,
      interrupts: options.interrupts ?? 288,
      priorityBits,
      sgiPerSource: design.version === 2,
    });
    this.interrupts = interrupts;
    this.physical = cpus.map(
      (_, cpu) =>
        new PhysicalInterface({
          interrupts,
          cpu,
          priorityBits,
          fiqEnabled,
          forwarded: () => (this.isAwake(cpu) ? this.groups : 0),
        }),
    );
    const deactivatePhysical = (cpu: number) => (id: number) => interrupts.deactivate(cpu, id);
    this.virtual = ((options.virtualization ?? true) ? cpus : []).map(
      (_, cpu) =>
        new VirtualInterface({
          lists: LIST_REGISTERS,
          fiqEnabled,
          hcrMask: design.hcrMask,
          deactivatePhysical: deactivatePhysical(cpu),
        }),
    );
    this.told = cpus.map(() => 0);
  }

  /** The input of an SPI by its interrupt ID, 32 and up. Throws OutOfRange. */
  line(id: number): IrqLine {
    if (!Number.isInteger(id) || id < PRIVATE_INTERRUPTS || id >= this.interrupts.count) {
      throw new HyperError(
        "OutOfRange",
        `the GIC has no shared interrupt ${id} (${PRIVATE_INTERRUPTS}..${this.interrupts.count - 1})`,
      );
    }
    return this.input(0, id);
  }

  /** The input of a CPU's PPI by its interrupt ID, 16 to 31. Throws OutOfRange. */
  privateLine(cpu: number, id: number): IrqLine {
    if (this.outputs[cpu] === undefined || !Number.isInteger(id) || id < SGIS || id >= PRIVATE_INTERRUPTS) {
      throw new HyperError("OutOfRange", `CPU ${cpu} of the GIC has no private interrupt ${id} (16..31)`);
    }
    return this.input(cpu, id);
  }

  /** Makes an SGI or PPI of a CPU pending, as software can: an SGI is from the CPU itself. Throws OutOfRange. */
  raise(cpu: number, id: number): void {
    if (this.outputs[cpu] === undefined || !Number.isInteger(id) || id < 0 || id >= PRIVATE_INTERRUPTS) {
      throw new HyperError("OutOfRange", `CPU ${cpu} of the GIC has no private interrupt ${id} (0..31)`);
    }
    this.observe();
    if (id < SGIS) this.interrupts.sendSgi(cpu, id, cpu);
    else this.interrupts.writeWord(cpu, SET_PENDING, 2 ** id);
    this.update();
  }

  private input(cpu: number, id: number): IrqLine {
    return {
      set: (level) => {
        if (this.interrupts.lineLevel(cpu, id) === level) return;
        this.observe();
        this.interrupts.setLine(cpu, id, level);
        this.update();
      },
    };
  }

  /** GICv3: whether the redistributor forwards interrupts to its CPU. */
  protected isAwake(_cpu: number): boolean {
    return true;
  }

  /** Takes in what happened where interrupts were handed on to. Before anything is read or changed. */
  protected observe(): void {}

  /** Brings the outputs up to date. After every change of anything. */
  protected update(): void {
    for (let cpu = 0; cpu < this.outputs.length; cpu++) {
      const virtual = this.virtual[cpu];
      if (virtual !== undefined) {
        this.interrupts.setLine(cpu, MAINTENANCE_INTERRUPT, virtual.maintenanceInterrupt);
      }
      this.tell(cpu, levels(this.physical[cpu]) | (levels(virtual) << 2));
    }
  }

  private tell(cpu: number, now: number): void {
    const changed = now ^ (this.told[cpu] as number);
    if (changed === 0) return;
    this.told[cpu] = now;
    const outputs = this.outputs[cpu] as GicOutputs;
    if ((changed & 1) !== 0) outputs.setIrq((now & 1) !== 0);
    if ((changed & 2) !== 0) outputs.setFiq((now & 2) !== 0);
    if ((changed & 4) !== 0) outputs.setVirtualIrq((now & 4) !== 0);
    if ((changed & 8) !== 0) outputs.setVirtualFiq((now & 8) !== 0);
  }

  /** Puts all registers in their reset state. Lines keep their levels. */
  reset(): void {
    this.observe();
    this.groups = 0;
    this.interrupts.reset();
    for (const item of [...this.physical, ...this.virtual]) item.reset();
    this.update();
  }

  state(): GicState {
    this.observe();
    return {
      version: 1,
      design: this.design.version,
      groups: this.groups,
      interrupts: this.interrupts.state(),
      physical: this.physical.map((item) => item.state()),
      virtual: this.virtual.map((item) => item.state()),
      routes: [],
      asleep: [],
    };
  }

  /** Throws InvalidParam for a state of another version or shape. */
  restore(state: GicState): void {
    if (
      state.version !== 1 ||
      state.design !== this.design.version ||
      state.physical.length !== this.physical.length ||
      state.virtual.length !== this.virtual.length
    ) {
      throw new HyperError("InvalidParam", "the saved GIC state is of another version or shape");
    }
    this.interrupts.restore(state.interrupts);
    this.groups = state.groups & 3;
    state.physical.forEach((saved, cpu) => {
      this.physical[cpu]?.restore(saved);
    });
    state.virtual.forEach((saved, cpu) => {
      this.virtual[cpu]?.restore(saved);
    });
    // Whatever the CPUs were told or restored to before, they are told anew.
    for (let cpu = 0; cpu < this.told.length; cpu++) {
      this.told[cpu] = ALL_OUTPUTS;
      this.tell(cpu, 0);
    }
    this.update();
  }
}

/** What an interface signals: IRQ in bit 0, FIQ in bit 1. */
function levels(item: PhysicalInterface | VirtualInterface | undefined): number {
  const request = item?.signalled();
  if (item === undefined || request === undefined) return 0;
  return item.isFiq(request) ? 2 : 1;
}
