import type { DeadlineQueue } from "@hypercraft/hypercraft";
import { DeviceBus } from "@hypercraft/hypercraft";
import type { ComponentState, MmioDevice, Plain, Stateful } from "../contracts.js";
import type { FdtContext } from "../devices/device.js";
import { MachineError } from "../errors.js";
import type { FdtNode } from "../fdt/node.js";
import { patchMemory } from "../fdt/patch.js";
import { DeviceTree } from "../fdt/tree.js";
import type { DeviceIo } from "../io/device-io.js";
import { LoadPlan, type RamRange } from "../loaders/plan.js";
import type { BusMemory } from "../memory/guest-memory.js";
import { FRAME_SIZE, type HostMemory } from "../memory/host-memory.js";
import type { PortBus } from "../memory/port-bus.js";
import type { RamRegion, SystemBus } from "../memory/system-bus.js";
import { captureRam, componentState, restoreRam, type Snapshot } from "../snapshot/snapshot.js";
import type { MachineClock } from "../time/clock.js";
import type { InterruptControllerSpec } from "./interrupts.js";

/** A device of one's own: registers, and what of the rest it has. */
export type AnyDevice = MmioDevice &
  Partial<Stateful> & {
    reset?(): void;
    fdt?(context: FdtContext): FdtNode | undefined;
  };

/** Physical memory, or the I/O ports. */
export type DeviceSpace = "memory" | "ports";

/** A device in its place. */
export interface PlacedDevice {
  readonly name: string;
  readonly space: DeviceSpace;
  readonly base: number;
  readonly size: number;
  readonly device: AnyDevice;
  /** Input of the interrupt controller, undefined without interrupt. */
  readonly irq: number | undefined;
  /** More of its inputs. */
  readonly furtherIrqs: readonly number[];
}

/** A run of frames of host memory: offset and size in bytes. */
export interface RamRun {
  readonly offset: number;
  readonly size: number;
}

/** The parts of a machine, as the builder made them. */
export interface MachineParts {
  readonly name: string;
  readonly host: HostMemory;
  readonly bus: SystemBus;
  /** Devices among the I/O ports. */
  readonly ports: PortBus;
  readonly memory: BusMemory;
  readonly clock: MachineClock;
  readonly timers: DeadlineQueue;
  readonly io: DeviceIo;
  readonly devices: ReadonlyMap<string, PlacedDevice>;
  readonly controller: (InterruptControllerSpec & { readonly name: string }) | undefined;
  /** Interrupt controller and CPUs: what is restored last, in this order. */
  readonly components: ReadonlyMap<string, Stateful>;
  /** Frames that were allocated for it, of host memory that others may use as well. */
  readonly allocated: readonly RamRun[];
}

export interface DeviceTreeOptions {
  /** Strings of the root node. Default: `hypercraft,<name>` and the name. */
  readonly compatible?: readonly string[];
  readonly model?: string;
  /** What to describe as RAM. Default: all; a board's boot ROM and flash are none, though they are memory here. */
  readonly memory?: readonly RamRange[];
  /** Called before any device's node is made: the place for CPUs. */
  readonly prepare?: (tree: DeviceTree) => void;
  /** Called at the end with each device's node by name: the place for references between them. */
  readonly finish?: (tree: DeviceTree, nodes: ReadonlyMap<string, FdtNode>) => void;
}

/** Name of the clock among a snapshot's components. */
const CLOCK = "clock";
const SOC_CELLS = 2;

/**
 * A machine put together: RAM and devices on a bus, time, interrupts. It has no CPU of its own: whoever runs
 * one gives it the bus, the clock and the timers, and registers its state as a component.
 */
export class Machine implements Omit<MachineParts, "allocated"> {
  readonly name: string;
  readonly host: HostMemory;
  readonly bus: SystemBus;
  readonly ports: PortBus;
  readonly memory: BusMemory;
  readonly clock: MachineClock;
  readonly timers: DeadlineQueue;
  readonly io: DeviceIo;
  readonly devices: ReadonlyMap<string, PlacedDevice>;
  readonly controller: MachineParts["controller"];
  readonly components: ReadonlyMap<string, Stateful>;
  #allocated: readonly RamRun[];

  /** Use `MachineBuilder`. */
  constructor(parts: MachineParts) {
    this.name = parts.name;
    this.host = parts.host;
    this.bus = parts.bus;
    this.ports = parts.ports;
    this.memory = parts.memory;
    this.clock = parts.clock;
    this.timers = parts.timers;
    this.io = parts.io;
    this.devices = parts.devices;
    this.controller = parts.controller;
    this.components = parts.components;
    this.#allocated = parts.allocated;
  }

  /** RAM regions by ascending address. */
  get ram(): readonly RamRegion[] {
    return this.bus.regions.filter((region) => region.kind === "ram");
  }

  /** @throws MachineError `NotFound`. */
  device(name: string): PlacedDevice {
    const found = this.devices.get(name);
    if (found === undefined)
      throw new MachineError("NotFound", `machine '${this.name}' has no device '${name}'`);
    return found;
  }

  /** An empty plan for this machine's RAM. */
  loadPlan(): LoadPlan {
    return new LoadPlan(this.ram);
  }

  /** The memory-mapped devices alone, as a VM serves them in its guest's physical space. */
  deviceBus(): DeviceBus {
    const bus = DeviceBus.mmio();
    for (const region of this.bus.regions) if (region.kind === "device") bus.add(region);
    return bus;
  }

  /**
   * Gives back to host memory what was allocated for this machine, which is over: it has no RAM any more, so that
   * nobody reaches through it what others have there next.
   */
  release(): void {
    for (const { base } of this.ram) this.bus.remove(base);
    for (const { offset, size } of this.#allocated) this.host.free(offset, size / FRAME_SIZE);
    this.#allocated = [];
  }

  /** Resets every device. RAM, clock and CPUs stay as they are. */
  reset(): void {
    for (const { device } of this.devices.values()) device.reset?.();
  }

  /**
   * Describes the machine: RAM, interrupt controller and devices. Call it again for another tree.
   * @throws MachineError from the hooks, or `BadDeviceTree` for references that lead nowhere.
   */
  deviceTree(options: DeviceTreeOptions = {}): DeviceTree {
    const tree = new DeviceTree();
    const { root } = tree;
    root.cells("#address-cells", SOC_CELLS).cells("#size-cells", SOC_CELLS);
    root.string("compatible", ...(options.compatible ?? [`hypercraft,${this.name}`]));
    root.string("model", options.model ?? this.name);
    root.child("chosen");
    options.prepare?.(tree);
    patchMemory(tree, options.memory ?? this.ram);
    const soc = root.child("soc").string("compatible", "simple-bus").flag("ranges");
    soc.cells("#address-cells", SOC_CELLS).cells("#size-cells", SOC_CELLS);
    const nodes = new Map<string, FdtNode>();
    const controllerNode = this.#controllerNode(tree);
    if (controllerNode !== undefined) nodes.set(this.controller!.name, soc.add(controllerNode));
    for (const placed of this.devices.values()) {
      if (placed.space !== "memory") continue;
      const node = placed.device.fdt?.(this.#fdtContext(placed, controllerNode));
      if (node !== undefined) nodes.set(placed.name, soc.add(node));
    }
    options.finish?.(tree, nodes);
    tree.assignPhandles();
    return tree;
  }

  /**
   * The machine's state now. Call it between slices; on a machine in real time let I/O come to rest before.
   * @param config how to build the machine again.
   */
  snapshot(config: Plain = null): Snapshot {
    const components: Record<string, ComponentState> = { [CLOCK]: this.clock.state() };
    for (const [name, part] of this.#stateful()) components[name] = part.state();
    const ram = this.ram.map((region) => {
      const bytes = this.host.bytes.subarray(region.offset, region.offset + region.size);
      return captureRam(region, bytes, { copy: true });
    });
    return { machine: this.name, config, components, ram };
  }

  /**
   * Puts the machine in a saved state. It must be built like the one that was saved.
   * @throws MachineError `BadSnapshot`; the machine is then in no useful state.
   */
  restore(snapshot: Snapshot): void {
    if (snapshot.machine !== this.name) {
      throw new MachineError(
        "BadSnapshot",
        `the snapshot is of a machine '${snapshot.machine}', not '${this.name}'`,
      );
    }
    this.#restoreRam(snapshot);
    this.clock.restore(componentState(snapshot, CLOCK));
    // Devices first: they set their interrupt lines, which controller and CPUs then have as they were saved.
    for (const [name, part] of this.#stateful()) part.restore(componentState(snapshot, name));
  }

  #restoreRam(snapshot: Snapshot): void {
    const { ram } = this;
    const same =
      ram.length === snapshot.ram.length &&
      ram.every(
        ({ base, size }, index) => snapshot.ram[index]!.base === base && snapshot.ram[index]!.size === size,
      );
    if (!same)
      throw new MachineError("BadSnapshot", "the snapshot's RAM is not laid out like this machine's");
    for (const contents of snapshot.ram) restoreRam(contents, this.memory);
  }

  *#stateful(): Generator<[string, Stateful]> {
    for (const { name, device } of this.devices.values()) {
      if (isStateful(device)) yield [name, device];
    }
    yield* this.components;
  }

  #controllerNode(tree: DeviceTree): FdtNode | undefined {
    const { controller } = this;
    if (controller?.fdt === undefined) return undefined;
    const placed = { ...controller, irq: undefined, furtherIrqs: [] };
    return controller.fdt(this.#fdtContext(placed, undefined), tree);
  }

  #fdtContext(
    placed: Pick<PlacedDevice, "base" | "size" | "irq" | "furtherIrqs">,
    controllerNode: FdtNode | undefined,
  ): FdtContext {
    const { base, size, irq, furtherIrqs } = placed;
    const specifier = this.controller?.specifier ?? ((source: number) => [source]);
    const interrupt =
      irq === undefined || controllerNode === undefined
        ? undefined
        : { controller: controllerNode, specifier: specifier(irq), further: furtherIrqs.map(specifier) };
    return { base, size, addressCells: SOC_CELLS, sizeCells: SOC_CELLS, interrupt };
  }
}

function isStateful(part: Partial<Stateful>): part is Stateful {
  return part.state !== undefined && part.restore !== undefined;
}
