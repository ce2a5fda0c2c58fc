import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ElfMachine, writeElf } from "./elf.js";

// Other people's tools as oracles. Test support: needs Node and the tools.

/** Does the command exist? */
export function runs(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A folder for the time of the call. */
export function inTemporaryFolder<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "hypercraft-oracle-"));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compile a C program for the host and use it. */
export function withCompiled<T>(source: string, body: (program: string) => T): T {
  return inTemporaryFolder((folder) => {
    const program = join(folder, "native");
    execFileSync("gcc", ["-O1", source, "-o", program]);
    return body(program);
  });
}

/** One text per instruction of what objdump writes: address, encoding, text. */
export function instructionLines(output: string): string[] {
  return output
    .split("\n")
    .map((line) => /^\s*[0-9a-f]+:\s+(?:[0-9a-f]{2}(?: [0-9a-f]{2})*|[0-9a-f]+)\s+(.*)$/.exec(line)?.[1])
    .filter((text) => text !== undefined);
}

/** A program for a user-mode emulator, entered at its first byte. */
export interface EmulatedProgram {
  readonly image: Uint8Array;
  readonly base: number;
  /** Bytes the program writes before it exits. */
  readonly written: number;
}

/** What the program writes to standard output under a user-mode emulator. Throws an `Error` if it is too short. */
export function runEmulated(
  command: string,
  options: readonly string[],
  program: EmulatedProgram,
  machine: ElfMachine,
): Uint8Array {
  return runFile(program, machine, (file) => [command, ...options, file]);
}

/** The same on the host, whose architecture it has to be. */
export function runNative(program: EmulatedProgram, machine: ElfMachine): Uint8Array {
  return runFile(program, machine, (file) => [file]);
}

function runFile(
  { image, base, written }: EmulatedProgram,
  machine: ElfMachine,
  commandOf: (file: string) => readonly string[],
): Uint8Array {
  return inTemporaryFolder((folder) => {
    const file = join(folder, "cases");
    writeFileSync(file, writeElf(image, base, base, machine));
    chmodSync(file, 0o755);
    const [command = "", ...operands] = commandOf(file);
    const output = execFileSync(command, operands, {
      maxBuffer: 1 << 28,
      timeout: 60_000,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (output.length !== written) throw new Error(`the program wrote ${output.length} bytes`);
    return output;
  });
}
