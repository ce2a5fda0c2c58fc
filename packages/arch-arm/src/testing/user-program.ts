import { systemRegisterNumber } from "../isa/system-names.js";
import { armInstructions } from "../isa/table.js";

// Programs that run one instruction sequence each from a known state and record the state they end in. The same
// bytes run under a user-mode emulator and under whatever executes guest code here.
//
// Every case has a page of code (prologue, the sequence, epilogue) and behind it a record: X0 to X30, SP, NZCV, V0 to
// V31, and memory to work on. X28 holds the record's address throughout and is not to be written. Where a case lies depends on
// its number only, so that a part of a list of cases is the same cases.

export const CODE_BASE = 0x20000;
const RECORD_BYTES = 8192;
const CODE_BYTES = 4096;
const CASE_BYTES = CODE_BYTES + RECORD_BYTES;
const SP_OFFSET = 248;
const NZCV_OFFSET = 256;
const FPSR_OFFSET = 264;
const VECTOR_OFFSET = 272;
const DATA_OFFSET = 1024;
export const DATA_BYTES = RECORD_BYTES - DATA_OFFSET;
/** Where pointers into a record point; a multiple of 16, as the stack pointer has to be. */
export const DATA_MIDDLE = DATA_OFFSET + DATA_BYTES / 2;
export const RECORD_POINTER = 28;
const SCRATCH = 0;
const SYSCALL = 8;
const SP = 31;

const WRITE = 64;
const EXIT = 93;
const FPSR = systemRegisterNumber("FPSR") & 0x7fff;
const NZCV = systemRegisterNumber("NZCV") & 0x7fff;

/** State of a PE in user mode. Registers are unsigned 64-bit; NZCV is as in the register, bits 31 to 28. */
export interface UserState {
  readonly x: readonly bigint[];
  readonly sp: bigint;
  readonly nzcv: bigint;
  /** FPSR at the end of a program; it starts with 0. */
  readonly fpsr: bigint;
  /** V0 to V31, low half before high half. */
  readonly v: readonly bigint[];
  readonly data: Uint8Array;
}

/** A sequence of instructions and the state it starts from. X28 of the state is ignored. */
export interface UserCase {
  readonly start: UserState;
  readonly code: Uint8Array;
}

/** Where a case lies once it is placed: its record, first byte of the sequence and the byte after it. */
export interface PlacedCase {
  readonly record: number;
  readonly begin: number;
  readonly end: number;
}

/** Runs cases and gives the state each ends in. */
export type UserExecutor = (cases: readonly UserCase[]) => readonly UserState[];

export interface UserProgram {
  readonly image: Uint8Array;
  readonly base: number;
  /** Bytes the program writes before it exits: all cases with their records. */
  readonly written: number;
  readonly cases: readonly PlacedCase[];
}

const assemble = (name: string, operands: Readonly<Record<string, number>>): number =>
  armInstructions.named(name).encode(operands);

const loadConstant = (rd: number, value: number): number[] => [
  assemble("movz", { sf: 1, rd, imm: value & 0xffff }),
  assemble("movk", { sf: 1, rd, half: 1, imm: value >>> 16 }),
];

const loadable = Array.from({ length: 31 }, (_, i) => i).filter((i) => i !== RECORD_POINTER);
const load = (xt: number, disp: number) => assemble("ldr.x", { xt, xnSp: RECORD_POINTER, disp });
const store = (xt: number, disp: number) => assemble("str.x", { xt, xnSp: RECORD_POINTER, disp });
const vectors = Array.from({ length: 32 }, (_, i) => i);
const vectorAccess = (name: string, vqt: number) =>
  assemble(name, { vqt, xnSp: RECORD_POINTER, disp: VECTOR_OFFSET + 16 * vqt });
/** MOV to or from the stack pointer. */
const move = (rdSp: number, rnSp: number) => assemble("add.imm", { sf: 1, rdSp, rnSp });

const prologue = (record: number): number[] => [
  ...loadConstant(RECORD_POINTER, record),
  load(SCRATCH, SP_OFFSET),
  move(SP, SCRATCH),
  load(SCRATCH, NZCV_OFFSET),
  assemble("msr", { system: NZCV, xt: SCRATCH }),
  assemble("msr", { system: FPSR, xt: 31 }),
  ...vectors.map((i) => vectorAccess("ldr.q", i)),
  ...loadable.map((i) => load(i, 8 * i)),
];

const epilogue = (): number[] => [
  ...loadable.map((i) => store(i, 8 * i)),
  move(SCRATCH, SP),
  store(SCRATCH, SP_OFFSET),
  assemble("mrs", { system: NZCV, xt: SCRATCH }),
  store(SCRATCH, NZCV_OFFSET),
  assemble("mrs", { system: FPSR, xt: SCRATCH }),
  store(SCRATCH, FPSR_OFFSET),
  ...vectors.map((i) => vectorAccess("str.q", i)),
];

/** Write all cases to standard output and leave. */
const finale = (bytes: number): number[] => [
  ...loadConstant(SYSCALL, WRITE),
  ...loadConstant(0, 1),
  ...loadConstant(1, CODE_BASE),
  ...loadConstant(2, bytes),
  assemble("svc", {}),
  ...loadConstant(SYSCALL, EXIT),
  ...loadConstant(0, 0),
  assemble("svc", {}),
];

function words(view: DataView, at: number, code: readonly number[]): number {
  for (const [i, word] of code.entries()) view.setUint32(at + 4 * i, word, true);
  return at + 4 * code.length;
}

function writeRecord(view: DataView, at: number, { x, sp, nzcv, v, data }: UserState): void {
  if (data.length !== DATA_BYTES) throw new RangeError(`a record's data has ${DATA_BYTES} bytes`);
  for (const i of loadable) view.setBigUint64(at + 8 * i, x[i] as bigint, true);
  view.setBigUint64(at + SP_OFFSET, sp, true);
  view.setBigUint64(at + NZCV_OFFSET, nzcv, true);
  for (const [i, half] of v.entries()) view.setBigUint64(at + VECTOR_OFFSET + 8 * i, half, true);
  new Uint8Array(view.buffer, at + DATA_OFFSET, DATA_BYTES).set(data);
}

function readRecord(bytes: Uint8Array, at: number): UserState {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, RECORD_BYTES);
  return {
    x: Array.from({ length: 31 }, (_, i) => view.getBigUint64(8 * i, true)),
    sp: view.getBigUint64(SP_OFFSET, true),
    nzcv: view.getBigUint64(NZCV_OFFSET, true),
    fpsr: view.getBigUint64(FPSR_OFFSET, true),
    v: Array.from({ length: 64 }, (_, i) => view.getBigUint64(VECTOR_OFFSET + 8 * i, true)),
    data: bytes.slice(at + DATA_OFFSET, at + RECORD_BYTES),
  };
}

/** Address of the record of a case. */
export const recordAddress = (index: number): number => CODE_BASE + index * CASE_BYTES + CODE_BYTES;

/** The states in the cases that a program wrote, or left in memory. */
export const readRecords = (cases: Uint8Array, count: number): readonly UserState[] =>
  Array.from({ length: count }, (_, i) => readRecord(cases, recordAddress(i) - CODE_BASE));

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
    words(view, leave, [assemble("b", { offset: page + CASE_BYTES - leave })]);
    writeRecord(view, record - CODE_BASE, start);
    return { record, begin: CODE_BASE + begin, end: CODE_BASE + end };
  });
  words(view, written, finale(written));
  return { image, base: CODE_BASE, written, cases: placed };
}
