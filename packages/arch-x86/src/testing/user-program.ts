import {
  type UserCase as Case,
  type RecordedData,
  UserPrograms,
} from "@hypercraft/engine/testing/user-program";
import { USER_64 } from "../cpu/mode.js";
import { Decoded } from "../isa/decoded.js";
import { encode, type OperandChoices } from "../isa/encode.js";
import { Flag } from "../isa/flags.js";
import { disassemble } from "../isa/lift.js";
import { x86Decoder, x86Instructions } from "../isa/table.js";

// What user-level programs of x86-64 record: the general-purpose registers, the flags, the floating-point unit with MM0
// to MM7, XMM0 to XMM15 and MXCSR. R15 holds the record's address.

export { DATA_BYTES, DATA_MIDDLE, recordAddress } from "@hypercraft/engine/testing/user-program";

const FLAGS_OFFSET = 128;
const MXCSR_OFFSET = 136;
const VECTOR_OFFSET = 144;
/** What FNSAVE stores. */
const X87_OFFSET = VECTOR_OFFSET + 256;
const ENVIRONMENT_BYTES = 28;
export const RECORD_POINTER = 15;
const SCRATCH = 0;
const RSP = 4;
const DIRECTION = 0x400;

/** The flags that are compared. */
const RECORDED_FLAGS = BigInt(Flag.CF | Flag.PF | Flag.AF | Flag.ZF | Flag.SF | Flag.OF | DIRECTION);

/** State of a processor in user mode. */
export interface UserState extends RecordedData {
  /** RAX to R15, unsigned. */
  readonly gpr: readonly bigint[];
  readonly rflags: bigint;
  readonly mxcsr: bigint;
  /** XMM0 to XMM15, low half before high half. */
  readonly xmm: readonly bigint[];
  /** MM0 to MM7. */
  readonly mmx: readonly bigint[];
  /** The floating-point unit as it begins; without it, all registers are MMX ones. */
  readonly x87?: X87State;
}

/** State of the floating-point unit. */
export interface X87State {
  readonly control: number;
  readonly status: number;
  /** Two bits for each physical register: 3 is empty. */
  readonly tags: number;
  /** ST(0) to ST(7), 80 bits each. */
  readonly registers: readonly bigint[];
}

/** R15 of the state a case starts from is ignored. */
export type UserCase = Case<UserState>;

const rows = new Map(x86Instructions.map((row) => [row.name, row]));

/** The bytes of an instruction by its name in the table. Throws a RangeError if there is none. */
export function assemble(name: string, choices?: OperandChoices): number[] {
  const row = rows.get(name);
  if (row === undefined) throw new RangeError(`no instruction ${name}`);
  return encode(row, choices);
}

const at = (displacement: number) => ({ base: RECORD_POINTER, displacement });
const loadConstant = (register: number, value: number): number[] =>
  assemble("mov Ev, Iz", { operandSize: 8, rm: register, immediates: [value] });
const load = (reg: number, displacement: number) =>
  assemble("mov Gv, Ev", { operandSize: 8, reg, rm: at(displacement) });
const store = (reg: number, displacement: number) =>
  assemble("mov Ev, Gv", { operandSize: 8, reg, rm: at(displacement) });
const loadable = Array.from({ length: 16 }, (_, i) => i).filter((i) => i !== RECORD_POINTER);
const vectors = Array.from({ length: 16 }, (_, i) => i);
const littleEndian = (value: number) => Array.from({ length: 4 }, (_, i) => (value >> (8 * i)) & 0xff);
const moveVector = (opcode: number, number: number) => {
  const displacement = VECTOR_OFFSET + 16 * number;
  // MOVUPS, by hand, as the table may not have it yet.
  const rex = 0x41 | (number >= 8 ? 4 : 0);
  return [rex, 0x0f, opcode, 0x87 | ((number & 7) << 3), ...littleEndian(displacement)];
};
/** FRSTOR and FNSAVE, which leaves the unit as it is initialized. */
const FRSTOR = [0x41, 0xdd, 0xa7, ...littleEndian(X87_OFFSET)];
const FNSAVE = [0x41, 0xdd, 0xb7, ...littleEndian(X87_OFFSET)];
/** PUSHF and POPF through the stack, which lies in the record's data. */
const [PUSHF, POPF, POP_RAX, PUSH_RAX] = [[0x9c], [0x9d], [0x58], [0x50]];
/** LDMXCSR and STMXCSR. */
const LDMXCSR = [0x41, 0x0f, 0xae, 0x97, MXCSR_OFFSET, 0, 0, 0];
const STMXCSR = [0x41, 0x0f, 0xae, 0x9f, MXCSR_OFFSET, 0, 0, 0];

const prologue = (record: number): number[] => [
  ...loadConstant(RECORD_POINTER, record),
  ...load(RSP, 8 * RSP),
  ...load(SCRATCH, FLAGS_OFFSET),
  ...PUSH_RAX,
  ...POPF,
  ...LDMXCSR,
  ...vectors.flatMap((i) => moveVector(0x10, i)),
  ...FRSTOR,
  ...loadable.flatMap((i) => load(i, 8 * i)),
];

const epilogue = (): number[] => [
  ...loadable.flatMap((i) => store(i, 8 * i)),
  ...PUSHF,
  ...POP_RAX,
  ...store(SCRATCH, FLAGS_OFFSET),
  ...STMXCSR,
  ...vectors.flatMap((i) => moveVector(0x11, i)),
  ...FNSAVE,
];

const MMX_EXPONENT = 0xffffn << 64n;
/** The unit with MMX registers. */
const mmxState = (mmx: readonly bigint[]): X87State => ({
  control: 0x37f,
  status: 0,
  tags: 0,
  registers: mmx.map((value) => value | MMX_EXPONENT),
});

function writeX87(view: DataView, { control, status, tags, registers }: X87State): void {
  for (const [i, value] of [control, status, tags].entries()) view.setUint32(X87_OFFSET + 4 * i, value, true);
  for (const [i, value] of registers.entries()) {
    const at = X87_OFFSET + ENVIRONMENT_BYTES + 10 * i;
    view.setBigUint64(at, BigInt.asUintN(64, value), true);
    view.setUint16(at + 8, Number(value >> 64n), true);
  }
}

function readX87(view: DataView): X87State {
  const [control, status, tags] = [0, 1, 2].map((i) => view.getUint16(X87_OFFSET + 4 * i, true));
  const registers = Array.from({ length: 8 }, (_, i) => {
    const at = X87_OFFSET + ENVIRONMENT_BYTES + 10 * i;
    return view.getBigUint64(at, true) | (BigInt(view.getUint16(at + 8, true)) << 64n);
  });
  return { control: control as number, status: status as number, tags: tags as number, registers };
}

function writeRegisters(view: DataView, { gpr, rflags, mxcsr, xmm, mmx, x87 }: UserState): void {
  for (const i of loadable) view.setBigUint64(8 * i, gpr[i] as bigint, true);
  view.setBigUint64(FLAGS_OFFSET, rflags, true);
  view.setBigUint64(MXCSR_OFFSET, mxcsr, true);
  for (const [i, half] of xmm.entries()) view.setBigUint64(VECTOR_OFFSET + 8 * i, half, true);
  writeX87(view, x87 ?? mmxState(mmx));
}

/** MMX registers are the significands of physical registers. */
const mmxOf = ({ registers, status }: X87State): bigint[] =>
  Array.from({ length: 8 }, (_, i) => BigInt.asUintN(64, registers[(i - (status >> 11)) & 7] as bigint));

const readRegisters = (view: DataView): Omit<UserState, "data"> => {
  const x87 = readX87(view);
  return {
    gpr: Array.from({ length: 16 }, (_, i) => view.getBigUint64(8 * i, true)),
    rflags: view.getBigUint64(FLAGS_OFFSET, true) & RECORDED_FLAGS,
    mxcsr: view.getBigUint64(MXCSR_OFFSET, true) & 0xffffn,
    xmm: Array.from({ length: 32 }, (_, i) => view.getBigUint64(VECTOR_OFFSET + 8 * i, true)),
    mmx: mmxOf(x87),
    x87,
  };
};

const registers = ({
  gpr,
  rflags,
  mxcsr,
  xmm,
  mmx,
  x87 = mmxState(mmx),
}: UserState): (readonly [string, bigint])[] => [
  ...loadable.map((i) => [`r${i}`, gpr[i] as bigint] as const),
  ["rflags", rflags],
  ["mxcsr", mxcsr],
  ...xmm.map((half, i) => [`xmm${i >> 1}.${i & 1}`, half] as const),
  ...mmx.map((value, i) => [`mm${i}`, value] as const),
  ["fcw", BigInt(x87.control)],
  ["fsw", BigInt(x87.status)],
  ["ftw", BigInt(x87.tags)],
  ...x87.registers.map((value, i) => [`st${i}`, value] as const),
];

/** The names of the instructions in some code. Throws an Error for what is none. */
export function namesOf(code: Uint8Array): string[] {
  const found: string[] = [];
  const d = new Decoded();
  for (let offset = 0; offset < code.length; offset += d.length) {
    const result = x86Decoder.decode(d, (i) => code[offset + i] ?? -1, USER_64);
    if (result !== "ok") throw new Error(`${result} at ${offset}`);
    found.push(d.instruction?.name ?? "");
  }
  return found;
}

/** The text of code, an instruction a line. */
export function list(code: Uint8Array): string {
  const lines: string[] = [];
  for (let offset = 0; offset < code.length; ) {
    const { text, length } = disassemble((i) => code[offset + i] ?? 0, BigInt(offset), USER_64);
    lines.push(`  ${offset}: ${text}`);
    offset += length;
  }
  return lines.join("\n");
}

/** User-level programs of x86-64. */
export const userPrograms = new UserPrograms<UserState>({
  machine: { machine: 62, flags: 0 },
  systemCalls: { write: 1, exit: 60 },
  systemCall: (number, operands) =>
    Uint8Array.from([
      ...loadConstant(0, number),
      // RDI, RSI, RDX.
      ...operands.flatMap((value, i) => loadConstant([7, 6, 2][i] as number, value)),
      ...[0x0f, 0x05],
    ]),
  prologue: (record) => Uint8Array.from(prologue(record)),
  epilogue: () => Uint8Array.from(epilogue()),
  jump: (distance) => Uint8Array.from([0xe9, ...new Uint8Array(Int32Array.of(distance - 5).buffer)]),
  writeRegisters,
  readRegisters,
  registers,
  list,
});
