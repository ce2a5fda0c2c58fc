import { emptyListRegister } from "../../interrupts/cpu-interface.js";
import { LIST_REGISTERS, MAINTENANCE_INTERRUPT } from "../../interrupts/gic.js";
import { GicV3, type GicV3Options, REDISTRIBUTOR_SIZE } from "../../interrupts/gicv3.js";
import {
  type GicSystemRegisters,
  ICC_EOIR,
  ICC_IAR,
  ICC_IGRPEN,
  ICC_PMR,
  ICH_HCR,
  ICH_LR0,
  isSgiRegister,
  packListV3,
  unpackListV3,
} from "../../interrupts/gicv3-system-registers.js";
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
const GICR_SGI_FRAME = REDISTRIBUTOR_SIZE / 2;
const GICR_IGROUPR0 = GICR_SGI_FRAME + 0x80;
const GICR_ISENABLER0 = GICR_SGI_FRAME + 0x100;
const GROUP1 = 2;
const LOWEST_PRIORITY = 0xffn;

/**
 * A VM's GICv3 as a hypervisor makes it of hardware: distributor and redistributors are emulated, the guest's ICC_
 * registers are the virtual ones, and the interrupts are in ICH_LR<n>_EL2. A guest takes and ends its interrupts without
 * an exit; SGIs, which are for the distributor to send, leave it.
 */
export class VirtualGicV3 extends GicV3 implements VmGic {
  private readonly hardware: GicV3;
  private readonly handedOn: HandedOn;
  /** The hypervisor's own registers by CPU. */
  private readonly host: readonly GicSystemRegisters[];

  constructor({ cpus, vcpu, ...options }: VirtualGicOptions & Pick<GicV3Options, "affinities" | "awake">) {
    const all = Array.from({ length: cpus }, (_, cpu) => cpu);
    super({ ...options, cpus: all.map(() => NOBODY), virtualization: false });
    this.hardware = new GicV3({
      cpus: all.map((cpu) => hardwareOutputs(() => vcpu(cpu))),
      accessor: () => 0,
      awake: true,
    });
    this.host = all.map((cpu) => this.hardware.systemRegisters(cpu));
    const { interrupts } = this;
    const registers = all.map(
      (cpu) =>
        new VCpuListRegisters(this.access(cpu), {
          interrupts,
          cpu,
          forwarded: () => (this.isAwake(cpu) ? this.groups : 0),
        }),
    );
    this.handedOn = new HandedOn(this.hardware, registers, (cpu) => this.startHost(cpu));
  }

  /** The PE's system registers: `ArmPe.gic` of the vCPU's. */
  guestRegisters(cpu: number, routing: Parameters<GicV3["systemRegisters"]>[1]): GicSystemRegisters {
    return this.hardware.systemRegisters(cpu, routing);
  }

  controllerOf(cpu: number): VCpuInterruptController {
    const sgis = this.systemRegisters(cpu);
    return {
      raise: (id) => this.raise(cpu, id),
      hostInterrupt: () => this.hostInterrupt(cpu),
      writeRegister(register, value) {
        if (!isSgiRegister(register)) return false;
        sgis.write(register, value);
        return true;
      },
    };
  }

  /** A physical interrupt, served as the host's kernel would. */
  private hostInterrupt(cpu: number): boolean {
    const host = this.host[cpu] as GicSystemRegisters;
    const id = host.read(ICC_IAR[1]);
    if (Number(id) !== MAINTENANCE_INTERRUPT) return false;
    this.observe();
    this.update();
    host.write(ICC_EOIR[1], id);
    return true;
  }

  /** The host has one interrupt: maintenance. */
  private startHost(cpu: number): void {
    const { distributor, redistributors } = this.hardware;
    const redistributor = cpu * REDISTRIBUTOR_SIZE;
    distributor.write(GICD_CTLR, 4, GROUP1);
    redistributors.write(redistributor + GICR_IGROUPR0, 4, 1 << MAINTENANCE_INTERRUPT);
    redistributors.write(redistributor + GICR_ISENABLER0, 4, 1 << MAINTENANCE_INTERRUPT);
    const host = this.host[cpu] as GicSystemRegisters;
    host.write(ICC_PMR, LOWEST_PRIORITY);
    host.write(ICC_IGRPEN[1], 1n);
  }

  private access(cpu: number): ListRegisterAccess {
    const host = this.host[cpu] as GicSystemRegisters;
    return {
      count: LIST_REGISTERS,
      read(index) {
        const list = emptyListRegister();
        unpackListV3(list, host.read(ICH_LR0 + index));
        return list;
      },
      write: (index, list) => host.write(ICH_LR0 + index, packListV3(list)),
      readControl: () => Number(host.read(ICH_HCR)),
      writeControl: (value) => host.write(ICH_HCR, BigInt(value >>> 0)),
    };
  }

  protected override observe(): void {
    this.handedOn?.sync();
  }

  protected override update(): void {
    this.handedOn?.load();
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
