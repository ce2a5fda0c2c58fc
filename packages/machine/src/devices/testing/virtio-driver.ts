import type { DeviceWidth } from "../../contracts.js";
import { BusMemory } from "../../memory/guest-memory.js";
import { HostMemory } from "../../memory/host-memory.js";
import { SystemBus } from "../../memory/system-bus.js";
import type { VirtioDevice } from "../virtio/device.js";
import { VirtioMmio } from "../virtio/mmio.js";
import { Rig } from "./rig.js";

export const RAM_BASE = 0x8000_0000;
export const RAM_SIZE = 0x40_0000;

/** One part of a buffer: bytes for the device, or a number of bytes of room for its answer. */
export type Part = Uint8Array | number;

export interface Completion {
  readonly written: number;
  /** The answer: all room given, as one. */
  readonly answer: Uint8Array;
}

interface Buffer {
  readonly rooms: readonly { readonly address: number; readonly length: number }[];
}

export interface DriverOptions {
  readonly version?: 1 | 2;
  /** Feature bits to accept, besides VERSION_1. */
  readonly accept?: bigint;
  readonly queueSize?: number;
}

/** Who has queues: RAM to put them in, and a way to tell the device of new buffers. */
export interface QueueOwner {
  readonly ram: BusMemory;
  alloc(size: number, alignment: number): number;
  kick(queue: number): void;
}

/** A guest's RAM, given away from below. */
export class GuestRam {
  readonly ram: BusMemory;
  #next = RAM_BASE + 0x1000;

  constructor() {
    const bus = new SystemBus(new HostMemory({ size: 0x50_0000, arenaSize: 0x1_0000 }));
    bus.addRam({ name: "ram", base: RAM_BASE, size: RAM_SIZE, offset: 0x1_0000 });
    this.ram = new BusMemory(bus);
  }

  alloc(size: number, alignment: number): number {
    const address = Math.ceil(this.#next / alignment) * alignment;
    this.#next = address + size;
    if (this.#next > RAM_BASE + RAM_SIZE) throw new Error("the driver is out of memory");
    return address;
  }
}

/** A guest's side of one queue, written from the specification and knowing nothing of the device's code. */
export class DriverQueue {
  readonly #driver: QueueOwner;
  readonly index: number;
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  #free: number[];
  #availableIndex = 0;
  #usedIndex = 0;
  readonly #buffers = new Map<number, Buffer>();

  constructor(driver: QueueOwner, index: number, size: number) {
    this.#driver = driver;
    this.index = index;
    this.size = size;
    this.#free = Array.from({ length: size }, (_, at) => at);
    // The legacy layout is fine for the modern transport too.
    this.descriptors = driver.alloc(16 * size + 6 + 2 * size + 4096 + 6 + 8 * size, 4096);
    this.available = this.descriptors + 16 * size;
    this.used = Math.ceil((this.available + 6 + 2 * size) / 4096) * 4096;
  }

  /** Writes a descriptor. */
  describe(
    at: number,
    address: number,
    length: number,
    flags: number,
    next: number,
    table = this.descriptors,
  ): void {
    const { ram } = this.#driver;
    ram.writeU64(table + 16 * at, BigInt(address));
    ram.writeU32(table + 16 * at + 8, length);
    ram.writeU16(table + 16 * at + 12, flags);
    ram.writeU16(table + 16 * at + 14, next);
  }

  /** Adds a buffer and makes it available, without a notification. Returns its head. */
  add(parts: readonly Part[], options: { readonly indirect?: boolean } = {}): number {
    const driver = this.#driver;
    const placed = parts.map((part) => {
      const length = typeof part === "number" ? part : part.length;
      const address = driver.alloc(Math.max(1, length), 1);
      if (typeof part !== "number") driver.ram.write(address, part);
      else driver.ram.fill(address, length, 0xee);
      return { address, length, writable: typeof part === "number" };
    });
    const table = options.indirect ? driver.alloc(16 * placed.length, 16) : this.descriptors;
    const slots = options.indirect ? placed.map((_, at) => at) : placed.map(() => this.#take());
    placed.forEach(({ address, length, writable }, at) => {
      const last = at === placed.length - 1;
      const flags = (last ? 0 : 1) | (writable ? 2 : 0);
      this.describe(slots[at]!, address, length, flags, last ? 0 : slots[at + 1]!, table);
    });
    let head = slots[0]!;
    if (options.indirect) {
      head = this.#take();
      this.describe(head, table, 16 * placed.length, 4, 0);
    }
    this.#buffers.set(head, { rooms: placed.filter(({ writable }) => writable) });
    this.publish(head);
    return head;
  }

  /** Puts a head into the available ring. */
  publish(head: number): void {
    const { ram } = this.#driver;
    ram.writeU16(this.available + 4 + 2 * (this.#availableIndex % this.size), head);
    this.#availableIndex = (this.#availableIndex + 1) & 0xffff;
    ram.writeU16(this.available + 2, this.#availableIndex);
  }

  kick(): void {
    this.#driver.kick(this.index);
  }

  /** Adds a buffer, notifies, and takes the answer that must be there. */
  request(...parts: Part[]): Completion {
    this.add(parts);
    this.kick();
    const done = this.take();
    if (done === undefined) throw new Error("the device did not answer");
    return done;
  }

  /** The next completion, if there is one. */
  take(): Completion | undefined {
    const { ram } = this.#driver;
    if (ram.readU16(this.used + 2) === this.#usedIndex) return undefined;
    const entry = this.used + 4 + 8 * (this.#usedIndex % this.size);
    const head = ram.readU32(entry);
    const written = ram.readU32(entry + 4);
    this.#usedIndex = (this.#usedIndex + 1) & 0xffff;
    const buffer = this.#buffers.get(head);
    if (buffer === undefined) throw new Error(`the device returned ${head}, which it was not given`);
    this.#buffers.delete(head);
    this.#release(head);
    const answer = buffer.rooms.flatMap(({ address, length }) => [...ram.read(address, length)]);
    return { written, answer: Uint8Array.from(answer) };
  }

  #take(): number {
    const slot = this.#free.shift();
    if (slot === undefined) throw new Error("the driver has no free descriptor");
    return slot;
  }

  #release(head: number): void {
    const { ram } = this.#driver;
    for (let at = head; ; at = ram.readU16(this.descriptors + 16 * at + 14)) {
      this.#free.push(at);
      if ((ram.readU16(this.descriptors + 16 * at + 12) & 1) === 0) return;
    }
  }
}

/** A guest with RAM, one virtio-mmio device and the driver for it. */
export class VirtioDriver extends GuestRam implements QueueOwner {
  readonly rig: Rig;
  readonly transport: VirtioMmio;
  readonly faults: string[] = [];
  readonly queues: DriverQueue[] = [];

  constructor(
    device: VirtioDevice | undefined,
    options: { readonly version?: 1 | 2; readonly rig?: Rig } = {},
  ) {
    super();
    this.rig = options.rig ?? new Rig();
    this.transport = new VirtioMmio({
      irq: this.rig.irq,
      memory: this.ram,
      device,
      version: options.version ?? 2,
      onFault: (message) => this.faults.push(message),
    });
  }

  kick(queue: number): void {
    this.set(0x50, queue);
  }

  get(offset: number, width: DeviceWidth = 4): number {
    return this.transport.read(offset, width);
  }

  set(offset: number, value: number, width: DeviceWidth = 4): void {
    this.transport.write(offset, width, value);
  }

  features(): bigint {
    this.set(0x14, 0);
    const low = BigInt(this.get(0x10));
    this.set(0x14, 1);
    return low | (BigInt(this.get(0x10)) << 32n);
  }

  acceptFeatures(features: bigint): void {
    this.set(0x24, 0);
    this.set(0x20, Number(features & 0xffff_ffffn));
    this.set(0x24, 1);
    this.set(0x20, Number(features >> 32n));
  }

  /** The whole initialization of section 3.1 with all queues. */
  start(options: DriverOptions = {}): this {
    const { version } = this.transport;
    const accept = (options.accept ?? 0n) | (version === 2 ? 1n << 32n : 0n);
    this.set(0x70, 0);
    this.set(0x70, 1);
    this.set(0x70, 3);
    this.acceptFeatures(accept);
    if (version === 2) {
      this.set(0x70, 11);
      if ((this.get(0x70) & 8) === 0) throw new Error("the device refused the features");
    } else {
      this.set(0x28, 4096);
    }
    const ready = version === 2 ? 15 : 7;
    for (let index = 0; ; index++) {
      this.set(0x30, index);
      const max = this.get(0x34);
      if (max === 0) break;
      this.queues[index] = this.#setUpQueue(index, Math.min(max, options.queueSize ?? 16));
    }
    this.set(0x70, ready);
    return this;
  }

  #setUpQueue(index: number, size: number): DriverQueue {
    const queue = new DriverQueue(this, index, size);
    this.set(0x30, index);
    this.set(0x38, size);
    if (this.transport.version === 1) {
      this.set(0x3c, 4096);
      this.set(0x40, queue.descriptors / 4096);
      return queue;
    }
    for (const [register, address] of [
      [0x80, queue.descriptors],
      [0x90, queue.available],
      [0xa0, queue.used],
    ] as const) {
      this.set(register, address >>> 0);
      this.set(register + 4, Math.floor(address / 2 ** 32));
    }
    this.set(0x44, 1);
    return queue;
  }

  /** Handles an interrupt like a driver: reads the cause and acknowledges it. */
  acknowledge(): number {
    const cause = this.get(0x60);
    this.set(0x64, cause);
    return cause;
  }
}
