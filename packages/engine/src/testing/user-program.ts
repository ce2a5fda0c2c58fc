import type { ElfMachine } from "./elf.js";

// Programs that run one instruction sequence each from a known state and record the state they end in. The same
// bytes run under a user-mode emulator and under whatever executes guest code here.
//
// Every case has a page of code (prologue, the sequence, epilogue) and behind it a record: registers, and memory to
// work on. The prologue loads the registers from the record and the epilogue stores them back; one register holds
// the record's address throughout and is not to be written. Where a case lies depends on its number only, so that a
// part of a list of cases is the same cases.

/** Address of the first case, which is that of the program. */
export const CODE_BASE = 0x20000;
const RECORD_BYTES = 8192;
const CODE_BYTES = 4096;
const CASE_BYTES = CODE_BYTES + RECORD_BYTES;
/** What lies before is for registers. */
export const DATA_OFFSET = 1024;
export const DATA_BYTES = RECORD_BYTES - DATA_OFFSET;
/** Where pointers into a record point: far from both ends of the data, and a multiple of 16. */
export const DATA_MIDDLE = DATA_OFFSET + DATA_BYTES / 2;

/** What a state has whatever its registers are: the record's memory. */
export interface RecordedData {
  readonly data: Uint8Array;
}

/** A sequence of instructions and the state it starts from. */
export interface UserCase<State> {
  readonly start: State;
  readonly code: Uint8Array;
}

/** Where a case lies once it is placed: its record, first byte of the sequence and the byte after it. */
export interface PlacedCase {
  readonly record: number;
  readonly begin: number;
  readonly end: number;
}

/** Runs cases and gives the state each ends in. */
export type UserExecutor<State> = (cases: readonly UserCase<State>[]) => readonly State[];

export interface UserProgram {
  readonly image: Uint8Array;
  /** Address of the image, of its first instruction, and of the first case. */
  readonly base: number;
  /** Bytes the program writes before it exits: all cases with their records. */
  readonly written: number;
  readonly cases: readonly PlacedCase[];
}

/** What an architecture's programs differ in. Code is given as bytes. */
export interface UserAbi<State extends RecordedData> {
  /** As ELF names the machine. */
  readonly machine: ElfMachine;
  /** Linux's numbers of system calls. */
  readonly systemCalls: { readonly write: number; readonly exit: number };
  systemCall(number: number, operands: readonly number[]): Uint8Array;
  /** Let a register hold the address of the record, and load the others from there. */
  prologue(record: number): Uint8Array;
  /** Store the registers in the record. */
  epilogue(): Uint8Array;
  /** Jump to a distance from the jump itself, in bytes. */
  jump(distance: number): Uint8Array;
  /** Write registers to the first `DATA_OFFSET` bytes of a record, and read them. */
  writeRegisters(view: DataView, state: State): void;
  readRegisters(view: DataView): Omit<State, "data">;
  /** The registers that are recorded, for a comparison. */
  registers(state: State): readonly (readonly [name: string, value: bigint])[];
  /** The text of code, an instruction a line, with the offset of each. */
  list(code: Uint8Array): string;
}

/** Address of the record of a case. */
export const recordAddress = (index: number): number => CODE_BASE + index * CASE_BYTES + CODE_BYTES;

/** The bytes of instructions of 32 bits. */
export const codeOfWords = (words: readonly number[]): Uint8Array =>
  new Uint8Array(Uint32Array.from(words).buffer);

/** The programs of an architecture. */
export class UserPrograms<State extends RecordedData> {
  readonly abi: UserAbi<State>;

  constructor(abi: UserAbi<State>) {
    this.abi = abi;
  }

  /** Build one program of many cases. Throws a `RangeError` when a sequence does not fit in its page. */
  build(cases: readonly UserCase<State>[]): UserProgram {
    const { abi } = this;
    const written = cases.length * CASE_BYTES;
    const image = new Uint8Array(written + CODE_BYTES);
    const placed = cases.map(({ code, start }, i): PlacedCase => {
      const page = i * CASE_BYTES;
      const record = recordAddress(i);
      const before = abi.prologue(record);
      const after = abi.epilogue();
      const begin = page + before.length;
      const end = begin + code.length;
      const leave = end + after.length;
      const jump = abi.jump(page + CASE_BYTES - leave);
      if (leave + jump.length > page + CODE_BYTES) throw new RangeError("the sequence is too long");
      image.set(before, page);
      image.set(code, begin);
      image.set(after, end);
      image.set(jump, leave);
      this.#writeRecord(image, record - CODE_BASE, start);
      return { record, begin: CODE_BASE + begin, end: CODE_BASE + end };
    });
    image.set(this.#finale(written), written);
    return { image, base: CODE_BASE, written, cases: placed };
  }

  /** The states in the cases that a program wrote, or left in memory. */
  read(cases: Uint8Array, count: number): readonly State[] {
    return Array.from({ length: count }, (_, i) => {
      const record = recordAddress(i) - CODE_BASE;
      const data = cases.slice(record + DATA_OFFSET, record + RECORD_BYTES);
      return { ...this.abi.readRegisters(this.#registers(cases, record)), data } as State;
    });
  }

  /** Run the cases on two executors. Throws as `expectSame` where they end differently. */
  compare(
    cases: readonly UserCase<State>[],
    first: UserExecutor<State>,
    second: UserExecutor<State>,
    where: string,
  ): void {
    this.expectSame(cases, first(cases), second(cases), where);
  }

  /** Throws an Error that lists the first case whose ends differ, and what differs. `where` says which cases these are. */
  expectSame(
    cases: readonly UserCase<State>[],
    a: readonly State[],
    b: readonly State[],
    where: string,
  ): void {
    for (const [i, { code }] of cases.entries()) {
      const found = this.#differences(a[i] as State, b[i] as State);
      if (found.length === 0) continue;
      throw new Error(`case ${i} of ${where}:\n${found.join("\n")}\n${this.abi.list(code)}`);
    }
  }

  #differences(a: State, b: State): readonly string[] {
    const others = new Map(this.abi.registers(b));
    const changed = a.data.findIndex((byte, i) => byte !== b.data[i]);
    return [
      ...this.abi
        .registers(a)
        .filter(([name, value]) => others.get(name) !== value)
        .map(([name, value]) => `${name}: ${value.toString(16)} and ${others.get(name)?.toString(16)}`),
      ...(changed < 0 ? [] : [`memory from ${changed}`]),
    ];
  }

  #registers(bytes: Uint8Array, record: number): DataView {
    return new DataView(bytes.buffer, bytes.byteOffset + record, DATA_OFFSET);
  }

  #writeRecord(image: Uint8Array, at: number, state: State): void {
    if (state.data.length !== DATA_BYTES) throw new RangeError(`a record's data has ${DATA_BYTES} bytes`);
    this.abi.writeRegisters(this.#registers(image, at), state);
    image.set(state.data, at + DATA_OFFSET);
  }

  /** Write all cases to standard output and leave. */
  #finale(bytes: number): Uint8Array {
    const { systemCalls } = this.abi;
    const write = this.abi.systemCall(systemCalls.write, [1, CODE_BASE, bytes]);
    const exit = this.abi.systemCall(systemCalls.exit, [0]);
    return Uint8Array.from([...write, ...exit]);
  }
}
