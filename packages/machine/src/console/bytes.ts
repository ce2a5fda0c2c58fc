import type { ComponentState, Stateful } from "../contracts.js";
import { StateReader } from "../state-reader.js";

const STATE_VERSION = 1;

/** Where a device's output goes. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

/** Where a device's input comes from. */
export interface ByteSource {
  /** The next byte, or -1 when there is none now. */
  read(): number;
  /** Number of bytes that `read` would give now. */
  readonly available: number;
  /** Calls back when bytes arrive after there were none. Returns the function that ends it. */
  onReadable(callback: () => void): () => void;
}

/** Bytes from the host on their way to a device, first in, first out. A snapshot may cover them. */
export class InputQueue implements ByteSource, Stateful {
  #bytes: number[] = [];
  /** Start of the unread part of `#bytes`. */
  #head = 0;
  readonly #callbacks: (() => void)[] = [];

  get available(): number {
    return this.#bytes.length - this.#head;
  }

  /** Adds bytes, or text as UTF-8. Call it between slices: a device may raise its interrupt at once. */
  push(input: Uint8Array | string): void {
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
    for (const byte of bytes) this.#bytes.push(byte);
    if (bytes.length > 0) for (const callback of [...this.#callbacks]) callback();
  }

  read(): number {
    if (this.available === 0) return -1;
    const byte = this.#bytes[this.#head++]!;
    if (this.#head >= 4096 || this.#head === this.#bytes.length) {
      this.#bytes = this.#bytes.slice(this.#head);
      this.#head = 0;
    }
    return byte;
  }

  /** The unread bytes, without taking them. */
  peek(): Uint8Array {
    return Uint8Array.from(this.#bytes.slice(this.#head));
  }

  clear(): void {
    this.#bytes = [];
    this.#head = 0;
  }

  state(): ComponentState {
    return { version: STATE_VERSION, bytes: this.peek() };
  }

  restore(state: ComponentState): void {
    const bytes = new StateReader("console input", state, STATE_VERSION).bytes("bytes");
    this.clear();
    this.push(bytes);
  }

  onReadable(callback: () => void): () => void {
    this.#callbacks.push(callback);
    return () => {
      const index = this.#callbacks.indexOf(callback);
      if (index >= 0) this.#callbacks.splice(index, 1);
    };
  }
}

/** A sink that keeps everything, for tests and for saved logs. */
export class OutputBuffer implements ByteSink {
  #chunks: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.#chunks.push(new Uint8Array(bytes));
  }

  bytes(): Uint8Array {
    const total = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const all = new Uint8Array(total);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [all];
    return all.slice();
  }

  text(): string {
    return new TextDecoder().decode(this.bytes());
  }
}

/** A sink for output nobody looks at. */
export const nullSink: ByteSink = { write() {} };
