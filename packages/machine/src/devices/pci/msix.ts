import type { ComponentState, DeviceWidth, MmioDevice, Stateful } from "../../contracts.js";
import { StateReader } from "../../state-reader.js";
import { readValue } from "../../values.js";
import type { ConfigSpace } from "./config-space.js";

/** A write to memory that means an interrupt. */
export type MessageSink = (address: number, data: number) => void;

const STATE_VERSION = 1;

const ENTRY_SIZE = 16;
/** Where the pending bits are behind the table, in the same BAR. */
const PENDING = 0x800;
/** Bytes of the BAR that holds both. */
export const MSIX_BAR_SIZE = 0x1000;
/** Bytes of the capability. */
export const MSIX_CAPABILITY_SIZE = 12;

const CONTROL = 2;
const FUNCTION_MASK = 0x40;
const ENABLE = 0x80;
/** Of an entry: the word with the mask bit. */
const VECTOR_CONTROL = 12;

export interface MsiXOptions {
  readonly config: ConfigSpace;
  /** Offset of the capability in it. */
  readonly capability: number;
  /** The BAR where table and pending bits are. */
  readonly bar: number;
  /** 1 to 128. */
  readonly vectors: number;
  readonly send: MessageSink;
}

/** Message-signalled interrupts with a table (PCI local bus specification 3.0, 6.8.2). */
export class MsiX implements Stateful {
  readonly vectors: number;
  readonly #config: ConfigSpace;
  readonly #capability: number;
  readonly #send: MessageSink;
  readonly #table: DataView;
  readonly #pending: Uint8Array;

  constructor({ config, capability, bar, vectors, send }: MsiXOptions) {
    this.vectors = vectors;
    this.#config = config;
    this.#capability = capability;
    this.#send = send;
    this.#table = new DataView(new ArrayBuffer(ENTRY_SIZE * vectors));
    this.#pending = new Uint8Array(8 * Math.ceil(vectors / 64));
    config.define({
      offset: capability + CONTROL,
      width: 2,
      value: vectors - 1,
      writable: (ENABLE | FUNCTION_MASK) << 8,
    });
    config.define({ offset: capability + 4, width: 4, value: bar });
    config.define({ offset: capability + 8, width: 4, value: PENDING | bar });
    this.reset();
  }

  /** The function interrupts by messages, and by nothing else. */
  get enabled(): boolean {
    return (this.#control & ENABLE) !== 0;
  }

  /** Table and pending bits, for the BAR. */
  readonly registers: MmioDevice = {
    read: (offset, width) => this.#read(offset, width),
    write: (offset, width, value) => {
      // Only words and their pairs are defined; pending bits cannot be written.
      if (width !== 4 || offset + 4 > this.#table.byteLength) return;
      this.#table.setUint32(offset, value, true);
      this.update();
    },
  };

  reset(): void {
    for (let vector = 0; vector < this.vectors; vector++) {
      for (let word = 0; word < VECTOR_CONTROL; word += 4)
        this.#table.setUint32(ENTRY_SIZE * vector + word, 0);
      this.#table.setUint32(ENTRY_SIZE * vector + VECTOR_CONTROL, 1, true);
    }
    this.#pending.fill(0);
  }

  /** Interrupts by a vector: now, or when it is masked no more. */
  signal(vector: number): void {
    if (!this.enabled || vector >= this.vectors) return;
    if (this.#masked(vector)) this.#setPending(vector, true);
    else this.#message(vector);
  }

  /** Masks may have changed: sends what waited for that. */
  update(): void {
    if (!this.enabled) return;
    for (let vector = 0; vector < this.vectors; vector++) {
      if (!this.#isPending(vector) || this.#masked(vector)) continue;
      this.#setPending(vector, false);
      this.#message(vector);
    }
  }

  state(): ComponentState {
    const table = [...new Uint8Array(this.#table.buffer)];
    return { version: STATE_VERSION, table, pending: [...this.#pending] };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("MSI-X", state, STATE_VERSION);
    const table = reader.integers("table", this.#table.byteLength, 255);
    const pending = reader.integers("pending", this.#pending.length, 255);
    if (table.length !== this.#table.byteLength) throw reader.bad("table");
    if (pending.length !== this.#pending.length) throw reader.bad("pending");
    new Uint8Array(this.#table.buffer).set(table);
    this.#pending.set(pending);
  }

  get #control(): number {
    return this.#config.bytes[this.#capability + CONTROL + 1]!;
  }

  #read(offset: number, width: DeviceWidth): number {
    if (offset + width <= this.#table.byteLength) return readValue(this.#table, offset, width);
    const at = offset - PENDING;
    if (at < 0 || at + width > this.#pending.length) return 0;
    return readValue(new DataView(this.#pending.buffer), at, width);
  }

  #masked(vector: number): boolean {
    if ((this.#control & FUNCTION_MASK) !== 0) return true;
    return (this.#table.getUint32(ENTRY_SIZE * vector + VECTOR_CONTROL, true) & 1) !== 0;
  }

  #message(vector: number): void {
    const at = ENTRY_SIZE * vector;
    const address = this.#table.getUint32(at, true) + this.#table.getUint32(at + 4, true) * 2 ** 32;
    this.#send(address, this.#table.getUint32(at + 8, true));
  }

  #isPending(vector: number): boolean {
    return ((this.#pending[vector >> 3]! >> (vector & 7)) & 1) === 1;
  }

  #setPending(vector: number, on: boolean): void {
    const bit = 1 << (vector & 7);
    const old = this.#pending[vector >> 3]!;
    this.#pending[vector >> 3] = on ? old | bit : old & ~bit;
  }
}
