import type { IrqLine } from "@hypercraft/hypercraft";
import type { GicOutputs } from "../../interrupts/cpu-interface.js";
import type { Gic, GicOptions, GicState } from "../../interrupts/gic.js";
import type { ArmVCpu, VCpuInterruptController } from "../vcpu.js";
import type { VCpuListRegisters } from "./list-registers.js";

export interface VirtualGicOptions extends Pick<GicOptions, "interrupts" | "accessor"> {
  /** How many vCPUs the VM has. */
  readonly cpus: number;
  /** Those of them that have been made, by their number. */
  readonly vcpu: (cpu: number) => ArmVCpu | undefined;
}

/** State of a virtual GIC, and of the hardware that its interrupts were handed on to. */
export interface VirtualGicState extends GicState {
  readonly handedOn: {
    readonly hardware: GicState;
    /** By CPU: active interrupts that are in no list register, and whom an SGI among them is from. */
    readonly outside: readonly (readonly (readonly [id: number, source: number])[])[];
  };
}

/** A VM's GIC, whichever it is. */
export interface VmGic {
  /** The input of an SPI by its interrupt ID. Throws OutOfRange. */
  line(id: number): IrqLine;
  /** The input of a vCPU's PPI. Throws OutOfRange. */
  privateLine(cpu: number, id: number): IrqLine;
  /** What a vCPU has of it. */
  controllerOf(cpu: number): VCpuInterruptController;
}

/** The GIC of the PEs that a VM runs on, and what its list registers have of the VM's own. */
export class HandedOn {
  private readonly hardware: Gic;
  private readonly registers: readonly VCpuListRegisters[];
  /** Set a CPU's part up as the host needs it. */
  private readonly startHost: (cpu: number) => void;

  constructor(hardware: Gic, registers: readonly VCpuListRegisters[], startHost: (cpu: number) => void) {
    this.hardware = hardware;
    this.registers = registers;
    this.startHost = startHost;
    for (const cpu of registers.keys()) startHost(cpu);
  }

  sync(): void {
    for (const one of this.registers) one.sync();
  }

  load(): void {
    for (const one of this.registers) one.load();
  }

  reset(): void {
    this.hardware.reset();
    for (const [cpu, one] of this.registers.entries()) {
      this.startHost(cpu);
      one.restored();
    }
  }

  /** After `sync`. */
  state(): VirtualGicState["handedOn"] {
    return { hardware: this.hardware.state(), outside: this.registers.map(({ outside }) => outside) };
  }

  restore({ hardware, outside }: VirtualGicState["handedOn"]): void {
    this.hardware.restore(hardware);
    for (const [cpu, one] of this.registers.entries()) {
      one.restored();
      one.outside = outside[cpu] ?? [];
    }
  }
}

/** What the hardware tells a PE: virtual interrupts are the guest's, physical ones the hypervisor's. */
export function hardwareOutputs(vcpu: () => ArmVCpu | undefined): GicOutputs {
  return {
    setIrq: (level) => vcpu()?.pe.setIrq(level),
    setFiq: (level) => vcpu()?.pe.setFiq(level),
    setVirtualIrq: (level) => vcpu()?.setVirtualLine("irq", level),
    setVirtualFiq: (level) => vcpu()?.setVirtualLine("fiq", level),
  };
}

/** A distributor whose interrupts are handed on: what CPU interfaces of its own would tell, nobody hears. */
export const NOBODY: GicOutputs = {
  setIrq: () => {},
  setFiq: () => {},
  setVirtualIrq: () => {},
  setVirtualFiq: () => {},
};
