import type { ComponentState, GuestMemory } from "../../contracts.js";
import { hex } from "../../errors.js";
import { StateReader } from "../../state-reader.js";
import { Chain, type Segment } from "./chain.js";
import { AVAIL_NO_INTERRUPT, DESC_INDIRECT, DESC_NEXT, DESC_SIZE, DESC_WRITE } from "./constants.js";

const STATE_VERSION = 1;

/** Longest chain served, direct or indirect. Real drivers stay below 300; the bound stops endless tables. */
const MAX_CHAIN = 1024;

/** Drivers that take a larger queue than they were offered get it, as with QEMU, up to this size. */
const LARGEST = 1024;

/** What a queue consists of, each at an address of its own. */
export type QueuePart = "descriptors" | "available" | "used";

/** The driver broke the protocol. Caught by the transport, which then needs a reset. */
export class VirtioFault extends Error {
  override readonly name = "VirtioFault";
}

/** What a queue may rely on, from feature negotiation. */
export interface QueueFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
}

/**
 * A split virtqueue (section 2.7), device side. Addresses are guest physical. Methods throw `VirtioFault` when
 * the driver's rings make no sense, and nothing else whatever they hold.
 */
export class VirtQueue {
  readonly index: number;
  /** Size that the device offers, 0 if there is no such queue. */
  readonly maxSize: number;
  size: number;
  ready = false;
  descriptors = 0;
  available = 0;
  used = 0;
  features: QueueFeatures = { indirect: false, eventIndex: false };

  readonly #memory: GuestMemory;
  readonly #interrupt: () => void;
  /** Entries taken from the available ring, modulo 2^16. */
  #taken = 0;
  /** Entries put into the used ring, modulo 2^16. */
  #given = 0;
  /** `#given` when the driver was last interrupted (or told that it need not be). */
  #signalled = 0;

  /** @param interrupt tells the driver that there are used buffers. */
  constructor(index: number, maxSize: number, memory: GuestMemory, interrupt: () => void) {
    this.index = index;
    this.maxSize = maxSize;
    this.size = maxSize;
    this.#memory = memory;
    this.#interrupt = interrupt;
  }

  reset(): void {
    this.size = this.maxSize;
    this.ready = false;
    this.descriptors = 0;
    this.available = 0;
    this.used = 0;
    this.#taken = 0;
    this.#given = 0;
    this.#signalled = 0;
  }

  /** Sets 32 of the 64 bits of a part's address. Beyond 2^53 low bits are lost: no RAM is there, and the queue is refused. */
  placeHalf(part: QueuePart, high: boolean, value: number): void {
    const address = this[part];
    this[part] = high
      ? value * 2 ** 32 + (address % 2 ** 32)
      : Math.floor(address / 2 ** 32) * 2 ** 32 + value;
  }

  /** Takes the addresses and size as they are now. Throws `VirtioFault` when they cannot be a queue. */
  enable(): void {
    const { size } = this;
    const most = this.maxSize > 0 ? LARGEST : 0;
    if (size < 1 || size > most || (size & (size - 1)) !== 0)
      throw new VirtioFault(`queue ${this.index} has size ${size}, not a power of two up to ${most}`);
    const parts = [
      ["descriptor table", this.descriptors, DESC_SIZE * size, 16],
      ["available ring", this.available, 6 + 2 * size, 2],
      ["used ring", this.used, 6 + 8 * size, 4],
    ] as const;
    for (const [name, address, length, alignment] of parts) {
      if (address % alignment !== 0 || !this.#memory.contains(address, length)) {
        throw new VirtioFault(
          `${name} of queue ${this.index} at ${hex(address)} is misaligned or not in RAM`,
        );
      }
    }
    this.#taken = 0;
    this.#given = 0;
    this.#signalled = 0;
    this.ready = true;
  }

  /** The next buffer the driver made available, or undefined when there is none. */
  pop(): Chain | undefined {
    if (!this.ready) return undefined;
    const memory = this.#memory;
    const waiting = (memory.readU16(this.available + 2) - this.#taken) & 0xffff;
    if (waiting > this.size) {
      throw new VirtioFault(`queue ${this.index} of size ${this.size} has ${waiting} buffers available`);
    }
    if (waiting === 0) {
      // All taken: the driver shall notify for the next one.
      if (this.features.eventIndex) memory.writeU16(this.used + 4 + 8 * this.size, this.#taken);
      return undefined;
    }
    const head = memory.readU16(this.available + 4 + 2 * (this.#taken & (this.size - 1)));
    const chain = this.#parse(head);
    this.#taken = (this.#taken + 1) & 0xffff;
    return chain;
  }

  /** Makes a chain again from its saved form, after a restore. */
  rebuild(head: number, readable: readonly Segment[], writable: readonly Segment[]): Chain {
    for (const { address, length } of [...readable, ...writable]) this.#segment(address, length);
    return new Chain(this.#memory, head, readable, writable);
  }

  /** Gives a buffer back, `written` bytes of it filled. Call `signal` when a batch is complete. */
  push(chain: Chain, written = chain.written): void {
    if (!this.ready) return;
    const entry = this.used + 4 + 8 * (this.#given & (this.size - 1));
    this.#memory.writeU32(entry, chain.head);
    this.#memory.writeU32(entry + 4, Math.min(written, 0xffff_ffff));
    this.#given = (this.#given + 1) & 0xffff;
    this.#memory.writeU16(this.used + 2, this.#given);
  }

  /** Interrupts the driver if buffers were given back and it wants to know (section 2.7.7). */
  signal(): void {
    if (!this.ready) return;
    const old = this.#signalled;
    const now = this.#given;
    if (old === now) return;
    this.#signalled = now;
    if (this.features.eventIndex) {
      const event = this.#memory.readU16(this.available + 4 + 2 * this.size);
      if (((now - event - 1) & 0xffff) < ((now - old) & 0xffff)) this.#interrupt();
    } else if ((this.#memory.readU16(this.available) & AVAIL_NO_INTERRUPT) === 0) {
      this.#interrupt();
    }
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      size: this.size,
      ready: this.ready,
      descriptors: this.descriptors,
      available: this.available,
      used: this.used,
      taken: this.#taken,
      given: this.#given,
      signalled: this.#signalled,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader(`virtqueue ${this.index}`, state, STATE_VERSION);
    this.reset();
    this.size = reader.u32("size");
    this.descriptors = reader.integer("descriptors");
    this.available = reader.integer("available");
    this.used = reader.integer("used");
    if (reader.flag("ready")) this.enable();
    this.#taken = reader.u16("taken");
    this.#given = reader.u16("given");
    this.#signalled = reader.u16("signalled");
  }

  #parse(head: number): Chain {
    const memory = this.#memory;
    const readable: Segment[] = [];
    const writable: Segment[] = [];
    let table = this.descriptors;
    let tableSize = this.size;
    let index = head;
    let indirect = false;
    for (let count = 0; ; ) {
      if (index >= tableSize) {
        throw new VirtioFault(`queue ${this.index} has descriptor ${index} of a table of ${tableSize}`);
      }
      const at = table + DESC_SIZE * index;
      const address = memory.readU32(at) + memory.readU32(at + 4) * 2 ** 32;
      const length = memory.readU32(at + 8);
      const flags = memory.readU16(at + 12);
      if ((flags & DESC_INDIRECT) !== 0) {
        if (!this.features.indirect || indirect || (flags & DESC_NEXT) !== 0) {
          throw new VirtioFault(`queue ${this.index} has an indirect descriptor where none may be`);
        }
        if (length === 0 || length % DESC_SIZE !== 0) {
          throw new VirtioFault(`queue ${this.index} has an indirect table of ${length} bytes`);
        }
        this.#segment(address, length);
        indirect = true;
        table = address;
        tableSize = length / DESC_SIZE;
        index = 0;
        count = 0;
        continue;
      }
      const segment = this.#segment(address, length);
      if ((flags & DESC_WRITE) !== 0) writable.push(segment);
      else if (writable.length === 0) readable.push(segment);
      else throw new VirtioFault(`queue ${this.index} has a readable descriptor behind a writable one`);
      count++;
      if ((flags & DESC_NEXT) === 0) return new Chain(memory, head, readable, writable);
      // A chain with more parts than its table has descriptors runs in a circle.
      if (count >= Math.min(tableSize, MAX_CHAIN)) {
        throw new VirtioFault(`queue ${this.index} has a descriptor chain without an end`);
      }
      index = memory.readU16(at + 14);
    }
  }

  #segment(address: number, length: number): Segment {
    if (length !== 0 && !this.#memory.contains(address, length)) {
      throw new VirtioFault(
        `queue ${this.index} has a buffer of ${length} bytes at ${hex(address)}, not in RAM`,
      );
    }
    return { address, length };
  }
}
