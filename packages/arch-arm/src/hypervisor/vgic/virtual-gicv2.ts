import type { MmioDevice } from "@hypercraft/hypercraft";
import { emptyListRegister } from "../../interrupts/cpu-interface.js";
import { LIST_REGISTERS, MAINTENANCE_INTERRUPT } from "../../interrupts/gic.js";
import { GicV2, packListV2, unpackListV2 } from "../../interrupts/gicv2.js";
import type { VCpuInterruptController } from "../vcpu.js";
import {
  HandedOn,
  hardwareOutputs,
  NOBODY,
  type VirtualGicOptions,
  type VirtualGicState,
  type VmGic,
} from "./handed-on.js";
import { type ListRegisterAccess, VCpuListRegisters } from "./list-registers.js";

const GICD_CTLR = 0;
const GICD_ISENABLER0 = 0x100;
const GICC_CTLR = 0;
const GICC_PMR = 4;
const GICC_IAR = 0x0c;
const GICC_EOIR = 0x10;
const GICH_HCR = 0;
const GICH_LR0 = 0x100;
const LOWEST_PRIORITY = 0xff;

/** Bytes of GICV's registers. */
export const VIRTUAL_INTERFACE_SIZE = 0x2000;

/**
 * A VM's GICv2 as a hypervisor makes it of hardware: the distributor is emulated, the guest's CPU interface is GICV, and
 * the interrupts are in GICH's list registers. With `cpuInterface` on the PEs' physical bus, and the second stage leading
 * there where the guest has GICC, a guest takes and ends its interrupts without an exit.
 */
export class VirtualGicV2 extends GicV2 implements VmGic {
  /** GICV_ registers of the accessing CPU. */
  override readonly cpuInterface: MmioDevice;
  private readonly hardware: GicV2;
  private readonly handedOn: HandedOn;
  /** The CPU whose hardware the hypervisor has its hands on. */
  private programmed: number | undefined;

  constructor({ cpus, vcpu, ...options }: VirtualGicOptions) {
    const all = Array.from({ length: cpus }, (_, cpu) => cpu);
    super({ ...options, cpus: all.map(() => NOBODY), virtualization: false });
    const running = (): number => all.findIndex((cpu) => (vcpu(cpu)?.pe.sliceStart ?? -1) >= 0);
    this.hardware = new GicV2({
      cpus: all.map((cpu) => hardwareOutputs(() => vcpu(cpu))),
      accessor: () => {
        if (this.programmed !== undefined) return this.programmed;
        const cpu = running();
        return cpu < 0 ? options.accessor() : cpu;
      },
    });
    this.cpuInterface = this.hardware.virtualCpuInterface;
    const { interrupts } = this;
    const registers = all.map(
      (cpu) => new VCpuListRegisters(this.access(cpu), { interrupts, cpu, forwarded: () => this.groups }),
    );
    this.handedOn = new HandedOn(this.hardware, registers, (cpu) => this.startHost(cpu));
  }

  controllerOf(cpu: number): VCpuInterruptController {
    return { raise: (id) => this.raise(cpu, id), hostInterrupt: () => this.hostInterrupt(cpu) };
  }

  /** A physical interrupt, served as the host's kernel would. */
  private hostInterrupt(cpu: number): boolean {
    const { cpuInterface } = this.hardware;
    return this.program(cpu, () => {
      const id = cpuInterface.read(GICC_IAR, 4);
      if (id !== MAINTENANCE_INTERRUPT) return false;
      this.observe();
      this.update();
      cpuInterface.write(GICC_EOIR, 4, id);
      return true;
    });
  }

  /** The host has one interrupt: maintenance. */
  private startHost(cpu: number): void {
    const { distributor, cpuInterface } = this.hardware;
    this.program(cpu, () => {
      distributor.write(GICD_CTLR, 4, 1);
      distributor.write(GICD_ISENABLER0, 4, 1 << MAINTENANCE_INTERRUPT);
      cpuInterface.write(GICC_PMR, 4, LOWEST_PRIORITY);
      cpuInterface.write(GICC_CTLR, 4, 1);
    });
  }

  private program<T>(cpu: number, action: () => T): T {
    const before = this.programmed;
    this.programmed = cpu;
    try {
      return action();
    } finally {
      this.programmed = before;
    }
  }

  private access(cpu: number): ListRegisterAccess {
    const { hypervisorInterface } = this.hardware;
    const read = (offset: number): number => this.program(cpu, () => hypervisorInterface.read(offset, 4));
    const write = (offset: number, value: number): void =>
      this.program(cpu, () => hypervisorInterface.write(offset, 4, value));
    return {
      count: LIST_REGISTERS,
      read(index) {
        const list = emptyListRegister();
        unpackListV2(list, read(GICH_LR0 + 4 * index));
        return list;
      },
      write: (index, list) => write(GICH_LR0 + 4 * index, packListV2(list)),
      readControl: () => read(GICH_HCR),
      writeControl: (value) => write(GICH_HCR, value),
    };
  }

  protected override observe(): void {
    this.handedOn.sync();
  }

  protected override update(): void {
    this.handedOn.load();
  }

  override reset(): void {
    super.reset();
    this.handedOn.reset();
    this.update();
  }

  override state(): VirtualGicState {
    return { ...super.state(), handedOn: this.handedOn.state() };
  }

  override restore(state: VirtualGicState): void {
    this.handedOn.restore(state.handedOn);
    super.restore(state);
  }
}
