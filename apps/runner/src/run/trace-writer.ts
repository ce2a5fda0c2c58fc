import type { OutputStream } from "../io.js";

const BATCH = 64 * 1024;

/** Lines of a trace on their way to a stream: there are millions of them, so they go in large pieces. */
export class TraceWriter {
  readonly #stream: OutputStream;
  #text = "";

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  /** Bound: it is handed out as a callback. */
  readonly line = (text: string): void => {
    this.#text += `${text}\n`;
    if (this.#text.length >= BATCH) this.flush();
  };

  flush(): void {
    if (this.#text !== "") this.#stream.write(this.#text);
    this.#text = "";
  }
}
