import {
  type UserCase as Case,
  codeOfWords,
  type RecordedData,
  UserPrograms,
} from "@hypercraft/engine/testing/user-program";
import { disassemble } from "../isa/lift.js";
import { riscvInstructions } from "../isa/table.js";

// What user-level programs of RISC-V record: integer registers, floating-point registers and fcsr. x31 holds the
// record's address. Every 12-bit displacement from the middle of a record's data stays in the data.

export { DATA_BYTES, DATA_MIDDLE, recordAddress } from "@hypercraft/engine/testing/user-program";

const X_OFFSET = 0;
const F_OFFSET = 256;
const FCSR_OFFSET = 512;
const RECORD_POINTER = 31;
const SCRATCH = 1;

const FCSR = 0x003;
const A0 = 10;
const A7 = 17;

/** State of a hart in user mode. Registers are unsigned 64-bit. */
export interface UserState extends RecordedData {
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  /** frm and fflags. */
  readonly fcsr: number;
}

/** x0 and x31 of the state a case starts from are ignored. */
export type UserCase = Case<UserState>;

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

function writeRegisters(view: DataView, { x, f, fcsr }: UserState): void {
  for (const i of registers) {
    view.setBigUint64(X_OFFSET + 8 * i, x[i] as bigint, true);
    view.setBigUint64(F_OFFSET + 8 * i, f[i] as bigint, true);
  }
  view.setBigUint64(FCSR_OFFSET, BigInt(fcsr), true);
}

const readRegisters = (view: DataView): Omit<UserState, "data"> => ({
  x: registers.map((i) => view.getBigUint64(X_OFFSET + 8 * i, true)),
  f: registers.map((i) => view.getBigUint64(F_OFFSET + 8 * i, true)),
  fcsr: Number(view.getBigUint64(FCSR_OFFSET, true)),
});

/** The instructions of code, in order. */
export function* instructionsOf(
  code: Uint8Array,
): Generator<{ offset: number; bits: number; width: 16 | 32 }> {
  const view = new DataView(code.buffer);
  for (let offset = 0; offset < code.length; ) {
    const half = view.getUint16(offset, true);
    const width = (half & 3) === 3 ? 32 : 16;
    yield { offset, bits: width === 32 ? view.getUint32(offset, true) : half, width };
    offset += width / 8;
  }
}

/** User-level programs of RISC-V. */
export const userPrograms = new UserPrograms<UserState>({
  // Compressed instructions, double-precision calling convention.
  machine: { machine: 243, flags: 0x5 },
  systemCalls: { write: 64, exit: 93 },
  systemCall: (number, operands) =>
    codeOfWords([
      ...loadAddress(A7, number),
      ...operands.flatMap((value, i) => loadAddress(A0 + i, value)),
      assemble("ecall", {}),
    ]),
  prologue: (record) => codeOfWords(prologue(record)),
  epilogue: () => codeOfWords(epilogue()),
  jump: (offset) => codeOfWords([assemble("jal", { rd: 0, offset })]),
  writeRegisters,
  readRegisters,
  registers: ({ x, f, fcsr }) => [
    ...loadable.map((i) => [`x${i}`, x[i] as bigint] as const),
    ...f.map((value, i) => [`f${i}`, value] as const),
    ["fcsr", BigInt(fcsr)],
  ],
  list: (code) =>
    [...instructionsOf(code)]
      .map(({ offset, bits }) => `  ${offset}: ${disassemble(bits, BigInt(offset))}`)
      .join("\n"),
});
