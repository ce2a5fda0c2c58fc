import type { HartVCpu } from "@hypercraft/arch-riscv";
import { BoardMachine } from "../common/machine.js";

/** A riscv-virt machine, ready to run. */
export class RiscvVirtMachine extends BoardMachine<HartVCpu> {
  /** Harts by id. */
  get harts(): readonly HartVCpu[] {
    return this.vcpus;
  }
}
