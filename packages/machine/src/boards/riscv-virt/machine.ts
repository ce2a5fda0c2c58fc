import type { HartVCpu } from "@hypercraft/arch-riscv";
import { VirtMachine } from "../virt/machine.js";

/** A riscv-virt machine, ready to run. */
export class RiscvVirtMachine extends VirtMachine<HartVCpu> {
  /** Harts by id. */
  get harts(): readonly HartVCpu[] {
    return this.vcpus;
  }
}
