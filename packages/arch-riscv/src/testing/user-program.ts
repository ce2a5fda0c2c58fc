import { riscvInstructions } from "../isa/table.js";

// Programs that run one instruction sequence each from a known state and record the state they end in. The
// same bytes run under a user-mode emulator and under whatever executes guest code here.
//
// Every case has a page of code (prologue, the sequence, epilogue) and behind it a record: integer registers,
// floating-point registers, fcsr, and memory to work on. The prologue loads the registers from the record
// and the epilogue stores them back. x31 holds the record's address throughout and is not to be written. Where
// a case lies depends on its number only, so that a part of a list of cases is the same cases.

export const CODE_BASE = 0x20000;
export const RECORD_BYTES = 8192;
const CODE_BYTES = 4096;
const CASE_BYTES = CODE_BYTES + RECORD_BYTES;
const X_OFFSET = 0;
const F_OFFSET = 256;
const FCSR_OFFSET = 512;
const DATA_OFFSET = 1024;
export const DATA_BYTES = RECORD_BYTES - DATA_OFFSET;
/** Where pointers into a record point: every 12-bit displacement from here stays in the data. */
export const DATA_MIDDLE = DATA_OFFSET + DATA_BYTES / 2;
const RECORD_POINTER = 31;
const SCRATCH = 1;

const FCSR = 0x003;
const WRITE = 64;
const EXIT = 93;
const A0 = 10;
const A7 = 17;

/** State of a hart in user mode. Registers are unsigned 64-bit. */
export interface UserState {
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  /** frm and fflags. */
  readonly fcsr: number;
  /** The record's memory. */
  readonly data: Uint8Array;
}

/** A sequence of instructions and the state it starts from. x0 and x31 of the state are ignored. */
export interface UserCase {
  readonly start: UserState;
  readonly code: Uint8Array;
}

/** Where a case lies once it is placed. */
export interface PlacedCase {
  readonly record: number;
  /** First byte of the sequence, and the byte after it. */
  readonly begin: number;
  readonly end: number;
}

/** Runs cases and gives the state each ends in. */
export type UserExecutor = (cases: readonly UserCase[]) => readonly UserState[];

export interface UserProgram {
  readonly image: Uint8Array;
  /** Address of the image, of its first instruction, and of the first case. */
  readonly base: number;
  /** Bytes the program writes before it exits: all cases with their records. */
  readonly written: number;
  readonly cases: readonly PlacedCase[];
}

function assemble(name: string, operands: Readonly<Record<string, number>>): number {
  return riscvInstructions.named(name).encode(operands);
}

/** lui and addi (or addiw, for what lui would sign-extend) of an address below 2 GiB. */
function loadAddress(rd: number, address: number): number[] {
  const low = (address << 20) >> 20;
  return [assemble("lui", { rd, upper: address - low }), assemble("addiw", { rd, rs1: rd, imm: low })];
}

const registers = Array.from({ length: 32 }, (_, i) => i);
/** x1 to x30. */
const loadable = registers.slice(1, RECORD_POINTER);
const onRecord = (imm: number) => ({ rs1: RECORD_POINTER, imm });

function prologue(record: number): number[] {
  return [
    ...loadAddress(RECORD_POINTER, record),
    ...registers.map((i) => assemble("fld", { fd: i, ...onRecord(F_OFFSET + 8 * i) })),
    assemble("ld", { rd: SCRATCH, ...onRecord(FCSR_OFFSET) }),
    assemble("csrrw", { rd: 0, rs1: SCRATCH, csr: FCSR }),
    ...loadable.map((i) => assemble("ld", { rd: i, ...onRecord(X_OFFSET + 8 * i) })),
  ];
}

function epilogue(): number[] {
  return [
    ...loadable.map((i) => assemble("sd", { rs2: i, ...onRecord(X_OFFSET + 8 * i) })),
    assemble("csrrs", { rd: SCRATCH, rs1: 0, csr: FCSR }),
    assemble("sd", { rs2: SCRATCH, ...onRecord(FCSR_OFFSET) }),
    ...registers.map((i) => assemble("fsd", { fs2: i, ...onRecord(F_OFFSET + 8 * i) })),
  ];
}

/** Write all cases to standard output and leave. */
function finale(bytes: number): number[] {
  return [
    ...loadAddress(A7, WRITE),
    ...loadAddress(A0, 1),
    ...loadAddress(A0 + 1, CODE_BASE),
    ...loadAddress(A0 + 2, bytes),
    assemble("ecall", {}),
    ...loadAddress(A7, EXIT),
    ...loadAddress(A0, 0),
    assemble("ecall", {}),
  ];
}

function words(view: DataView, at: number, code: readonly number[]): number {
  for (const [i, word] of code.entries()) view.setUint32(at + 4 * i, word, true);
  return at + 4 * code.length;
}

function writeRecord(view: DataView, at: number, { x, f, fcsr, data }: UserState): void {
  if (data.length !== DATA_BYTES) throw new RangeError(`a record's data has ${DATA_BYTES} bytes`);
  for (const i of registers) {
    view.setBigUint64(at + X_OFFSET + 8 * i, x[i] as bigint, true);
    view.setBigUint64(at + F_OFFSET + 8 * i, f[i] as bigint, true);
  }
  view.setBigUint64(at + FCSR_OFFSET, BigInt(fcsr), true);
  new Uint8Array(view.buffer, at + DATA_OFFSET, DATA_BYTES).set(data);
}

function readRecord(bytes: Uint8Array, at: number): UserState {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, RECORD_BYTES);
  return {
    x: registers.map((i) => view.getBigUint64(X_OFFSET + 8 * i, true)),
    f: registers.map((i) => view.getBigUint64(F_OFFSET + 8 * i, true)),
    fcsr: Number(view.getBigUint64(FCSR_OFFSET, true)),
    data: bytes.slice(at + DATA_OFFSET, at + RECORD_BYTES),
  };
}

/** Address of the record of a case. */
export function recordAddress(index: number): number {
  return CODE_BASE + index * CASE_BYTES + CODE_BYTES;
}

/** The states in the cases that a program wrote, or left in memory. */
export function readRecords(cases: Uint8Array, count: number): readonly UserState[] {
  return Array.from({ length: count }, (_, i) => readRecord(cases, recordAddress(i) - CODE_BASE));
}

/** Build one program of many cases. Throws a `RangeError` when a sequence does not fit in its page. */
export function buildUserProgram(cases: readonly UserCase[]): UserProgram {
  const written = cases.length * CASE_BYTES;
  const image = new Uint8Array(written + CODE_BYTES);
  const view = new DataView(image.buffer);
  const placed = cases.map(({ code, start }, i): PlacedCase => {
    const page = i * CASE_BYTES;
    const record = recordAddress(i);
    const begin = words(view, page, prologue(record));
    const end = begin + code.length;
    const last = epilogue();
    if (end + 4 * last.length + 4 > page + CODE_BYTES) throw new RangeError("the sequence is too long");
    image.set(code, begin);
    const leave = words(view, end, last);
    words(view, leave, [assemble("jal", { rd: 0, offset: page + CASE_BYTES - leave })]);
    writeRecord(view, record - CODE_BASE, start);
    return { record, begin: CODE_BASE + begin, end: CODE_BASE + end };
  });
  words(view, written, finale(written));
  return { image, base: CODE_BASE, written, cases: placed };
}
