import type { InputStream, ProcessEvents } from "../io.js";

/**
 * A terminal in raw mode: every key goes to the guest, and nothing is echoed by the host. However the process
 * ends, short of SIGKILL, the terminal is put back: by `leave`, or else by the process's "exit" event.
 */
export class RawMode {
  readonly #stdin: InputStream;
  readonly #events: ProcessEvents;
  #raw = false;

  constructor(stdin: InputStream, events: ProcessEvents) {
    this.#stdin = stdin;
    this.#events = events;
  }

  /** Whether the stream is a terminal that can be raw. */
  static possible(stdin: InputStream): boolean {
    return stdin.isTTY === true && stdin.setRawMode !== undefined;
  }

  enter(): void {
    if (this.#raw) return;
    this.#raw = true;
    this.#stdin.setRawMode?.(true);
    this.#events.on("exit", this.leave);
    this.#events.on("SIGCONT", this.#again);
  }

  /** Bound: it is a listener as well. */
  readonly leave = (): void => {
    if (!this.#raw) return;
    this.#raw = false;
    this.#events.off("exit", this.leave);
    this.#events.off("SIGCONT", this.#again);
    try {
      this.#stdin.setRawMode?.(false);
    } catch {
      // The terminal is gone: it has hung up.
    }
  };

  /** A shell sets its terminal anew while a stopped job is in the background. */
  readonly #again = (): void => {
    this.#stdin.setRawMode?.(false);
    this.#stdin.setRawMode?.(true);
  };
}
