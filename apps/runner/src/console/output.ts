import type { OutputStream } from "../io.js";

const NEWLINE = 0x0a;

/**
 * The stream that a guest's console goes to. Its reader may go away (EPIPE) or its file system be full: that
 * is told once, and what is written afterwards is dropped.
 */
export class ConsoleOutput {
  readonly #stream: OutputStream;
  readonly #onError: (error: NodeJS.ErrnoException) => void;
  #broken = false;
  #lastByte = NEWLINE;

  constructor(stream: OutputStream, onError: (error: NodeJS.ErrnoException) => void) {
    this.#stream = stream;
    this.#onError = onError;
    stream.on("error", this.#fail);
  }

  /** The bytes must not change afterwards. */
  write(bytes: Uint8Array): void {
    if (!this.#broken) this.#stream.write(bytes);
    this.#lastByte = bytes.at(-1) ?? this.#lastByte;
  }

  /** On a terminal, begins a new line unless the guest has just done so: for messages of our own. */
  freshLine(): void {
    if (this.#stream.isTTY === true && this.#lastByte !== NEWLINE) this.write(Uint8Array.of(0x0d, NEWLINE));
  }

  /** Stops listening for errors. */
  close(): void {
    this.#stream.off("error", this.#fail);
  }

  readonly #fail = (error: NodeJS.ErrnoException): void => {
    if (this.#broken) return;
    this.#broken = true;
    this.#onError(error);
  };
}

/** Resolves when everything written so far has left the process, or cannot. */
export function flushed(stream: OutputStream): Promise<void> {
  if (stream.destroyed || stream.writableEnded || stream.errored) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}
