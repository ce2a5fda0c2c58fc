// A process around the command line that is a fake: streams in memory, signals at will.
import { EventEmitter } from "node:events";
import { PassThrough, Writable } from "node:stream";
import type { CliIo, InputStream } from "../src/io.js";
import type { ArchitectureTable } from "../src/machine/architectures.js";
import { main } from "../src/main.js";
import { FAKE_ARCHITECTURES } from "./fake-board.js";

/** A stream that keeps what is written, or fails. */
class Kept extends Writable {
  text = "";
  isTTY = false;
  failure: NodeJS.ErrnoException | undefined;

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (this.failure !== undefined) return done(this.failure);
    this.text += chunk.toString();
    done();
  }
}

/** A standard input; as a terminal it remembers every change of its mode. */
class FakeStdin extends PassThrough {
  isTTY = false;
  readonly modes: boolean[] = [];

  setRawMode(raw: boolean): void {
    this.modes.push(raw);
  }
}

export class FakeProcess {
  readonly stdin = new FakeStdin();
  readonly stdout = new Kept();
  readonly stderr = new Kept();
  readonly events = new EventEmitter();
  readonly exits: number[] = [];
  readonly env: Record<string, string> = {};

  readonly #architectures: ArchitectureTable;

  constructor(options: { readonly terminal?: boolean; readonly architectures?: ArchitectureTable } = {}) {
    this.#architectures = options.architectures ?? FAKE_ARCHITECTURES;
    this.stdin.isTTY = options.terminal === true;
    this.stdout.isTTY = options.terminal === true;
  }

  get io(): CliIo {
    return {
      stdin: () => this.stdin as InputStream,
      stdout: this.stdout,
      stderr: this.stderr,
      env: this.env,
      events: this.events,
      architectures: this.#architectures,
      exit: (code) => void this.exits.push(code),
    };
  }

  run(...args: string[]): Promise<number> {
    return main(args, this.io);
  }

  /** Waits until the console shows a text. */
  async shown(text: string): Promise<void> {
    while (!this.stdout.text.includes(text)) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A run to its end with given standard input. */
export async function run(args: readonly string[], input = "") {
  const process = new FakeProcess();
  process.stdin.end(input);
  const code = await process.run("run", ...args);
  return { code, out: process.stdout.text, err: process.stderr.text };
}
