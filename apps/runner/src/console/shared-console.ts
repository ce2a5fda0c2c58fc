import { PassThrough, Writable } from "node:stream";
import { type Console, ConsoleMux } from "@hypercraft/machine";
import type { CliIo, InputStream } from "../io.js";
import { ESCAPE_HELP } from "../terminal/escape-keys.js";
import { RawMode } from "../terminal/raw-mode.js";
import { type ConsoleChoice, SwitchKeys } from "../terminal/switch-keys.js";
import { StdinSource } from "./stdin-source.js";

/** Of a terminal that does not say how wide it is. */
const DEFAULT_COLUMNS = 80;
/** Numbers that a key can choose. */
const MOST_NUMBERED = 9;

/** The help of Ctrl-A h where there are several machines. */
export const SHARED_KEYS_HELP = `${ESCAPE_HELP}
  Ctrl-A n       gives keyboard and screen to the next machine
  Ctrl-A 1 to 9  gives them to the machine of that number`;

/** One machine's part of a console. */
export interface ConsoleShare {
  /** What stands for the process's streams: a keyboard, and output that is marked as its machine's. */
  readonly io: CliIo;
  /** The machine has ended: what it has begun of a line is shown, and the keyboard goes to another. */
  end(): void;
}

interface Member {
  readonly name: string;
  readonly console: Console;
  readonly keyboard: Keyboard;
  readonly output: Output;
  readonly errors: ErrorLines;
  /** It is not fed from a file. */
  readonly typedAt: boolean;
  ended: boolean;
}

/**
 * Standard input and output of a process with several machines. One of them has the keyboard, and on a terminal the screen;
 * of the others complete lines are shown, marked with their names.
 */
export class SharedConsole {
  readonly #io: CliIo;
  readonly #mux: ConsoleMux;
  readonly #members: Member[] = [];
  #source: StdinSource | undefined;
  #raw: RawMode | undefined;

  constructor(io: CliIo) {
    this.#io = io;
    const { stdout } = io;
    const columns = () => stdout.columns || DEFAULT_COLUMNS;
    this.#mux = new ConsoleMux(
      { write: (bytes) => void stdout.write(bytes) },
      stdout.isTTY === true ? { columns } : {},
    );
    stdout.on("error", this.#outputFailed);
  }

  /** @param typedAt whether it reads standard input at all. */
  add(name: string, typedAt: boolean): ConsoleShare {
    const console = this.#mux.add(name);
    const keyboard = new Keyboard();
    const output = new Output(console);
    const errors = new ErrorLines((line) => this.#tell(`[${name}] ${line}`));
    const member: Member = { name, console, keyboard, output, errors, typedAt, ended: false };
    this.#members.push(member);
    const stdin = () => {
      this.#open();
      return keyboard as InputStream;
    };
    return {
      io: { ...this.#io, stdin, stdout: output, stderr: errors },
      end: () => this.#ended(member),
    };
  }

  /** All machines are there: the first one that can be typed at gets the keyboard. */
  start(): void {
    const first = this.#members.find(({ typedAt }) => typedAt);
    if (first !== undefined) this.#mux.setFocus(first.name);
    if (first === undefined || !this.#interactive) return;
    const list = this.#members.map(({ name }, index) => `${index + 1} ${name}`).join(", ");
    this.#tell(`hypercraft: ${list}`);
    this.#tell(
      `hypercraft: keyboard: ${first.name}; Ctrl-A n or a number switches, Ctrl-A h shows more keys`,
    );
  }

  /** The terminal is the process's own again. */
  close(): void {
    this.#raw?.leave();
    this.#source?.close();
    this.#io.stdout.off("error", this.#outputFailed);
  }

  get #interactive(): boolean {
    return RawMode.possible(this.#io.stdin());
  }

  /** Standard input is opened when the first machine reads it. */
  #open(): void {
    if (this.#source !== undefined) return;
    const stdin = this.#io.stdin();
    const interactive = this.#interactive;
    const keys = new SwitchKeys({
      onBytes: (bytes) => this.#focused?.keyboard.type(bytes),
      onChoice: (choice) => this.#choose(choice),
      moreKeys: interactive,
    });
    for (const { keyboard } of this.#members) keyboard.isTTY = interactive;
    if (interactive) {
      this.#raw = new RawMode(stdin, this.#io.events);
      this.#raw.enter();
    }
    this.#source = new StdinSource(stdin, {
      onBytes: (bytes) => keys.feed(bytes),
      onEnd: () => {
        for (const { keyboard } of this.#members) keyboard.end();
      },
    });
  }

  get #focused(): Member | undefined {
    return this.#members.find(({ console }) => console === this.#mux.focus);
  }

  #choose(choice: ConsoleChoice): void {
    const members = this.#members;
    const from = members.indexOf(this.#focused!);
    const following = [...members.slice(from + 1), ...members.slice(0, from + 1)];
    const chosen = choice === "next" ? following.find(canBeTypedAt) : members[choice - 1];
    if (chosen === undefined) {
      if (choice !== "next") this.#status(`there is no machine ${choice}`);
      return;
    }
    if (!canBeTypedAt(chosen)) {
      this.#status(`${chosen.name} ${chosen.ended ? "has ended" : "has its input from a file"}`);
      return;
    }
    this.#mux.setFocus(chosen.name);
    this.#status(`keyboard: ${this.#numbered(chosen)}`);
  }

  #ended(member: Member): void {
    if (member.ended) return;
    member.ended = true;
    member.errors.endLine();
    const focused = this.#focused === member;
    const next = this.#members.find(canBeTypedAt);
    if (focused && next !== undefined) {
      this.#mux.flush(member.console);
      this.#mux.setFocus(next.name);
    }
    this.#mux.remove(member.console);
    if (focused && next !== undefined)
      this.#status(`${member.name} has ended; keyboard: ${this.#numbered(next)}`);
    else if (next !== undefined) this.#status(`${member.name} has ended`);
  }

  #numbered(member: Member): string {
    const number = this.#members.indexOf(member) + 1;
    return number <= MOST_NUMBERED ? `${number} ${member.name}` : member.name;
  }

  /** For the person at the terminal. */
  #status(text: string): void {
    if (this.#raw !== undefined) this.#tell(`hypercraft: ${text}`);
  }

  /** A line between the guests', for standard error; on a terminal where both are shown, it keeps clear of what is there. */
  #tell(line: string): void {
    const { stdout, stderr } = this.#io;
    if (stdout.isTTY === true && stderr.isTTY === true) this.#mux.say(line);
    else stderr.write(`${line}\n`);
  }

  readonly #outputFailed = (error: Error): void => {
    for (const { output } of this.#members) output.fail(error);
  };
}

function canBeTypedAt({ typedAt, ended }: Member): boolean {
  return typedAt && !ended;
}

/** A machine's share of the keyboard. The terminal is put into raw mode for all of them at once. */
class Keyboard extends PassThrough {
  isTTY = false;

  setRawMode(): this {
    return this;
  }

  type(bytes: Uint8Array): void {
    if (!this.writableEnded) this.write(bytes);
  }
}

/** Standard output as one machine sees it. */
class Output extends Writable {
  readonly #console: Console;

  constructor(console: Console) {
    super({ decodeStrings: true });
    this.#console = console;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#console.write(chunk);
    done();
  }

  /** What all write to cannot be written. */
  fail(error: Error): void {
    if (this.listenerCount("error") > 0) this.emit("error", error);
  }
}

/** Standard error as one machine sees it: complete lines go on. */
class ErrorLines extends Writable {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #line = "";

  constructor(onLine: (line: string) => void) {
    super({ decodeStrings: true });
    this.#onLine = onLine;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    const lines = (this.#line + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#line = lines.pop()!;
    for (const line of lines) this.#onLine(line);
    done();
  }

  endLine(): void {
    if (this.#line !== "") this.#onLine(this.#line);
    this.#line = "";
  }
}
