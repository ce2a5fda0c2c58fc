import {
  type UserCase as Case,
  type RecordedData,
  UserPrograms,
} from "@hypercraft/engine/testing/user-program";
import { USER_32, USER_64 } from "../cpu/mode.js";
import { Decoded } from "../isa/decoded.js";
import type { DecodeMode } from "../isa/decoder.js";
import { encode, type OperandChoices } from "../isa/encode.js";
import { Flag } from "../isa/flags.js";
import { disassemble } from "../isa/lift.js";
import { x86Decoder, x86Instructions } from "../isa/table.js";

// What user-level programs of x86-64, and of its 32-bit mode, record: the general-purpose registers, the flags, the
// floating-point unit with MM0 to MM7, the XMM registers and MXCSR. One register holds the record's address.

export { DATA_BYTES, DATA_MIDDLE, recordAddress } from "@hypercraft/engine/testing/user-program";

const FLAGS_OFFSET = 128;
const MXCSR_OFFSET = 136;
const VECTOR_OFFSET = 144;
/** What FNSAVE stores. */
const X87_OFFSET = VECTOR_OFFSET + 256;
const ENVIRONMENT_BYTES = 28;
/** R15, and in 32-bit mode EBP. */
export const RECORD_POINTER = 15;
export const RECORD_POINTER_32 = 5;
const SCRATCH = 0;
const RSP = 4;
const DIRECTION = 0x400;

/** The flags that are compared. */
const RECORDED_FLAGS = BigInt(Flag.CF | Flag.PF | Flag.AF | Flag.ZF | Flag.SF | Flag.OF | DIRECTION);

/** State of a processor in user mode; registers that there are not are 0. */
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

/** The record pointer of the state a case starts from is ignored. */
export type UserCase = Case<UserState>;

const rows = new Map(x86Instructions.map((row) => [row.name, row]));

/** The bytes of an instruction by its name in the table. Throws a RangeError if there is none. */
export function assemble(name: string, choices?: OperandChoices): number[] {
  const row = rows.get(name);
  if (row === undefined) throw new RangeError(`no instruction ${name}`);
  return encode(row, choices);
}

/** PUSHF and POPF through the stack, which lies in the record's data. */
const [PUSHF, POPF, POP_RAX, PUSH_RAX] = [[0x9c], [0x9d], [0x58], [0x50]];

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

/** MMX registers are the significands of physical registers. */
const mmxOf = ({ registers, status }: X87State): bigint[] =>
  Array.from({ length: 8 }, (_, i) => BigInt.asUintN(64, registers[(i - (status >> 11)) & 7] as bigint));

/** The names of the instructions in some code. Throws an Error for what is none. */
export function namesOf(code: Uint8Array, mode: DecodeMode = USER_64): string[] {
  const found: string[] = [];
  const d = new Decoded();
  for (let offset = 0; offset < code.length; offset += d.length) {
    const result = x86Decoder.decode(d, (i) => code[offset + i] ?? -1, mode);
    if (result !== "ok") throw new Error(`${result} at ${offset}`);
    found.push(d.instruction?.name ?? "");
  }
  return found;
}

/** The text of code, an instruction a line. */
function list(code: Uint8Array, mode: DecodeMode): string {
  const lines: string[] = [];
  for (let offset = 0; offset < code.length; ) {
    const { text, length } = disassemble((i) => code[offset + i] ?? 0, BigInt(offset), mode);
    lines.push(`  ${offset}: ${text}`);
    offset += length;
  }
  return lines.join("\n");
}

/** How Linux is called. */
interface Calls {
  readonly numbers: { readonly write: number; readonly exit: number };
  readonly operands: readonly number[];
  readonly instruction: readonly number[];
}

const CALLS: Readonly<Record<32 | 64, Calls>> = {
  // RDI, RSI, RDX and SYSCALL; EBX, ECX, EDX and INT 0x80.
  64: { numbers: { write: 1, exit: 60 }, operands: [7, 6, 2], instruction: [0x0f, 0x05] },
  32: { numbers: { write: 4, exit: 1 }, operands: [3, 1, 2], instruction: [0xcd, 0x80] },
};

function programsOf(mode: DecodeMode, bits: 32 | 64): UserPrograms<UserState> {
  const count = bits === 64 ? 16 : 8;
  const pointer = bits === 64 ? RECORD_POINTER : RECORD_POINTER_32;
  const operandSize = bits === 64 ? 8 : 4;
  const at = (displacement: number) => ({ base: pointer, displacement });
  const loadConstant = (register: number, value: number): number[] =>
    assemble("mov Ev, Iz", { operandSize, rm: register, immediates: [value] });
  const moved = (name: string, reg: number, displacement: number) =>
    assemble(name, { operandSize, reg, rm: at(displacement) });
  const load = (reg: number, displacement: number) => moved("mov Gv, Ev", reg, displacement);
  const store = (reg: number, displacement: number) => moved("mov Ev, Gv", reg, displacement);
  const vectors = Array.from({ length: count }, (_, i) => i);
  const loadable = vectors.filter((i) => i !== pointer);
  const control = (name: string) => assemble(name, { rm: at(MXCSR_OFFSET) });
  const eachVector = (name: string) =>
    vectors.flatMap((i) => assemble(name, { reg: i, rm: at(VECTOR_OFFSET + 16 * i) }));
  // FNSAVE leaves the unit as it is initialized.
  const floats = (name: string) => assemble(name, { rm: at(X87_OFFSET) });
  const calls = CALLS[bits];

  return new UserPrograms<UserState>({
    machine: { machine: bits === 64 ? 62 : 3, flags: 0, bits },
    systemCalls: calls.numbers,
    systemCall: (number, operands) =>
      Uint8Array.from([
        ...loadConstant(0, number),
        ...operands.flatMap((value, i) => loadConstant(calls.operands[i] as number, value)),
        ...calls.instruction,
      ]),
    prologue: (record) =>
      Uint8Array.from([
        ...loadConstant(pointer, record),
        ...load(RSP, 8 * RSP),
        ...load(SCRATCH, FLAGS_OFFSET),
        ...PUSH_RAX,
        ...POPF,
        ...control("ldmxcsr Md"),
        ...eachVector("movups Vps, Wps"),
        ...floats("frstor M"),
        ...loadable.flatMap((i) => load(i, 8 * i)),
      ]),
    epilogue: () =>
      Uint8Array.from([
        ...loadable.flatMap((i) => store(i, 8 * i)),
        ...PUSHF,
        ...POP_RAX,
        ...store(SCRATCH, FLAGS_OFFSET),
        ...control("stmxcsr Md"),
        ...eachVector("movups Wps, Vps"),
        ...floats("fnsave M"),
      ]),
    jump: (distance) => Uint8Array.from([0xe9, ...new Uint8Array(Int32Array.of(distance - 5).buffer)]),
    writeRegisters(view, { gpr, rflags, mxcsr, xmm, mmx, x87 }) {
      for (const i of loadable) view.setBigUint64(8 * i, gpr[i] as bigint, true);
      view.setBigUint64(FLAGS_OFFSET, rflags, true);
      view.setBigUint64(MXCSR_OFFSET, mxcsr, true);
      for (const i of vectors)
        for (const half of [0, 1])
          view.setBigUint64(VECTOR_OFFSET + 16 * i + 8 * half, xmm[2 * i + half] as bigint, true);
      writeX87(view, x87 ?? mmxState(mmx));
    },
    readRegisters(view) {
      const x87 = readX87(view);
      return {
        gpr: Array.from({ length: 16 }, (_, i) => view.getBigUint64(8 * i, true)),
        rflags: view.getBigUint64(FLAGS_OFFSET, true) & RECORDED_FLAGS,
        mxcsr: view.getBigUint64(MXCSR_OFFSET, true) & 0xffffn,
        xmm: Array.from({ length: 32 }, (_, i) => view.getBigUint64(VECTOR_OFFSET + 8 * i, true)),
        mmx: mmxOf(x87),
        x87,
      };
    },
    registers: ({ gpr, rflags, mxcsr, xmm, mmx, x87 = mmxState(mmx) }) => [
      ...loadable.map((i) => [`r${i}`, gpr[i] as bigint] as const),
      ["rflags", rflags],
      ["mxcsr", mxcsr],
      ...xmm.map((half, i) => [`xmm${i >> 1}.${i & 1}`, half] as const),
      ...mmx.map((value, i) => [`mm${i}`, value] as const),
      ["fcw", BigInt(x87.control)],
      ["fsw", BigInt(x87.status)],
      ["ftw", BigInt(x87.tags)],
      ...x87.registers.map((value, i) => [`st${i}`, value] as const),
    ],
    list: (code) => list(code, mode),
  });
}

/** User-level programs of x86-64, and of 32-bit code. */
export const userPrograms = programsOf(USER_64, 64);
export const userPrograms32 = programsOf(USER_32, 32);
