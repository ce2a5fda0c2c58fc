import type { CliIo } from "../io.js";
import { type EscapeCommand, EscapeKeys } from "../terminal/escape-keys.js";
import { RawMode } from "../terminal/raw-mode.js";
import { StdinSource } from "./stdin-source.js";

/** Where the guest's console input comes from, as far as a run has to know. */
export interface GuestInput {
  /** A person sits there. */
  readonly interactive: boolean;
  /** Nothing more will come. */
  readonly ended: boolean;
  /** Resolves when the guest may start. */
  readonly ready: Promise<void>;
  /** Puts the terminal back and stops reading. */
  close(): void;
}

export interface GuestInputOptions {
  readonly io: CliIo;
  /** All input there will be; standard input is then left alone. */
  readonly bytes?: Uint8Array;
  readonly deterministic: boolean;
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onEnd: () => void;
  readonly onCommand: (command: EscapeCommand) => void;
  /** Input came whose time of arrival is not reproducible. */
  readonly onLateInput: () => void;
}

/** How long a deterministic run waits for input from a pipe, which it then has before its first instruction. */
const PIPE_PATIENCE_MS = 100;

/** Opens the input of a guest: given bytes, the terminal in raw mode, or whatever standard input is. */
export function openGuestInput(options: GuestInputOptions): GuestInput {
  const { io, bytes } = options;
  if (bytes !== undefined) {
    options.onBytes(bytes);
    return { interactive: false, ended: true, ready: Promise.resolve(), close() {} };
  }
  const stdin = io.stdin();
  return RawMode.possible(stdin) ? terminalInput(options) : pipeInput(options);
}

function terminalInput({ io, onBytes, onEnd, onCommand }: GuestInputOptions): GuestInput {
  const stdin = io.stdin();
  const keys = new EscapeKeys(onCommand);
  const raw = new RawMode(stdin, io.events);
  raw.enter();
  const source = new StdinSource(stdin, { onBytes: (bytes) => onBytes(keys.filter(bytes)), onEnd });
  return {
    interactive: true,
    get ended() {
      return source.ended;
    },
    ready: Promise.resolve(),
    close() {
      raw.leave();
      source.close();
    },
  };
}

function pipeInput({ io, deterministic, onBytes, onEnd, onLateInput }: GuestInputOptions): GuestInput {
  let started = false;
  let warned = false;
  const source = new StdinSource(io.stdin(), {
    onBytes(bytes) {
      if (deterministic && started && !warned) {
        warned = true;
        onLateInput();
      }
      onBytes(bytes);
    },
    onEnd,
  });
  const start = async () => {
    if (deterministic) await source.untilEnd(PIPE_PATIENCE_MS);
    started = true;
  };
  return {
    interactive: false,
    get ended() {
      return source.ended;
    },
    ready: start(),
    close: () => source.close(),
  };
}
