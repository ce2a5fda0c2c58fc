import type { Engine } from "@hypercraft/engine";
import type { GuestMemoryInterface, GuestPageTableFormat } from "@hypercraft/guest-page-table";
import { type Vm, VmCpus } from "@hypercraft/hypercraft";
import { InputQueue } from "../../console/bytes.js";
import type { Plain } from "../../contracts.js";
import { MachineError } from "../../errors.js";
import type { ImageArchitecture } from "../../loaders/architecture.js";
import type { ElfFile } from "../../loaders/elf.js";
import { type KernelImage, readKernel } from "../../loaders/kernel.js";
import type { LoadPlan } from "../../loaders/plan.js";
import { MachineBuilder } from "../../machine/builder.js";
import type { Machine } from "../../machine/machine.js";
import { readSnapshot } from "../../snapshot/container.js";
import type { CpuWiring } from "./engine.js";
import { BoardHost, type Lease } from "./host.js";
import type { BoardMachine, BoardParts, BoardVCpu, MachineEnd, Polled } from "./machine.js";
import { checkSize, type RamPiece } from "./memory.js";
import { type BoardOptions, DEFAULT_MEMORY, type HostParts, MAX_CPUS, type NamedBytes } from "./options.js";
import { mapGuestRam, noSecondStage } from "./second-stage.js";
import { SliceCuttingQueue } from "./slice-cutting-queue.js";
import { type BoardVariant, boardVariant } from "./variant.js";

/** What the parts of a board are made for. */
export interface BoardContext {
  readonly mode: "vm" | "bare";
  readonly memory: number;
  /** Where that memory is. */
  readonly ram: readonly RamPiece[];
  readonly cpus: number;
  readonly variant: BoardVariant;
  readonly input: InputQueue;
  readonly end: (how: MachineEnd) => void;
}

/** Where a boot's images go, and what is known of them afterwards. */
export interface BoardBoot {
  readonly plan: LoadPlan;
  /** The device tree, of boards that have one. */
  readonly dtb?: Uint8Array;
  /** The ELF file that symbols are looked up in. */
  readonly elf: ElfFile | undefined;
}

/** A boot that hands a device tree over and starts at an address. */
export interface TreeBoot extends BoardBoot {
  readonly dtb: Uint8Array;
  readonly dtbAddress: number;
  /** First pc. */
  readonly entry: number;
}

/** What one of the boards has of its own; the calls come in this order. */
export interface BoardDesign<V extends BoardVCpu, M extends BoardMachine<V>, B extends BoardBoot> {
  /** Kind of machine, for snapshots. */
  readonly name: string;
  readonly architecture: ImageArchitecture;
  /** Where RAM of so many bytes is. */
  ram(size: number): readonly RamPiece[];
  /** Bytes of memory that the board has besides RAM, beyond what is small. */
  readonly extraMemory?: number;
  readonly virtioVersion: 1 | 2;
  /** The second stage of translation, in vm mode. */
  readonly secondStage: GuestPageTableFormat;
  /** What a CPU is called in snapshots. */
  readonly cpuName: string;
  /** What a snapshot needs to build the board again, besides what all boards do. */
  readonly config: Readonly<Record<string, Plain>>;
  /** Everything but RAM: interrupt controller, devices, memory of the board's own. */
  addParts(builder: MachineBuilder, board: BoardContext): void;
  createCpus(
    wiring: CpuWiring,
    board: BoardContext,
  ): { readonly engine: Engine; readonly vcpus: readonly V[] };
  planBoot(kernel: KernelImage | undefined, parts: Machine, board: BoardContext): Promise<B>;
  /** The images are loaded: give the vCPUs to the VM and their first state. */
  start(vm: Vm<V>, boot: B, parts: Machine, board: BoardContext): void;
  /** What has to be looked at between slices. */
  polled?(boot: B, parts: Machine, board: BoardContext): Polled | undefined;
  machine(parts: BoardParts<V>): M;
}

/**
 * A machine of a design, its images loaded and its CPUs at their first instruction.
 * Throws MachineError or HyperError with one line that names what was wrong.
 */
export async function assembleBoard<V extends BoardVCpu, M extends BoardMachine<V>, B extends BoardBoot>(
  options: BoardOptions,
  design: BoardDesign<V, M, B>,
): Promise<M> {
  const { memory = DEFAULT_MEMORY, cpus = 1, clock } = options;
  checkSize(memory, cpus);
  const kernel =
    options.kernel && (await readKernel(options.kernel.bytes, options.kernel.name, design.architecture));
  const room = { memory, extra: design.extraMemory ?? 0 };
  const host = options.host ?? new BoardHost({ machines: [room], clock });
  const lease = host.lease(clock);
  try {
    const machine = await assemble(options, design, kernel, lease);
    host.add(machine, lease);
    return machine;
  } catch (error) {
    lease.end();
    throw error;
  }
}

async function assemble<V extends BoardVCpu, M extends BoardMachine<V>, B extends BoardBoot>(
  options: BoardOptions,
  design: BoardDesign<V, M, B>,
  kernel: KernelImage | undefined,
  lease: Lease,
): Promise<M> {
  const { mode = "vm", memory = DEFAULT_MEMORY, cpus = 1, clock } = options;
  const { name } = design;
  const { host } = lease;
  const { hal } = host;
  const variant = boardVariant(options, design.virtioVersion, kernel);

  const ram = design.ram(memory);
  const origin = lease.allocateRam(memory);

  // Parts refer to each other in circles; these are filled in below, before anything runs.
  let vcpus: readonly V[];
  let vm: Vm<V>;
  let machine: M;

  const timers = new SliceCuttingQueue();
  const input = new InputQueue();
  const board: BoardContext = { mode, memory, ram, cpus, variant, input, end: (how) => machine.end(how) };
  const builder = new MachineBuilder({ name, host: host.memory, clock, timers });
  for (const { name: piece = "RAM", base, size, offset } of ram)
    builder.ram(piece, base, size, origin + offset);
  builder.component("input", input);
  design.addParts(builder, board);
  options.extend?.(builder);
  for (let id = 0; id < cpus; id++) {
    builder.component(`${design.cpuName}${id}`, {
      state: () => vcpus[id]!.save() as never,
      restore: (state) => vcpus[id]!.load(state as never),
    });
  }
  builder.component("vm", {
    state: () => vm.state() as never,
    restore: (state) => vm.restore(state as never),
  });
  const parts = builder.build();
  lease.onEnd(() => parts.release());

  const { tier = "auto", now, regionWatch } = options;
  const { bus, ports } = parts;
  const wiring: CpuWiring = { lease, origin, bus, ports, timers, clock, cpus, tier, now, regionWatch };
  const made = design.createCpus(wiring, board);
  vcpus = made.vcpus;
  const boot = await design.planBoot(kernel, parts, board);
  const set = new VmCpus<V>(MAX_CPUS);
  for (const vcpu of vcpus) set.addVcpu(vcpu);
  vm = host.vms.createVm<V, GuestMemoryInterface>({
    vcpus: set,
    guestPageTable(vmid) {
      if (mode === "bare") return noSecondStage;
      const table = mapGuestRam(design.secondStage, hal, parts.ram, vmid);
      lease.onEnd(() => table.dispose());
      return table;
    },
    clock,
    name: options.name ?? name,
    timers,
    mmio: parts.deviceBus(),
    ports: parts.ports,
    console: { write: (bytes: Uint8Array) => options.console.write(bytes), read: () => input.read() },
    memory: parts.memory,
    // No owner of the VM offers hypercalls of its own here.
    handlers: { hypercall: () => ({ kind: "status", status: "notSupported" }) },
    ...(options.onVmExit === undefined ? {} : { onVmExit: options.onVmExit }),
  });
  lease.onEnd(() => host.vms.destroyVm(vm.vmid));
  boot.plan.load(parts.memory);
  design.start(vm, boot, parts, board);
  machine = design.machine({
    machine: parts,
    engine: made.engine,
    vcpus,
    vm,
    console: options.console,
    input,
    dtb: boot.dtb,
    elf: boot.elf,
    polled: design.polled?.(boot, parts, board),
    lease,
    config: {
      mode,
      memory,
      cpus,
      disks: options.disks?.length ?? 0,
      ...variant,
      seed: options.seed ?? 1,
      ...design.config,
    },
  });
  timers.onNearer = () => machine.interruptRun();
  return machine;
}

/**
 * A machine as `BoardMachine.save` saved it, made by the same board's `create` and given the same disks and
 * extensions. `clock` is set to the saved time. Throws MachineError for a file that is no snapshot of this board.
 */
export async function restoreBoard<O extends BoardOptions, M extends Pick<BoardMachine<never>, "restore">>(
  name: string,
  create: (options: O) => Promise<M>,
  file: NamedBytes,
  host: HostParts,
): Promise<M> {
  const snapshot = await readSnapshot(file.bytes, file.name);
  if (snapshot.machine !== name) {
    throw new MachineError(
      "BadSnapshot",
      `${file.name}: is a snapshot of '${snapshot.machine}', not of a ${name} machine`,
    );
  }
  const config = snapshot.config as unknown as Omit<BoardOptions, keyof HostParts> & { disks: number };
  const disks = host.disks ?? [];
  if (disks.length !== config.disks) {
    throw new MachineError(
      "BadSnapshot",
      `${file.name}: the machine had ${config.disks} disks, but ${disks.length} are given`,
    );
  }
  // Nothing is loaded: RAM comes from the snapshot.
  const machine = await create({ ...config, ...host, disks, entry: 0 } as BoardOptions as O);
  machine.restore(snapshot);
  return machine;
}

/** Firmware needs a level that only bare mode gives away. @param level what the architecture calls it. */
export function checkFirmware({ firmware, mode }: BoardOptions, level: string): void {
  if (firmware === undefined || mode === "bare") return;
  throw new MachineError(
    "InvalidParam",
    `${firmware.name}: firmware needs ${level}, which only bare mode has`,
  );
}
