import { Engine, type Tier } from "@hypercraft/engine";
import { GuestPageTable, MappingFlags, sv39x4 } from "@hypercraft/guest-page-table";
import {
  type Clock,
  describeExit,
  type GuestMemory,
  Host,
  HyperError,
  hostPhysAddr,
  InstructionClock,
  MemoryHal,
  PAGE_SIZE,
  pagingOf,
  TranslatedGuestMemory,
  type Vm,
  VmCpus,
  type VmExitKind,
  type VmExitOf,
  type VmOptions,
} from "@hypercraft/hypercraft";
import { createHart, RISCV_FLOATING_POINT } from "../../cpu/create-hart.js";
import type { HartFeatures } from "../../cpu/features.js";
import { RISCV_PAGE_WALKER } from "../../cpu/page-walker.js";
import type { RiscvExitCause } from "../../hypervisor/exit-cause.js";
import { RiscvPerCpu } from "../../hypervisor/per-cpu.js";
import { VMM_CALL } from "../../hypervisor/sbi/constants.js";
import type { RiscvVCpu } from "../../hypervisor/vcpu.js";
import { type Assembled, assemble } from "./assembler.js";

// A host with RISC-V harts and nothing else, for tests of the hypervisor: no board, no devices.

/** Guest-physical RAM of every VM. */
export const RAM = 0x8000_0000;
export const RAM_SIZE = 2 << 20;
const RAM_PAGES = RAM_SIZE / PAGE_SIZE;
/** Unlike any guest's addresses, so that a mix-up shows. */
const HOST_RAM = 0x1_0000_0000;
const ARENA = 8 << 20;
const HOST_RAM_SIZE = 16 << 20;

/** A host whose VMs share one engine and one memory. */
export interface Rig {
  readonly host: Host;
  readonly engine: Engine;
  readonly hal: MemoryHal;
}

export type RiscvVm = Vm<RiscvVCpu>;
type RigVmOptions = Pick<Partial<VmOptions<RiscvVCpu>>, "name" | "handlers" | "unmapped" | "console">;

/** A new host with deterministic time of 10 ns an instruction, or another clock. */
export function createRig(clock: Clock = new InstructionClock(), tier: Tier = "auto"): Rig {
  const pages = (ARENA + HOST_RAM_SIZE) / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const hal = new MemoryHal({ memory, clock, base: hostPhysAddr(HOST_RAM), offset: ARENA });
  const ramOffset = (physical: number): number => {
    const distance = physical - HOST_RAM;
    return distance >= 0 && distance < HOST_RAM_SIZE ? distance + ARENA : -1;
  };
  const arena = { offset: 0, size: ARENA };
  const floatingPoint = RISCV_FLOATING_POINT;
  const ranges = () => [{ physical: HOST_RAM, size: HOST_RAM_SIZE, offset: ARENA }];
  const ram = { ramOffset, ranges };
  // The reference does all in JavaScript.
  const walker = tier !== "cold" && { pageWalker: RISCV_PAGE_WALKER };
  const engine = new Engine({ memory, arena, ram, floatingPoint, tier, ...walker });
  return { host: new Host({ hal }), engine, hal };
}

/** A hart of the rig, as a host CPU that has nothing but RAM on its bus. */
export function createCpu(rig: Rig, cpuId: number, features: Partial<HartFeatures> = {}): RiscvPerCpu {
  const bus = { read: () => -1, write: () => false };
  const { clock } = rig.hal;
  const { core, hart } = createHart(rig.engine, { hartId: cpuId, mode: "vm", clock, bus, features });
  return new RiscvPerCpu(cpuId, core, hart);
}

/** A VM with zeroed RAM and one vCPU per entry point; vCPU 0 is on. */
export function createRigVm(rig: Rig, entries: readonly number[], options: RigVmOptions = {}): RiscvVm {
  const { host, hal } = rig;
  const vcpus = new VmCpus<RiscvVCpu>(Math.max(8, entries.length));
  for (const [vcpuId, entry] of entries.entries()) {
    const cpu = createCpu(rig, vcpuId);
    cpu.hardwareEnable();
    vcpus.addVcpu(cpu.createVcpu(vcpuId, entry));
  }
  const ram = hal.allocPages(RAM_PAGES, RAM_PAGES);
  if (ram === undefined) throw new HyperError("NoMemory", "no room for the guest's RAM");
  const offset = hal.physToVirt(ram);
  new Uint8Array(hal.memory.buffer, offset, RAM_SIZE).fill(0);
  const flags = MappingFlags.READ | MappingFlags.WRITE | MappingFlags.EXECUTE | MappingFlags.USER;
  const guestPageTable = (vmid: number) => {
    const table = new GuestPageTable(sv39x4, pagingOf(hal), vmid);
    table.mapRegion(RAM, ram, RAM_SIZE, flags);
    return table;
  };
  const memory: GuestMemory = new TranslatedGuestMemory({
    memory: hal.memory,
    translate: (gpa) =>
      gpa >= RAM && gpa < RAM + RAM_SIZE
        ? { offset: offset + gpa - RAM, length: RAM + RAM_SIZE - gpa }
        : undefined,
    written: (at, length) => rig.engine.ramWritten(at, length),
  });
  const vm = host.createVm({ ...options, vcpus, guestPageTable, memory });
  for (const { vcpuId } of vcpus) vm.initVcpu(vcpuId);
  return vm;
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
  options: RigVmOptions & { readonly cpus?: number; readonly rig?: Rig } = {},
): Guest {
  const { cpus = 1, rig = createRig(), ...rest } = options;
  const { bytes, labels } = assemble(source, RAM);
  const entries = Array.from({ length: cpus }, (_, i) => labels.get(`hart${i}`) ?? RAM);
  const vm = createRigVm(rig, entries, rest);
  vm.memory?.write(RAM, bytes);
  return { rig, vm, vcpu: vm.vcpus.getVcpu(0), labels };
}

/** Value of a register by its ABI name. Throws an Error for none. */
export function reg(vcpu: RiscvVCpu, name: string): bigint {
  const index = vcpu.gprNames.indexOf(name);
  if (index < 0) throw new Error(`no register ${name}`);
  return vcpu.getGpr(index);
}

/** Run to the next exit about the program, which must be of this kind. Throws an Error for another. */
export function runTo<K extends VmExitKind>(vcpu: RiscvVCpu, kind: K): VmExitOf<K, RiscvExitCause> {
  for (let runs = 0; runs < 1000; runs++) {
    const exit = vcpu.run(10_000);
    if (exit.kind === "timer" || exit.kind === "budgetSpent") continue;
    if (exit.kind === kind) return exit as VmExitOf<K, RiscvExitCause>;
    throw new Error(`expected exit ${kind}: ${describeExit(exit)}`);
  }
  throw new Error(`no exit ${kind} within 10 million instructions`);
}

/** The end of a program: a hypercall, so that a test can look at registers. */
export const STOP = `
  li a7, ${VMM_CALL}
  li a6, 0x77
  ecall
`;

/** Run until the program reaches `STOP`; other exits are answered by the VM. Throws an Error when the VM ends instead. */
export function runToStop({ vm, vcpu }: Guest): void {
  for (let runs = 0; runs < 10_000; runs++) {
    const exit = vcpu.run(10_000);
    if (exit.kind === "hypercall" && exit.nr === 0x77n) return;
    const end = vm.handleExit(vcpu, exit);
    if (end !== undefined) throw new Error(`the VM ended: ${describeExit(exit)}`);
    if (vcpu.state === "Blocked" && vcpu.hasWakeEvent()) vcpu.wake();
  }
  throw new Error("the program does not stop");
}
