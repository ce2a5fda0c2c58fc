import {
  type UserCase as Case,
  codeOfWords,
  type RecordedData,
  UserPrograms,
} from "@hypercraft/engine/testing/user-program";
import { disassemble } from "../isa/lift.js";
import { systemRegisterNumber } from "../isa/system-names.js";
import { armInstructions } from "../isa/table.js";

// What user-level programs of A64 record: X0 to X30, SP, NZCV, FPSR and V0 to V31. X28 holds the record's address.

export { DATA_BYTES, DATA_MIDDLE, recordAddress } from "@hypercraft/engine/testing/user-program";

const SP_OFFSET = 248;
const NZCV_OFFSET = 256;
const FPSR_OFFSET = 264;
const VECTOR_OFFSET = 272;
const FPCR_OFFSET = 784;
export const RECORD_POINTER = 28;
const SCRATCH = 0;
const SYSCALL = 8;
const SP = 31;

const FPSR = systemRegisterNumber("FPSR") & 0x7fff;
const FPCR = systemRegisterNumber("FPCR") & 0x7fff;
const NZCV = systemRegisterNumber("NZCV") & 0x7fff;

/** State of a PE in user mode. Registers are unsigned 64-bit; NZCV is as in the register, bits 31 to 28. */
export interface UserState extends RecordedData {
  readonly x: readonly bigint[];
  readonly sp: bigint;
  readonly nzcv: bigint;
  /** FPCR during a program. */
  readonly fpcr: bigint;
  /** FPSR at the end of a program; it starts with 0. */
  readonly fpsr: bigint;
  /** V0 to V31, low half before high half. */
  readonly v: readonly bigint[];
}

/** X28 of the state a case starts from is ignored. */
export type UserCase = Case<UserState>;

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
  load(SCRATCH, FPCR_OFFSET),
  assemble("msr", { system: FPCR, xt: SCRATCH }),
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

function writeRegisters(view: DataView, { x, sp, nzcv, fpcr, v }: UserState): void {
  for (const i of loadable) view.setBigUint64(8 * i, x[i] as bigint, true);
  view.setBigUint64(SP_OFFSET, sp, true);
  view.setBigUint64(NZCV_OFFSET, nzcv, true);
  view.setBigUint64(FPCR_OFFSET, fpcr, true);
  for (const [i, half] of v.entries()) view.setBigUint64(VECTOR_OFFSET + 8 * i, half, true);
}

const readRegisters = (view: DataView): Omit<UserState, "data"> => ({
  x: Array.from({ length: 31 }, (_, i) => view.getBigUint64(8 * i, true)),
  sp: view.getBigUint64(SP_OFFSET, true),
  nzcv: view.getBigUint64(NZCV_OFFSET, true),
  fpcr: view.getBigUint64(FPCR_OFFSET, true),
  fpsr: view.getBigUint64(FPSR_OFFSET, true),
  v: Array.from({ length: 64 }, (_, i) => view.getBigUint64(VECTOR_OFFSET + 8 * i, true)),
});

const registers = ({ x, sp, nzcv, fpsr, v }: UserState): (readonly [string, bigint])[] => [
  ...loadable.map((i) => [`x${i}`, x[i] as bigint] as const),
  ["sp", sp],
  ...v.map((half, i) => [`v${i >> 1}.${i & 1}`, half] as const),
  ["fpsr", fpsr],
  ["nzcv", nzcv],
];

/** User-level programs of A64. */
export const userPrograms = new UserPrograms<UserState>({
  machine: { machine: 183, flags: 0 },
  systemCalls: { write: 64, exit: 93 },
  systemCall: (number, operands) =>
    codeOfWords([
      ...loadConstant(SYSCALL, number),
      ...operands.flatMap((value, i) => loadConstant(i, value)),
      assemble("svc", {}),
    ]),
  prologue: (record) => codeOfWords(prologue(record)),
  epilogue: () => codeOfWords(epilogue()),
  jump: (offset) => codeOfWords([assemble("b", { offset })]),
  writeRegisters,
  readRegisters,
  registers,
  list: (code) =>
    [...new Uint32Array(code.buffer)]
      .map((bits, i) => `  ${4 * i}: ${disassemble(bits, BigInt(4 * i))}`)
      .join("\n"),
});
