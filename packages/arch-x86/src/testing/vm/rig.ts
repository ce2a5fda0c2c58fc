import { Engine, type Tier } from "@hypercraft/engine";
import { ept } from "@hypercraft/guest-page-table";
import { type Clock, DeadlineQueue, type ExitHandlers, guestPhysAddr, type Vm } from "@hypercraft/hypercraft";
import {
  type Rig as AnyRig,
  makeRig,
  makeRigVm,
  type RigVmOptions,
  STOP_CALL,
} from "@hypercraft/hypercraft/testing/rig";
import { createCpu as createProcessor, X86_FLOATING_POINT } from "../../cpu/create-cpu.js";
import type { EntryState } from "../../cpu/entry.js";
import { X86_PAGE_WALKER } from "../../cpu/page-walker.js";
import { X86_SHORTCUTS } from "../../cpu/shortcuts.js";
import type { X86GuestVCpu } from "../../hypervisor/guest-vcpu.js";
import { X86PerCpu } from "../../hypervisor/per-cpu.js";
import { ApicBus } from "../../interrupts/apic-bus.js";
import { connectGuestApic } from "../../interrupts/connect.js";
import { localApicPage } from "../../interrupts/local-apic-page.js";

// A host with x86-64 processors and nothing else, for tests of the hypervisor.

export { reg, runTo, runToStop } from "@hypercraft/hypercraft/testing/rig";

/** Guest-physical RAM of every VM. */
export const RAM = 0;
export const RAM_SIZE = 4 << 20;
/** Where guests of tests begin. */
export const CODE = 0x10_0000;
/** Where virtual local APICs are. */
const LAPIC = 0xfee0_0000;
/** A level-4 table of identity, with pages of 1 GiB for the first 4 of them. */
export const TABLES = 0x1000;

const NO_DEVICES = { read: () => -1, write: () => false };
const NO_PORTS = { read: () => 0xffff_ffff, write: () => undefined };

export type Rig = AnyRig<Engine>;
export type X86Vm = Vm<X86GuestVCpu>;

/** A new host with deterministic time of 10 ns an instruction, or another clock. */
export function createRig(clock?: Clock, tier: Tier = "auto"): Rig {
  // The reference does all in JavaScript.
  const additions = tier !== "cold" && { pageWalker: X86_PAGE_WALKER, shortcuts: X86_SHORTCUTS };
  return makeRig(
    (parts) => new Engine({ ...parts, floatingPoint: X86_FLOATING_POINT, tier, ...additions }),
    clock,
  );
}

/** A processor of the rig, as a host CPU. */
export function createCpu(rig: Rig, cpuId: number): X86PerCpu {
  const { hal, engine } = rig;
  const { core, cpu } = createProcessor(engine, {
    index: cpuId,
    mode: "vm",
    clock: hal.clock,
    bus: NO_DEVICES,
    ports: NO_PORTS,
  });
  return new X86PerCpu(cpuId, core, cpu, hal);
}

/** Ports by which a PC is switched off and reset. */
const POWER_OFF = 0x604;
const RESET = 0xcf9;
const board: ExitHandlers<X86GuestVCpu> = {
  portWrite({ port }, { vcpuId }) {
    const failure = { failure: false, code: 0 };
    if (port === POWER_OFF) return { kind: "end", result: { kind: "shutdown", vcpuId, ...failure } };
    if (port !== RESET) return undefined;
    return { kind: "end", result: { kind: "reset", vcpuId, warm: false, ...failure } };
  },
};

/** A VM with zeroed RAM, page tables and one vCPU per entry point, all with local APICs; vCPU 0 is on. */
export function createRigVm(
  rig: Rig,
  entries: readonly number[],
  { handlers, ...options }: RigVmOptions<X86GuestVCpu> = {},
): X86Vm {
  const { clock } = rig.hal;
  const timers = new DeadlineQueue();
  const bus = new ApicBus();
  const vcpus = entries.map((entry, vcpuId) => {
    const cpu = createCpu(rig, vcpuId);
    cpu.hardwareEnable();
    return cpu.createVcpu(vcpuId, guestPhysAddr(entry));
  });
  const apics = vcpus.map((vcpu) => connectGuestApic(vcpu, { bus, clock, timers }));
  const all = { ...options, timers, handlers: { ...board, ...handlers } };
  const vm = makeRigVm(rig, { vcpus, ram: RAM, ramSize: RAM_SIZE, format: ept }, all);
  const accessor = () => vcpus.findIndex(({ pendingExit }) => pendingExit !== undefined);
  vm.mmio.add({ name: "local APICs", base: LAPIC, size: 4096, device: localApicPage(apics, accessor) });
  vm.memory?.writeU32(TABLES, TABLES + 0x1003);
  for (let i = 0; i < 4; i++) vm.memory?.writeU64(TABLES + 0x1000 + 8 * i, BigInt(i) * 2n ** 30n + 0x83n);
  return vm;
}

/** Where a test's guest is entered. */
const LONG: EntryState = {
  kind: "long",
  pc: CODE,
  code: 8,
  data: 16,
  pageTable: TABLES,
  registers: { rsp: 0x9_0000 },
};

/** A guest program, and what it needs to run. */
export interface Guest {
  readonly rig: Rig;
  readonly vm: X86Vm;
  readonly vcpu: X86GuestVCpu;
}

/** A VM that runs code from `CODE` on, or where `state` says. */
export function codeGuest(
  code: readonly number[],
  options: RigVmOptions<X86GuestVCpu> & {
    readonly rig?: Rig;
    readonly state?: EntryState;
    readonly cpus?: number;
  } = {},
): Guest {
  const { rig = createRig(), state = LONG, cpus = 1, ...rest } = options;
  const vm = createRigVm(
    rig,
    Array.from({ length: cpus }, () => CODE),
    rest,
  );
  const vcpu = vm.vcpus.getVcpu(0);
  vcpu.start(state);
  const at = "pc" in state ? state.pc : "cs" in state ? 16 * state.cs + state.ip : CODE;
  vm.memory?.write(at, Uint8Array.from(code));
  return { rig, vm, vcpu };
}

/** `mov eax, STOP_CALL; vmcall`: the end of a program, so that a test can look at registers. RAX is lost. */
export const STOP: readonly number[] = [0xb8, STOP_CALL, 0, 0, 0, 0x0f, 0x01, 0xc1];
