// A process whose standard input and output are a guest's console.
import { type ChildProcess, spawn } from "node:child_process";
import { cpuMilliseconds, peakMemory } from "./process-usage.ts";

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)
  process.on(signal, () => process.exit(code));

/** How much of what came last is shown when something goes wrong. */
const TAIL = 1500;

export class GuestConsole {
  readonly name: string;
  readonly #child: ChildProcess;
  #output = "";
  #errors = "";
  #failure: string | undefined;
  #wake: () => void = () => {};

  /** @param name what messages call it */
  constructor(name: string, command: readonly string[]) {
    this.name = name;
    const [program = "", ...args] = command;
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    running.add(this.#child);
    const { stdin, stdout, stderr } = this.#child;
    stdout?.on("data", (chunk: Buffer) => {
      this.#output += chunk.toString("latin1");
      this.#wake();
    });
    stderr?.on("data", (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString("latin1")).slice(-TAIL);
    });
    // A process that is gone is told by its end.
    stdin?.on("error", () => {});
    this.#child.on("error", (error) => this.#ended(error.message));
    this.#child.on("close", (code, signal) => this.#ended(signal ?? `code ${code}`));
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /**
   * What was printed up to and with the match, which is then gone.
   * @throws Error when it does not come in time, or the process ends before
   */
  async until(pattern: RegExp, seconds: number): Promise<string> {
    const deadline = performance.now() + seconds * 1000;
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) {
        const end = match.index + match[0].length;
        const text = this.#output.slice(0, end);
        this.#output = this.#output.slice(end);
        return text;
      }
      const left = deadline - performance.now();
      if (this.#failure !== undefined) throw this.#problem(`ended with ${this.#failure}`);
      if (left <= 0) throw this.#problem(`did not show ${pattern} in ${seconds} s`);
      await this.#change(left);
    }
  }

  /** Milliseconds of processor time so far; undefined where the system does not tell. */
  cpuMilliseconds(): number | undefined {
    return cpuMilliseconds(this.#child.pid);
  }

  /** Bytes of memory at the highest so far; undefined where the system does not tell. */
  peakMemory(): number | undefined {
    return peakMemory(this.#child.pid);
  }

  /** Waits for the process to end by itself. */
  async ended(seconds: number): Promise<void> {
    const deadline = performance.now() + seconds * 1000;
    while (this.#failure === undefined && performance.now() < deadline)
      await this.#change(deadline - performance.now());
  }

  /** Ends the process, and waits until it is gone. */
  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended(5);
  }

  #ended(how: string): void {
    this.#failure ??= how;
    running.delete(this.#child);
    this.#wake();
  }

  #problem(what: string): Error {
    const tail = (this.#errors || this.#output.slice(-TAIL)).trim();
    return new Error(`${this.name} ${what}${tail === "" ? "" : `:\n${tail}`}`);
  }

  /** Waits for output or the end, but not longer than `milliseconds`. */
  #change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
