import { DeadlineQueue } from "@hypercraft/hypercraft";
import type { DeviceWidth, GuestMemory, IrqLine, Stateful, TimerQueue } from "../contracts.js";
import { noIrq } from "../devices/device.js";
import { bytesText, MachineError } from "../errors.js";
import { type DeviceIo, RealTimeIo, VirtualTimeIo } from "../io/device-io.js";
import { BusMemory } from "../memory/guest-memory.js";
import { FRAME_SIZE, HostMemory, MAX_HOST_MEMORY, WASM_PAGE_SIZE } from "../memory/host-memory.js";
import { PortBus, type PortRange } from "../memory/port-bus.js";
import { SystemBus } from "../memory/system-bus.js";
import { DeterministicClock, type MachineClock } from "../time/clock.js";
import { type InterruptControllerSpec, IrqAllocator } from "./interrupts.js";
import {
  type AnyDevice,
  type DeviceSpace,
  Machine,
  type MachineParts,
  type PlacedDevice,
  type RamRun,
} from "./machine.js";

/** Frames in 2 MiB: RAM aligned to it can be mapped by large pages. */
const LARGE_PAGE_FRAMES = 512;

export interface MachineBuilderOptions {
  /** Kind of machine: snapshots are only restored into the same kind. */
  readonly name: string;
  /** Memory to take RAM from. Without it the machine makes its own, large enough for RAM and arena. */
  readonly host?: HostMemory;
  /** Bytes for the engine at the start of memory that the machine makes. Default 0. */
  readonly arenaSize?: number;
  /** Default: a `DeterministicClock` of 1 ns per instruction. */
  readonly clock?: MachineClock;
  /** Default: a queue of its own. Give the one of the loop that runs the CPUs. */
  readonly timers?: DeadlineQueue;
  /** Default: in virtual time for a deterministic clock, in real time for others. */
  readonly io?: DeviceIo;
}

/** What a device is made with. */
export interface DeviceContext {
  readonly name: string;
  /** The device's interrupt; leads nowhere for a device without. */
  readonly irq: IrqLine;
  /** Those of `furtherIrqs`. */
  readonly furtherIrqs: readonly IrqLine[];
  /** RAM, for DMA. */
  readonly memory: GuestMemory;
  readonly clock: MachineClock;
  readonly timers: TimerQueue;
  readonly io: DeviceIo;
}

export interface DeviceSpec {
  /** Address and size in bytes of its registers. */
  readonly base: number;
  readonly size: number;
  /** Where they are: in physical memory (default), or among the I/O ports of machines that have them. */
  readonly space?: DeviceSpace | undefined;
  /** Bytes of the widest access that its ports take at once, default 1: wider ones are several. */
  readonly widest?: DeviceWidth | undefined;
  /** More ports of the device; their offsets count from `base`, too. */
  readonly further?: readonly PortRange[] | undefined;
  /** Input of the interrupt controller, or `auto` for the lowest that no device before it has. */
  readonly irq?: number | "auto" | undefined;
  /** More inputs, of a device with several interrupts. */
  readonly furtherIrqs?: readonly number[] | undefined;
}

interface RamSpec {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly offset: number | undefined;
  readonly readOnly?: boolean;
}

interface PendingDevice {
  readonly name: string;
  readonly spec: DeviceSpec;
  readonly make: (context: DeviceContext) => AnyDevice;
}

/** Puts a machine together. Nothing is checked or made before `build`. */
export class MachineBuilder {
  readonly #options: MachineBuilderOptions;
  readonly #ram: RamSpec[] = [];
  readonly #devices: PendingDevice[] = [];
  readonly #components = new Map<string, Stateful>();
  #controller: (InterruptControllerSpec & { readonly name: string }) | undefined;

  constructor(options: MachineBuilderOptions) {
    this.#options = options;
  }

  /**
   * Adds RAM. Address and size in bytes, multiples of 4 KiB.
   * @param offset where it lies in host memory; without it frames are allocated.
   */
  ram(name: string, base: number, size: number, offset?: number): this {
    this.#ram.push({ name, base, size, offset });
    return this;
  }

  /** Adds memory that neither guests nor devices can write: loaders do. Address and size in bytes, multiples of 4 KiB. */
  rom(name: string, base: number, size: number): this {
    this.#ram.push({ name, base, size, offset: undefined, readOnly: true });
    return this;
  }

  /** Sets the controller that devices' interrupts go to. */
  interruptController(name: string, spec: InterruptControllerSpec): this {
    this.#controller = { ...spec, name };
    return this;
  }

  /** Adds a device. */
  device(name: string, spec: DeviceSpec, make: (context: DeviceContext) => AnyDevice): this {
    this.#devices.push({ name, spec, make });
    return this;
  }

  /** Adds state that snapshots cover besides devices: CPUs, consoles. */
  component(name: string, part: Stateful): this {
    if (this.#components.has(name)) throw new MachineError("Overlap", `there are two components '${name}'`);
    this.#components.set(name, part);
    return this;
  }

  /**
   * @throws MachineError `Overlap` naming two regions, devices or interrupts, `NoMemory`, `OutOfRange`,
   * `NotAligned`, `NotFound` for an interrupt without a controller; HyperError `AlreadyExists` naming two devices
   * whose ports overlap.
   */
  build(): Machine {
    const { name, clock = new DeterministicClock(1, 1), timers = new DeadlineQueue() } = this.#options;
    const io =
      this.#options.io ??
      (clock instanceof DeterministicClock
        ? new VirtualTimeIo({ clock, timers })
        : new RealTimeIo({ timers }));
    const host = this.#options.host ?? this.#makeHost();
    const bus = new SystemBus(host);
    const memory = new BusMemory(bus);
    const allocated: RamRun[] = [];
    try {
      for (const ram of this.#ram) {
        if (ram.offset !== undefined) bus.addRam({ ...ram, offset: ram.offset });
        else {
          const offset = allocate(host, ram);
          allocated.push({ offset, size: ram.size });
          bus.addRam({ ...ram, offset });
        }
      }
      return this.#assemble({ name, host, bus, memory, clock, timers, io, allocated });
    } catch (error) {
      // On a host with other machines nobody else would.
      for (const { offset, size } of allocated) host.free(offset, size / FRAME_SIZE);
      throw error;
    }
  }

  #assemble(given: Omit<MachineParts, "ports" | "devices" | "controller" | "components">): Machine {
    const { name, bus, clock, timers, io } = given;
    const components = new Map<string, Stateful>();
    const controller = this.#controller;
    if (controller !== undefined) {
      bus.addDevice({ ...controller, device: controller.controller });
      const part = controller.controller as Partial<Stateful>;
      if (part.state !== undefined && part.restore !== undefined)
        components.set(controller.name, part as Stateful);
    }
    const ports = new PortBus();
    const dma = new BusMemory(bus, { keepsRom: true });
    const devices = new Map<string, PlacedDevice>();
    const sources = controller && new IrqAllocator(controller.firstSource, controller.lastSource);
    for (const { name: deviceName, spec, make } of this.#devices) {
      if (devices.has(deviceName) || components.has(deviceName) || this.#components.has(deviceName)) {
        throw new MachineError("Overlap", `machine '${name}' has two parts '${deviceName}'`);
      }
      const source = this.#takeSource(deviceName, spec.irq, sources);
      const irq = source === undefined ? noIrq : controller!.controller.line(source);
      const furtherSources =
        spec.furtherIrqs?.map((wanted) => this.#takeSource(deviceName, wanted, sources)!) ?? [];
      const furtherIrqs = furtherSources.map((further) => controller!.controller.line(further));
      const device = make({ name: deviceName, irq, furtherIrqs, memory: dma, clock, timers, io });
      const { base, size, space = "memory", widest = 1, further = [] } = spec;
      const region = { name: deviceName, base, size, device };
      if (space === "ports") ports.addDevice(deviceName, [{ base, size, widest }, ...further], device);
      else bus.addDevice(region);
      devices.set(deviceName, { ...region, space, irq: source, furtherIrqs: furtherSources });
    }
    for (const [componentName, part] of this.#components) components.set(componentName, part);
    return new Machine({ ...given, ports, devices, controller, components });
  }

  #takeSource(
    owner: string,
    wanted: number | "auto" | undefined,
    sources: IrqAllocator | undefined,
  ): number | undefined {
    if (wanted === undefined) return undefined;
    if (sources === undefined) {
      throw new MachineError(
        "NotFound",
        `'${owner}' wants an interrupt, but there is no interrupt controller`,
      );
    }
    return sources.take(owner, wanted);
  }

  #makeHost(): HostMemory {
    const ram = this.#ram.reduce((sum, { size, offset }) => sum + (offset === undefined ? size : 0), 0);
    return new HostMemory({
      size: hostMemorySize(ram, this.#options.arenaSize ?? 0),
      arenaSize: this.#options.arenaSize ?? 0,
    });
  }
}

/**
 * Size of a host memory for so much RAM behind an arena, in bytes, with room for alignment.
 * @throws MachineError `OutOfRange` saying what the limit is.
 */
export function hostMemorySize(ramSize: number, arenaSize: number): number {
  const slack = LARGE_PAGE_FRAMES * FRAME_SIZE;
  const limit = MAX_HOST_MEMORY - arenaSize - slack;
  if (ramSize > limit) {
    throw new MachineError(
      "OutOfRange",
      `RAM of ${bytesText(ramSize)} is over the limit: ${bytesText(Math.floor(limit / slack) * slack)} in one process`,
    );
  }
  return Math.ceil((ramSize + arenaSize + slack) / WASM_PAGE_SIZE) * WASM_PAGE_SIZE;
}

function allocate(host: HostMemory, ram: RamSpec): number {
  if (!(ram.size > 0) || ram.size % FRAME_SIZE !== 0) {
    throw new MachineError("NotAligned", `RAM '${ram.name}' of ${ram.size} bytes is not a multiple of 4 KiB`);
  }
  const frames = ram.size / FRAME_SIZE;
  const offset =
    host.allocZeroed(frames, frames >= LARGE_PAGE_FRAMES ? LARGE_PAGE_FRAMES : 1) ?? host.allocZeroed(frames);
  if (offset !== undefined) return offset;
  throw new MachineError(
    "NoMemory",
    `RAM '${ram.name}' of ${bytesText(ram.size)} does not fit: ${bytesText(host.frames.freeFrames * FRAME_SIZE)} of host memory are left`,
  );
}
