import { MachineError } from "../errors.js";
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

/**
 * Several guests on one terminal. Input goes to the console in focus. With one console, output passes
 * through as it is; with more, each line starts with the console's name.
 */
export class ConsoleMux {
  readonly #sink: ByteSink;
  readonly #consoles: Console[] = [];
  #focus: Console | undefined;
  /** Console that the unfinished line on the terminal belongs to. */
  #lineOf: Console | undefined;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  get consoles(): readonly Console[] {
    return this.#consoles;
  }

  /** The console that input goes to: the first one added unless changed. */
  get focus(): Console | undefined {
    return this.#focus;
  }

  /** @throws MachineError `Overlap` when the name is taken. */
  add(name: string): Console {
    if (this.#consoles.some((other) => other.name === name)) {
      throw new MachineError("Overlap", `there is already a console '${name}'`);
    }
    const console: Console = new Console(name, { write: (bytes) => this.#write(console, bytes) });
    this.#consoles.push(console);
    this.#focus ??= console;
    return console;
  }

  /** @throws MachineError `NotFound`. */
  setFocus(name: string): Console {
    const console = this.#consoles.find((other) => other.name === name);
    if (console === undefined) throw new MachineError("NotFound", `there is no console '${name}'`);
    this.#focus = console;
    return console;
  }

  /** Moves the focus to the next console, in the order they were added. */
  focusNext(): Console | undefined {
    const index = this.#focus === undefined ? -1 : this.#consoles.indexOf(this.#focus);
    this.#focus = this.#consoles[(index + 1) % Math.max(1, this.#consoles.length)];
    return this.#focus;
  }

  /** Input from the terminal. */
  input(bytes: Uint8Array | string): void {
    this.#focus?.input.push(bytes);
  }

  #write(console: Console, bytes: Uint8Array): void {
    if (this.#consoles.length < 2) {
      this.#sink.write(bytes);
      return;
    }
    const prefix = new TextEncoder().encode(`[${console.name}] `);
    const out: number[] = [];
    if (this.#lineOf !== undefined && this.#lineOf !== console) {
      out.push(0x0d, 0x0a);
      this.#lineOf = undefined;
    }
    for (const byte of bytes) {
      if (this.#lineOf === undefined) {
        // Carriage returns before a line's first character would put the prefix on a line of its own.
        if (byte !== 0x0a && byte !== 0x0d) {
          out.push(...prefix);
          this.#lineOf = console;
        }
      }
      out.push(byte);
      if (byte === 0x0a) this.#lineOf = undefined;
    }
    this.#sink.write(Uint8Array.from(out));
  }
}
