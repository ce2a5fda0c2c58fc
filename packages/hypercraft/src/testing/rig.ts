import {
  type GuestMemoryInterface,
  GuestPageTable,
  type GuestPageTableFormat,
  MappingFlags,
} from "@hypercraft/guest-page-table";
import { hostPhysAddr, PAGE_SIZE } from "../address.js";
import { type Clock, InstructionClock } from "../clock.js";
import { HyperError, isHyperError } from "../error.js";
import type { VmExitKind, VmExitOf } from "../exit.js";
import { type GuestMemory, TranslatedGuestMemory } from "../guest-memory.js";
import { MemoryHal, pagingOf } from "../hal.js";
import { Host } from "../host.js";
import { describeExit } from "../report.js";
import type { RegisterValue, VCpu } from "../vcpu.js";
import { VmCpus } from "../vcpus.js";
import type { Vm, VmOptions } from "../vm.js";
import type { ConformanceAdapter } from "./conformance.js";
import type { GuestProgram } from "./guest-program.js";

// Hosts with CPUs, RAM and nothing else, for tests of an architecture's hypervisor: no board, no devices.

/** Unlike any guest's addresses, so that a mix-up shows. */
const HOST_RAM = 0x1_0000_0000;
const ARENA = 8 << 20;
const HOST_RAM_SIZE = 16 << 20;

/** What an engine is made of, whoever's it is. */
export interface EngineParts {
  readonly memory: WebAssembly.Memory;
  readonly arena: { readonly offset: number; readonly size: number };
  readonly ram: {
    ramOffset(physical: number): number;
    ranges(): { readonly physical: number; readonly size: number; readonly offset: number }[];
  };
}

/** As much of an engine as memory needs. */
interface WrittenEngine {
  ramWritten(offset: number, length: number): void;
}

/** A host whose VMs share one engine and one memory. */
export interface Rig<E extends WrittenEngine = WrittenEngine> {
  readonly host: Host;
  readonly engine: E;
  readonly hal: MemoryHal;
}

/** A new host, with deterministic time of 10 ns an instruction or another clock. */
export function makeRig<E extends WrittenEngine>(
  createEngine: (parts: EngineParts) => E,
  clock: Clock = new InstructionClock(),
  ram: { readonly base: number; readonly size: number } = { base: HOST_RAM, size: HOST_RAM_SIZE },
): Rig<E> {
  const pages = (ARENA + ram.size) / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const hal = new MemoryHal({ memory, clock, base: hostPhysAddr(ram.base), offset: ARENA });
  const ramOffset = (physical: number): number => {
    const distance = physical - ram.base;
    return distance >= 0 && distance < ram.size ? distance + ARENA : -1;
  };
  const ranges = () => [{ physical: ram.base, size: ram.size, offset: ARENA }];
  const engine = createEngine({ memory, arena: { offset: 0, size: ARENA }, ram: { ramOffset, ranges } });
  return { host: new Host({ hal }), engine, hal };
}

export type RigVmOptions<V extends VCpu> = Pick<
  Partial<VmOptions<V>>,
  "name" | "handlers" | "unmapped" | "console" | "timers"
>;

/** A VM's RAM and its second stage. */
export interface RigVmParts<V extends VCpu> {
  readonly vcpus: readonly V[];
  /** Guest-physical. */
  readonly ram: number;
  readonly ramSize: number;
  /** Undefined: guest-physical addresses are host-physical ones, and RAM is the host's own. */
  readonly format: GuestPageTableFormat | undefined;
}

/** A VM with zeroed RAM; its first vCPU is on. */
export function makeRigVm<V extends VCpu>(
  { host, hal, engine }: Rig,
  { vcpus, ram, ramSize, format }: RigVmParts<V>,
  options: RigVmOptions<V> = {},
): Vm<V> {
  const set = new VmCpus<V>(Math.max(8, vcpus.length));
  for (const vcpu of vcpus) set.addVcpu(vcpu);
  const pages = ramSize / PAGE_SIZE;
  const frames = format === undefined ? hostPhysAddr(ram) : hal.allocPages(pages, pages);
  if (frames === undefined) throw new HyperError("NoMemory", "no room for the guest's RAM");
  const offset = hal.physToVirt(frames);
  new Uint8Array(hal.memory.buffer, offset, ramSize).fill(0);
  const flags = MappingFlags.READ | MappingFlags.WRITE | MappingFlags.EXECUTE | MappingFlags.USER;
  const guestPageTable = (vmid: number): GuestMemoryInterface => {
    if (format === undefined) return { token: 0n } as GuestMemoryInterface;
    const table = new GuestPageTable(format, pagingOf(hal), vmid);
    table.mapRegion(ram, frames, ramSize, flags);
    return table;
  };
  const memory: GuestMemory = new TranslatedGuestMemory({
    memory: hal.memory,
    translate: (gpa) =>
      gpa >= ram && gpa < ram + ramSize
        ? { offset: offset + gpa - ram, length: ram + ramSize - gpa }
        : undefined,
    written: (at, length) => engine.ramWritten(at, length),
  });
  const vm = host.createVm({ ...options, vcpus: set, guestPageTable, memory });
  for (const { vcpuId } of set) vm.initVcpu(vcpuId);
  return vm;
}

/** Value of a register by its name. Throws an Error for none. */
export function reg(vcpu: VCpu, name: string): bigint {
  const index = vcpu.gprNames.indexOf(name);
  if (index < 0) throw new Error(`no register ${name}`);
  return vcpu.getGpr(index);
}

/** Run to the next exit about the program, which must be of this kind. Throws an Error for another. */
export function runTo<K extends VmExitKind, V extends VCpu>(
  vcpu: V,
  kind: K,
): Extract<ReturnType<V["run"]>, VmExitOf<K>> {
  for (let runs = 0; runs < 1000; runs++) {
    const exit = vcpu.run(10_000);
    if (exit.kind === "timer" || exit.kind === "budgetSpent") continue;
    if (exit.kind === kind) return exit as Extract<ReturnType<V["run"]>, VmExitOf<K>>;
    throw new Error(`expected exit ${kind}: ${describeExit(exit)}`);
  }
  throw new Error(`no exit ${kind} within 10 million instructions`);
}

/** The hypercall that ends a program, so that a test can look at registers. */
export const STOP_CALL = 0x77;

/** Run until the program makes `STOP_CALL`; other exits are answered by the VM. Throws an Error when the VM ends instead. */
export function runToStop<V extends VCpu>({ vm, vcpu }: { readonly vm: Vm<V>; readonly vcpu: V }): void {
  for (let runs = 0; runs < 10_000; runs++) {
    const exit = vcpu.run(10_000);
    if (exit.kind === "hypercall" && Number(exit.nr & 0xffffn) === STOP_CALL) return;
    const end = vm.handleExit(vcpu, exit);
    if (end !== undefined) throw new Error(`the VM ended: ${describeExit(exit)}`);
    if (vcpu.state === "Blocked" && vcpu.hasWakeEvent()) vcpu.wake();
  }
  throw new Error("the program does not stop");
}

/** What an architecture says of itself to be an adapter of the conformance kit over rigs. */
export interface RigAdapterParts<V extends VCpu>
  extends Omit<ConformanceAdapter<V>, "createHost" | "createVm"> {
  /** Where the code of a program lies. */
  entryOf(program: number): number;
  /** A program's machine code. */
  compile(program: GuestProgram, index: number): Uint8Array;
  createRig(): Rig;
  createVm(rig: Rig, entries: readonly number[], options: RigVmOptions<V>): Vm<V>;
}

/** The conformance kit's hosts and VMs, made of rigs. */
export function rigAdapter<V extends VCpu>(parts: RigAdapterParts<V>): ConformanceAdapter<V> {
  const rigs = new WeakMap<Host, Rig>();
  const { entryOf, compile, createRig, createVm, ...rest } = parts;
  return {
    ...rest,
    createHost() {
      const rig = createRig();
      rigs.set(rig.host, rig);
      return rig.host;
    },
    createVm(host, programs, options = {}) {
      const rig = rigs.get(host);
      if (rig === undefined) throw new Error("the host is none of this adapter's");
      const vm = createVm(
        rig,
        programs.map((_, index) => entryOf(index)),
        options,
      );
      for (const [index, program] of programs.entries())
        vm.memory?.write(entryOf(index), compile(program, index));
      return vm;
    },
  };
}

/** A vCPU with a state to save. */
type StatefulVCpu = VCpu & {
  save(): unknown;
  load(state: never): void;
  registers(): RegisterValue[];
  readonly retired: number;
};

/** The registers of a VM's vCPUs, and how far each has come. */
export const registersOf = <V extends StatefulVCpu>(vm: Vm<V>): unknown[][] =>
  [...vm.vcpus].map((vcpu) => [
    vcpu.state,
    vcpu.retired,
    ...vcpu.registers().map(({ name, value }) => `${name}=${value.toString(16)}`),
  ]);

/**
 * A fresh VM that goes on where another one is: it takes over what a snapshot would hold, time, RAM, vCPUs, the VM itself.
 * @param create makes it, with so many vCPUs and their RAM from `ram` on.
 */
export function movedVm<V extends StatefulVCpu>(
  from: Vm<V>,
  ram: { readonly base: number; readonly size: number },
  create: (clock: Clock, cpus: number) => Vm<V>,
): Vm<V> {
  const clock = new InstructionClock();
  clock.advanceTo(from.clock.now());
  const states = [...from.vcpus].map((vcpu) => structuredClone(vcpu.save()));
  const to = create(clock, states.length);
  to.memory?.write(ram.base, from.memory!.read(ram.base, ram.size));
  for (const [i, state] of states.entries()) to.vcpus.getVcpu(i).load(state as never);
  to.restore(from.state());
  return to;
}

/** Does the vCPU refuse a state, as one of another kind? */
export function refusesState(vcpu: Pick<StatefulVCpu, "load">, state: unknown): boolean {
  try {
    vcpu.load(state as never);
  } catch (error) {
    return isHyperError(error, "InvalidParam");
  }
  return false;
}
