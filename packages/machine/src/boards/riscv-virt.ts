import { Plic } from "@hypercraft/arch-riscv";
import { sv39x4 } from "@hypercraft/guest-page-table";
import { Vm, VmCpus } from "@hypercraft/hypercraft";
import { InputQueue } from "../console/bytes.js";
import { Htif } from "../devices/htif.js";
import { MachineError } from "../errors.js";
import { RISCV64 } from "../loaders/architecture.js";
import { readKernel } from "../loaders/kernel.js";
import { MachineBuilder } from "../machine/builder.js";
import type { BusMemory } from "../memory/guest-memory.js";
import { readSnapshot } from "../snapshot/container.js";
import { ADDRESS_MAPS, type AddressMap } from "./riscv-virt/address-map.js";
import { type BootPlan, planBoot } from "./riscv-virt/boot.js";
import { boardTree, plicNode } from "./riscv-virt/device-tree.js";
import { addDevices } from "./riscv-virt/devices.js";
import { type BoardHarts, bareHarts, guestHarts } from "./riscv-virt/harts.js";
import { RiscvVirtMachine } from "./riscv-virt/machine.js";
import type { RiscvVirtHost, RiscvVirtOptions } from "./riscv-virt/options.js";
import type { MachineEnd } from "./virt/machine.js";
import { checkSize, createMemory } from "./virt/memory.js";
import { DEFAULT_MEMORY, MAX_CPUS, type NamedBytes } from "./virt/options.js";
import { mapGuestRam, noSecondStage } from "./virt/second-stage.js";
import { SliceCuttingQueue } from "./virt/slice-cutting-queue.js";
import { type BoardVariant, boardVariant } from "./virt/variant.js";

export {
  ADDRESS_MAPS,
  type AddressMap,
  type AddressMapName,
  HCHYPER_MAP,
  QEMU_MAP,
} from "./riscv-virt/address-map.js";
export { RiscvVirtMachine } from "./riscv-virt/machine.js";
export type { RiscvVirtHost, RiscvVirtOptions } from "./riscv-virt/options.js";
export type { MachineEnd, MachineRunOptions, MachineStatistics } from "./virt/machine.js";
export type { NamedBytes } from "./virt/options.js";

const A0 = 10;
const A1 = 11;
const A2 = 12;

type BoardVm = Vm<BoardHarts["vcpus"][number]>;

/**
 * A RISC-V machine laid out like QEMU's `virt`, its images loaded and its harts at their first instruction.
 * Throws MachineError or HyperError with one line that names what was wrong.
 */
export async function createRiscvVirt(options: RiscvVirtOptions): Promise<RiscvVirtMachine> {
  const { mode = "vm", memory = DEFAULT_MEMORY, cpus = 1, clock } = options;
  checkSize(memory, cpus);
  checkFirmware(options, mode);
  const map = ADDRESS_MAPS[options.map ?? "qemu"];
  const kernel = options.kernel && (await readKernel(options.kernel.bytes, options.kernel.name, RISCV64));
  const variant = boardVariant(options, map.virtio.version, kernel);
  const { host, hal, hpa } = createMemory(clock, memory);

  // Parts refer to each other in circles; these are filled in below, before anything runs.
  let harts: BoardHarts;
  let vm: BoardVm;
  let htif: Htif | undefined;
  let machine: RiscvVirtMachine;
  const end = (how: MachineEnd): void => machine.end(how);

  const timers = new SliceCuttingQueue();
  const input = new InputQueue();
  const plic = new Plic({
    sources: map.plic.sources,
    perEvent: (source) =>
      source === map.uart.irq || (source >= map.virtio.irq && source < map.virtio.irq + map.virtio.count),
    contexts: Array.from(
      { length: 2 * cpus },
      (_, context) => (level: boolean) => harts?.contexts[context]?.(level),
    ),
  });
  const builder = new MachineBuilder({ name: "riscv-virt", host, clock, timers });
  builder.ram("RAM", map.ram.base, memory, hal.physToVirt(hpa));
  if (mode === "bare") builder.ram("boot ROM", map.mrom.base, map.mrom.size);
  builder.interruptController("plic", {
    ...map.plic,
    controller: plic,
    firstSource: 1,
    lastSource: map.plic.sources,
    fdt: (context, tree) => plicNode(context, tree, map, cpus),
  });
  addDevices(builder, { options, map, mode, cpus, variant, input, end, harts: () => harts });
  options.extend?.(builder);
  for (let id = 0; id < cpus; id++) {
    builder.component(`hart${id}`, {
      state: () => harts.vcpus[id]!.save() as never,
      restore: (state) => harts.vcpus[id]!.load(state as never),
    });
  }
  builder.component("vm", {
    state: () => vm.state() as never,
    restore: (state) => vm.restore(state as never),
  });
  builder.component("htif", {
    state: () => htif?.state() ?? { version: 1, wanted: 0 },
    restore: (state) => htif?.restore(state),
  });
  const parts = builder.build();

  const { tier = "auto", now, regionWatch } = options;
  const wiring = { host, bus: parts.bus, clock, cpus, tier, now, regionWatch };
  harts = mode === "bare" ? bareHarts(wiring) : guestHarts(wiring, hal);
  const boot = await planBoot(options, kernel, map, memory, boardTree(parts, { map, cpus, mode }));
  const vcpus = new VmCpus<BoardHarts["vcpus"][number]>(MAX_CPUS);
  for (const vcpu of harts.vcpus) vcpus.addVcpu(vcpu);
  const vmid = 1;
  vm = new Vm({
    vcpus,
    guestPageTable: mode === "vm" ? mapGuestRam(sv39x4, hal, map.ram.base, hpa, memory, vmid) : noSecondStage,
    vmid,
    clock,
    name: "riscv-virt",
    timers,
    mmio: parts.deviceBus(),
    console: { write: (bytes: Uint8Array) => options.console.write(bytes), read: () => input.read() },
    memory: parts.memory,
    // No owner of the VM offers hypercalls of its own here.
    handlers: { hypercall: () => ({ kind: "status", status: "notSupported" }) },
    ...(options.onVmExit === undefined ? {} : { onVmExit: options.onVmExit }),
  });
  boot.plan.load(parts.memory);
  start(vm, harts, boot, mode, map, parts.memory);
  htif = createHtif(boot, parts.memory, options, end);
  machine = new RiscvVirtMachine({
    machine: parts,
    engine: harts.engine,
    vcpus: harts.vcpus,
    vm,
    console: options.console,
    input,
    dtb: boot.dtb,
    elf: boot.elf,
    polled: htif,
    config: {
      mode,
      memory,
      cpus,
      map: map.name,
      disks: options.disks?.length ?? 0,
      ...variant,
      seed: options.seed ?? 1,
    },
  });
  timers.onNearer = () => machine.interruptRun();
  return machine;
}

/**
 * A machine as `RiscvVirtMachine.save` saved it, given the same disks and extensions. `clock` is set to the
 * saved time. Throws MachineError for a file that is no snapshot of this board.
 */
export async function restoreRiscvVirt(file: NamedBytes, host: RiscvVirtHost): Promise<RiscvVirtMachine> {
  const snapshot = await readSnapshot(file.bytes, file.name);
  const config = snapshot.config as Pick<
    RiscvVirtOptions,
    "mode" | "memory" | "cpus" | "map" | "seed" | keyof BoardVariant
  > & { disks: number };
  if (snapshot.machine !== "riscv-virt") {
    throw new MachineError(
      "BadSnapshot",
      `${file.name}: is a snapshot of '${snapshot.machine}', not of a riscv-virt machine`,
    );
  }
  const disks = host.disks ?? [];
  if (disks.length !== config.disks) {
    throw new MachineError(
      "BadSnapshot",
      `${file.name}: the machine had ${config.disks} disks, but ${disks.length} are given`,
    );
  }
  // Nothing is loaded: RAM comes from the snapshot.
  const machine = await createRiscvVirt({ ...config, ...host, disks, entry: 0 });
  machine.restore(snapshot);
  return machine;
}

function checkFirmware(options: RiscvVirtOptions, mode: string): void {
  if (options.firmware !== undefined && mode !== "bare") {
    throw new MachineError(
      "InvalidParam",
      `${options.firmware.name}: firmware needs M-mode, which only bare mode has`,
    );
  }
}

/** Berkeley test programs talk through two words of their own. */
function createHtif(
  boot: BootPlan,
  memory: BusMemory,
  { console }: RiscvVirtOptions,
  end: (how: MachineEnd) => void,
): Htif | undefined {
  const tohost = boot.elf?.symbols.get("tohost");
  if (tohost === undefined) return undefined;
  const fromhost = boot.elf?.symbols.get("fromhost");
  return new Htif({
    memory,
    tohost: Number(tohost.address),
    fromhost: fromhost && Number(fromhost.address),
    sink: console,
    onExit: (code) => end({ kind: "shutdown", failure: code !== 0, code }),
  });
}

/** Give the harts their first state: a0 hart id, a1 device tree, a2 OpenSBI's next stage. */
function start(
  vm: BoardVm,
  harts: BoardHarts,
  boot: BootPlan,
  mode: "vm" | "bare",
  map: AddressMap,
  memory: BusMemory,
): void {
  const dynamicInfo = boot.nextStage === undefined ? 0 : writeDynamicInfo(memory, map, boot.nextStage);
  for (const vcpu of harts.vcpus) {
    // Bare harts all start, as after a reset; under the hypervisor the guest starts the others by HSM.
    vm.initVcpu(vcpu.vcpuId, mode === "bare" || vcpu.vcpuId === 0 ? "on" : "off");
    vcpu.setPc(BigInt(boot.entry));
    vcpu.setGpr(A0, BigInt(vcpu.vcpuId));
    vcpu.setGpr(A1, BigInt(boot.dtbAddress));
    if (mode === "bare") vcpu.setGpr(A2, BigInt(dynamicInfo));
  }
}

/** OpenSBI's struct fw_dynamic_info, version 2: where and in which mode to go on. */
function writeDynamicInfo(memory: BusMemory, { mrom }: AddressMap, nextStage: number): number {
  const address = mrom.base;
  const supervisor = 1n;
  [0x4942534fn, 2n, BigInt(nextStage), supervisor, 0n, 0n].forEach((word, i) => {
    memory.writeU64(address + i * 8, word);
  });
  return address;
}
