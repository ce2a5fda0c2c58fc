import { Engine, type Tier } from "@hypercraft/engine";
import { sv39x4 } from "@hypercraft/guest-page-table";
import type { Clock, Vm } from "@hypercraft/hypercraft";
import {
  type Rig as AnyRig,
  makeRig,
  makeRigVm,
  type RigVmOptions,
  STOP_CALL,
} from "@hypercraft/hypercraft/testing/rig";
import { createHart, RISCV_FLOATING_POINT } from "../../cpu/create-hart.js";
import type { HartFeatures } from "../../cpu/features.js";
import { RISCV_PAGE_WALKER } from "../../cpu/page-walker.js";
import { RiscvPerCpu } from "../../hypervisor/per-cpu.js";
import { VMM_CALL } from "../../hypervisor/sbi/constants.js";
import type { RiscvVCpu } from "../../hypervisor/vcpu.js";
import { type Assembled, assemble } from "./assembler.js";

// A host with RISC-V harts and nothing else, for tests of the hypervisor.

export { reg, runTo, runToStop } from "@hypercraft/hypercraft/testing/rig";

/** Guest-physical RAM of every VM. */
export const RAM = 0x8000_0000;
export const RAM_SIZE = 2 << 20;

export type Rig = AnyRig<Engine>;
export type RiscvVm = Vm<RiscvVCpu>;

/** A new host with deterministic time of 10 ns an instruction, or another clock. */
export function createRig(clock?: Clock, tier: Tier = "auto"): Rig {
  // The reference does all in JavaScript.
  const walker = tier !== "cold" && { pageWalker: RISCV_PAGE_WALKER };
  return makeRig(
    (parts) => new Engine({ ...parts, floatingPoint: RISCV_FLOATING_POINT, tier, ...walker }),
    clock,
  );
}

/** A hart of the rig, as a host CPU that has nothing but RAM on its bus. */
export function createCpu(rig: Rig, cpuId: number, features: Partial<HartFeatures> = {}): RiscvPerCpu {
  const bus = { read: () => -1, write: () => false };
  const { clock } = rig.hal;
  const { core, hart } = createHart(rig.engine, { hartId: cpuId, mode: "vm", clock, bus, features });
  return new RiscvPerCpu(cpuId, core, hart);
}

/** A VM with zeroed RAM and one vCPU per entry point; vCPU 0 is on. */
export function createRigVm(
  rig: Rig,
  entries: readonly number[],
  options: RigVmOptions<RiscvVCpu> = {},
): RiscvVm {
  const vcpus = entries.map((entry, vcpuId) => {
    const cpu = createCpu(rig, vcpuId);
    cpu.hardwareEnable();
    return cpu.createVcpu(vcpuId, entry);
  });
  return makeRigVm(rig, { vcpus, ram: RAM, ramSize: RAM_SIZE, format: sv39x4 }, options);
}

/** A guest program at the start of RAM, and what it needs to run. */
export interface Guest {
  readonly rig: Rig;
  readonly vm: RiscvVm;
  readonly vcpu: RiscvVCpu;
  readonly labels: Assembled["labels"];
}

/**
 * A VM that runs assembly text from the start of RAM. vCPU i enters label `hart<i>` if there is one, else the
 * start; `cpus` is how many there are.
 */
export function assembleGuest(
  source: string,
  options: RigVmOptions<RiscvVCpu> & { readonly cpus?: number; readonly rig?: Rig } = {},
): Guest {
  const { cpus = 1, rig = createRig(), ...rest } = options;
  const { bytes, labels } = assemble(source, RAM);
  const entries = Array.from({ length: cpus }, (_, i) => labels.get(`hart${i}`) ?? RAM);
  const vm = createRigVm(rig, entries, rest);
  vm.memory?.write(RAM, bytes);
  return { rig, vm, vcpu: vm.vcpus.getVcpu(0), labels };
}

/** The end of a program: a hypercall, so that a test can look at registers. */
export const STOP = `
  li a7, ${VMM_CALL}
  li a6, ${STOP_CALL}
  ecall
`;
