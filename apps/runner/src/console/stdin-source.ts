import type { InputStream } from "../io.js";

/** What happens to the bytes of standard input. */
export interface StdinHandlers {
  readonly onBytes: (bytes: Uint8Array) => void;
  /** There will be no more, for whatever reason. */
  readonly onEnd: () => void;
}

/** Reads standard input: a terminal, a pipe, a file, /dev/null, or something that cannot be read at all. */
export class StdinSource {
  readonly #stream: InputStream;
  readonly #handlers: StdinHandlers;
  #ended = false;
  #onEnded: () => void = () => {};

  constructor(stream: InputStream, handlers: StdinHandlers) {
    this.#stream = stream;
    this.#handlers = handlers;
    stream.on("data", this.#data);
    // An unreadable input is an input without bytes.
    for (const event of ["end", "close", "error"]) stream.on(event, this.#end);
    if (stream.destroyed || stream.readableEnded) this.#end();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Waits until the input has ended, but not longer than `milliseconds`. */
  async untilEnd(milliseconds: number): Promise<void> {
    if (this.#ended) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#onEnded = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Stops reading and lets the process end. The stream still may fail later; nobody cares then. */
  close(): void {
    this.#stream.off("data", this.#data);
    for (const event of ["end", "close"]) this.#stream.off(event, this.#end);
    this.#ended = true;
    this.#stream.pause();
    this.#stream.unref?.();
  }

  readonly #data = (chunk: Uint8Array | string): void => {
    if (this.#ended) return;
    this.#handlers.onBytes(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  };

  readonly #end = (): void => {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers.onEnd();
    this.#onEnded();
  };
}
