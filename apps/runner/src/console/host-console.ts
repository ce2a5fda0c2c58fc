import type { Console } from "@hypercraft/hypercraft";
import { type ByteSink, InputQueue } from "@hypercraft/machine";

const BATCH = 32 * 1024;
const NEWLINE = 0x0a;

/** The guest's console on the host's side. Guests write byte by byte: bytes are collected before the sinks get them. */
export class HostConsole implements Console {
  readonly #input = new InputQueue();
  readonly #sinks: readonly ByteSink[];
  readonly #flushesItself: boolean;
  #batch = new Uint8Array(BATCH);
  #length = 0;
  #scheduled: NodeJS.Immediate | undefined;

  /**
   * @param flush `when-idle`: as soon as the event loop has its turn, which is after each slice of the guest.
   * `by-line`: at each line's end, and when the run loop calls `flush`, which are the same points in every run.
   */
  constructor(flush: "when-idle" | "by-line", sinks: readonly ByteSink[]) {
    this.#flushesItself = flush === "when-idle";
    this.#sinks = sinks;
  }

  write(bytes: Uint8Array): void {
    if (this.#length + bytes.length > BATCH) this.flush();
    if (bytes.length > BATCH) {
      this.#send(bytes.slice());
      return;
    }
    this.#batch.set(bytes, this.#length);
    this.#length += bytes.length;
    if (this.#flushesItself) this.#scheduled ??= setImmediate(() => this.flush());
    else if (bytes.includes(NEWLINE)) this.flush();
  }

  read(): number {
    return this.#input.read();
  }

  /** Gives the sinks what has been collected. */
  flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#length === 0) return;
    const bytes = this.#batch.slice(0, this.#length);
    this.#length = 0;
    this.#send(bytes);
  }

  /** Queues input for the guest; the machine must be told. */
  feed(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /** Takes back input that a machine had taken and its guest had not: it comes before all other. */
  giveBack(bytes: Uint8Array): void {
    const later = this.#input.peek();
    this.#input.clear();
    this.#input.push(bytes);
    this.#input.push(later);
  }

  #send(bytes: Uint8Array): void {
    for (const sink of this.#sinks) sink.write(bytes);
  }
}
