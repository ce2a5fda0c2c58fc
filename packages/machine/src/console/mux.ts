import { MachineError } from "../errors.js";
import type { ByteSink } from "./bytes.js";
import { Console } from "./console.js";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** Bytes of a line that are kept; a longer one is shown in pieces. */
const LONGEST_LINE = 8192;
const ESCAPE = "\x1b";
const ERASE_LINE = `\r${ESCAPE}[K`;
/** Control sequences that a terminal answers as if somebody typed: for its cursor's position, its status, its kind. */
const QUERIES = new RegExp(`${ESCAPE}\\[[?>=]?[\\d;]*[nc]|${ESCAPE}Z`, "g");
const text = new TextEncoder();
const NOTHING = new Uint8Array(0);

export interface ConsoleMuxOptions {
  /**
   * The sink is a terminal of so many columns, at which a person sits: the console in focus has it to itself, and the
   * lines of others appear above the one that it is about to write. Without it, the sink is for reading afterwards.
   */
  readonly columns?: () => number;
}

/**
 * Several guests on one terminal, or in one file. Input goes to the console in focus. Output comes in lines that begin
 * with the console's name, as soon as they are complete, so that no line is of two guests; on a terminal, that of the
 * console in focus comes as it is. A console that is alone from first to last passes through.
 */
export class ConsoleMux {
  readonly #sink: ByteSink;
  readonly #columns: (() => number) | undefined;
  readonly #consoles: Console[] = [];
  /** What each has written since its last line's end. */
  readonly #lines = new Map<Console, Uint8Array>();
  #focus: Console | undefined;
  /** There are several, or were. */
  #several = false;

  constructor(sink: ByteSink, { columns }: ConsoleMuxOptions = {}) {
    this.#sink = sink;
    this.#columns = columns;
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
    this.#lines.set(console, NOTHING);
    this.#several ||= this.#consoles.length > 1;
    this.#focus ??= console;
    return console;
  }

  /** Shows what a console has written of a line, and forgets it; the next one has the focus if it had that. */
  remove(console: Console): void {
    const index = this.#consoles.indexOf(console);
    if (index < 0) return;
    this.flush(console);
    this.#consoles.splice(index, 1);
    this.#lines.delete(console);
    if (this.#focus !== console) return;
    this.#focus = this.#consoles[index % Math.max(1, this.#consoles.length)];
    this.#showLine();
  }

  /** @throws MachineError `NotFound`. */
  setFocus(name: string): Console {
    const console = this.#consoles.find((other) => other.name === name);
    if (console === undefined) throw new MachineError("NotFound", `there is no console '${name}'`);
    this.#moveFocus(console);
    return console;
  }

  /** Moves the focus to the next console, in the order they were added. */
  focusNext(): Console | undefined {
    const index = this.#focus === undefined ? -1 : this.#consoles.indexOf(this.#focus);
    const next = this.#consoles[(index + 1) % Math.max(1, this.#consoles.length)];
    if (next !== undefined) this.#moveFocus(next);
    return next;
  }

  /** Input from the terminal. */
  input(bytes: Uint8Array | string): void {
    this.#focus?.input.push(bytes);
  }

  /** Shows a text of the host's own, of one or several lines, between those of the guests. */
  say(message: string): void {
    const lines = message.split("\n").flatMap((line) => [text.encode(line), this.#newline]);
    this.#insert(join(lines));
  }

  /** Ends a console's unfinished line: nothing more comes, for now. */
  flush(console: Console): void {
    const line = this.#lines.get(console) ?? NOTHING;
    if (line.length === 0 || !this.#several) return;
    if (this.#isRaw(console)) this.#send(this.#newline);
    else this.#insert(join([this.#marked(console, line), this.#newline]));
    this.#lines.set(console, NOTHING);
  }

  #write(console: Console, bytes: Uint8Array): void {
    if (!this.#lines.has(console)) return;
    if (!this.#several || this.#isRaw(console)) {
      this.#send(bytes);
      this.#lines.set(console, unfinished(this.#lines.get(console)!, bytes));
      return;
    }
    const out: Uint8Array[] = [];
    let line = join([this.#lines.get(console)!, bytes]);
    for (let end = lineEnd(line); end > 0; end = lineEnd(line)) {
      out.push(this.#marked(console, line.subarray(0, end)));
      if (line[end - 1] !== NEWLINE) out.push(this.#newline);
      line = line.subarray(end);
    }
    this.#lines.set(console, line.slice());
    if (out.length > 0) this.#insert(join(out));
  }

  #marked(console: Console, line: Uint8Array): Uint8Array {
    // Behind a return, the line would be written over its mark.
    const start = line.findIndex((byte) => byte !== RETURN);
    const shown = start < 0 || line[start] === NEWLINE ? line : line.subarray(start);
    // The answer would be typed at the one in focus.
    const safe = this.#columns === undefined ? shown : withoutQueries(shown);
    return join([text.encode(`[${console.name}] `), safe]);
  }

  /** Whether its output passes through as it comes. */
  #isRaw(console: Console): boolean {
    return this.#columns !== undefined && console === this.#focus;
  }

  #moveFocus(console: Console): void {
    if (console === this.#focus) return;
    // What the other one has begun stays to be seen.
    if (this.#begun.length > 0) this.#send(this.#newline);
    this.#focus = console;
    this.#showLine();
  }

  /** What ends a line of our own. */
  get #newline(): Uint8Array {
    return text.encode(this.#columns === undefined ? "\n" : "\r\n");
  }

  /** The line on the terminal that its console has begun, to be shown again. */
  get #begun(): Uint8Array {
    const { focus } = this;
    const line = focus !== undefined && this.#isRaw(focus) ? this.#lines.get(focus) : undefined;
    return line === undefined ? NOTHING : withoutQueries(line);
  }

  #showLine(): void {
    if (this.#begun.length > 0) this.#send(this.#begun);
  }

  /** Writes complete lines, above the one that was begun. */
  #insert(lines: Uint8Array): void {
    const begun = this.#begun;
    if (begun.length === 0) return this.#send(lines);
    // One that has wrapped cannot be erased, and is begun anew below.
    const erase = begun.length < this.#columns!() ? text.encode(ERASE_LINE) : this.#newline;
    this.#send(join([erase, lines, begun]));
  }

  #send(bytes: Uint8Array): void {
    this.#sink.write(bytes);
  }
}

/** Where the first line ends, 0 if it has not. */
function lineEnd(bytes: Uint8Array): number {
  const end = bytes.indexOf(NEWLINE) + 1;
  if (end === 0 || end > LONGEST_LINE) return bytes.length > LONGEST_LINE ? LONGEST_LINE : 0;
  return end;
}

/** What is written of a line after more bytes of it, and of others; of a long one the end. */
function unfinished(before: Uint8Array, bytes: Uint8Array): Uint8Array {
  const newline = bytes.lastIndexOf(NEWLINE);
  const line = newline < 0 ? join([before, bytes]) : bytes.slice(newline + 1);
  return line.length > LONGEST_LINE ? line.slice(-LONGEST_LINE) : line;
}

function withoutQueries(line: Uint8Array): Uint8Array {
  // A character for each byte, so that what is not looked for stays as it is.
  const characters = Array.from(line, (byte) => String.fromCharCode(byte)).join("");
  const rest = characters.replace(QUERIES, "");
  return rest.length === line.length ? line : Uint8Array.from(rest, (character) => character.charCodeAt(0));
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
