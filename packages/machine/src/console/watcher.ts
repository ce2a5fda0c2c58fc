import type { ByteSink } from "./bytes.js";

/** Characters of output a pattern can look back over. */
const WINDOW = 65536;

/**
 * Watches console output for a regular expression (`--until`, tests that wait for a prompt). A match may run
 * over any number of writes, but over at most 64 Ki characters. Text is UTF-8; carriage returns are dropped,
 * so that `$` and `\n` work on a terminal's line ends.
 */
export class Watcher implements ByteSink {
  readonly pattern: RegExp;
  readonly #onMatch: (match: RegExpExecArray) => void;
  readonly #decoder = new TextDecoder();
  #text = "";
  #match: RegExpExecArray | undefined;

  /** @param onMatch called once, from within the write that completes the first match. */
  constructor(pattern: RegExp, onMatch: (match: RegExpExecArray) => void = () => {}) {
    // Stateful flags would make exec depend on earlier calls.
    this.pattern = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
    this.#onMatch = onMatch;
  }

  /** The first match, once there is one. */
  get match(): RegExpExecArray | undefined {
    return this.#match;
  }

  write(bytes: Uint8Array): void {
    if (this.#match !== undefined) return;
    this.#text += this.#decoder.decode(bytes, { stream: true }).replaceAll("\r", "");
    // Trimmed only now and then: most writes are of one byte.
    if (this.#text.length > 2 * WINDOW) this.#text = this.#text.slice(-WINDOW);
    const match = this.pattern.exec(this.#text);
    if (match === null) return;
    this.#match = match;
    this.#text = "";
    this.#onMatch(match);
  }
}
