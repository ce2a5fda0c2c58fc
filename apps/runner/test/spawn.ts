// Runs the command line as a process of its own, from its sources.
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const environment = { ...process.env, TSX_TSCONFIG_PATH: `${root}tsconfig.tests.json`, NO_COLOR: "1" };

/** `cli` is the real one, `fake-cli` has a machine that is a fake. */
export type Program = "cli" | "fake-cli";

/** The words that run a program. */
export function commandLine(program: Program, args: readonly string[]): string[] {
  const file = fileURLToPath(new URL(`${program}.ts`, import.meta.url));
  return [process.execPath, "--import", import.meta.resolve("tsx"), file, ...args];
}

type Stdio = "pipe" | "ignore" | number;

/** A process with what it has printed so far. */
export class Child {
  readonly process: ChildProcess;
  out = "";
  err = "";
  readonly #end: Promise<number | string>;

  constructor(words: readonly string[], stdio: readonly [Stdio, Stdio, Stdio] = ["pipe", "pipe", "pipe"]) {
    const [command = "", ...args] = words;
    this.process = spawn(command, args, { env: environment, stdio: [...stdio] });
    this.process.stdout?.on("data", (chunk: Buffer) => {
      this.out += chunk.toString();
    });
    this.process.stderr?.on("data", (chunk: Buffer) => {
      this.err += chunk.toString();
    });
    this.#end = new Promise((resolve) => {
      this.process.on("close", (code, signal) => resolve(code ?? signal ?? "?"));
    });
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  type(text: string): void {
    this.process.stdin?.write(text);
  }

  /** Waits until standard output has the text, as long as the test's time allows. */
  async shows(text: string): Promise<void> {
    while (!this.out.includes(text)) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** Exit code or signal, once everything is printed. */
  async exit(): Promise<number | string> {
    return this.#end;
  }
}

/** Runs a program to its end with given input. */
export async function runProgram(program: Program, args: readonly string[], input = "") {
  const child = new Child(commandLine(program, args));
  child.process.stdin?.end(input);
  const code = await child.exit();
  return { code, out: child.out, err: child.err };
}
