import type { Readable, Writable } from "node:stream";
import { ARCHITECTURES, type ArchitectureTable } from "./machine/architectures.js";

/** Standard input: a stream that may be a terminal. */
export interface InputStream extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  ref?(): unknown;
  unref?(): unknown;
}

/** Standard output or error: a stream that may be a terminal. */
export interface OutputStream extends Writable {
  readonly isTTY?: boolean;
  /** Of a terminal. */
  readonly columns?: number;
}

/** Signals and the end of the process, as `process` gives them. */
export interface ProcessEvents {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** All that the command line touches of the process around it. */
export interface CliIo {
  /** Opened at first use: a program that never reads leaves its terminal alone. */
  stdin(): InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly events: ProcessEvents;
  readonly architectures: ArchitectureTable;
  /** Ends the process at once: the second signal of an impatient user. */
  exit(code: number): void;
}

export function processIo(): CliIo {
  return {
    stdin: () => process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    events: process,
    architectures: ARCHITECTURES,
    exit: (code) => process.exit(code),
  };
}

/** One line on standard error, under the program's name. */
export function notice(io: Pick<CliIo, "stderr">, text: string): void {
  io.stderr.write(`hypercraft: ${text}\n`);
}
