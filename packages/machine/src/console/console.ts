import { type ByteSink, InputQueue } from "./bytes.js";
import { Watcher } from "./watcher.js";

/** One guest's console: what it prints goes to every sink, what is typed waits in `input`. */
export class Console implements ByteSink {
  readonly name: string;
  readonly input = new InputQueue();
  readonly #sinks: ByteSink[] = [];

  constructor(name: string, ...sinks: ByteSink[]) {
    this.name = name;
    this.#sinks.push(...sinks);
  }

  /** The next input byte, or -1 when there is none now: what a firmware console asks. */
  read(): number {
    return this.input.read();
  }

  /** Adds a sink. Returns the function that removes it. */
  attach(sink: ByteSink): () => void {
    this.#sinks.push(sink);
    return () => {
      const index = this.#sinks.indexOf(sink);
      if (index >= 0) this.#sinks.splice(index, 1);
    };
  }

  write(bytes: Uint8Array): void {
    for (const sink of [...this.#sinks]) sink.write(bytes);
  }

  /** Calls back at the first match of a pattern in the output from now on. */
  watch(pattern: RegExp, onMatch: (match: RegExpExecArray) => void): Watcher {
    const watcher = new Watcher(pattern, (match) => {
      detach();
      onMatch(match);
    });
    const detach = this.attach(watcher);
    return watcher;
  }

  /** The first match of a pattern in the output from now on. Never settles if there is none. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      this.watch(pattern, resolve);
    });
  }
}
