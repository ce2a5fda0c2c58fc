import type { Alias, Field, Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { interruptsWaiting, M, riscvLayout, S, VS } from "../cpu/state.js";
import { FS, MXR, SD_HI, SIE, SSTATUS_MASK, SUM, UXL_64_HI } from "../cpu/status-bits.js";
import { M_MODE, type RiscvBuilder, riscv, S_MODE } from "./lifter.js";

// CSR instructions, unprivileged manual, chapter "Zicsr". Most CSRs are read and written by helpers, which
// also decide whether the access is legal. CSRs that are nothing but storage are plain state where the
// mode says at translation time that the access is legal.

const { insn } = riscv("Zicsr");

/** What an access does to the CSR; the helpers' numbering. */
const Operation = { write: 1, set: 2, clear: 3 } as const;
type Operation = (typeof Operation)[keyof typeof Operation];

const FFLAGS = 0x001;
const FRM = 0x002;
const FCSR = 0x003;

interface PlainCsr {
  readonly field: Field;
  /** Bits that can be written. */
  readonly writable: bigint;
}

const ALL = -1n;
/** The lowest bit of an exception pc is always zero; with compressed instructions the next one is not. */
const PC_BITS = -2n;

type Bank = Readonly<Record<"scratch" | "epc" | "cause" | "tval", Field>>;

/** xscratch, xepc, xcause and xtval have consecutive numbers at every level. */
const plain = (bank: Bank, first: number): [number, PlainCsr][] => [
  [first, { field: bank.scratch, writable: ALL }],
  [first + 1, { field: bank.epc, writable: PC_BITS }],
  [first + 2, { field: bank.cause, writable: ALL }],
  [first + 3, { field: bank.tval, writable: ALL }],
];

const MACHINE = plain(M, 0x340);
const SUPERVISOR = plain(S, 0x140);

const IN_M: ReadonlyMap<number, PlainCsr> = new Map([...MACHINE, ...SUPERVISOR]);
const IN_HS: ReadonlyMap<number, PlainCsr> = new Map(SUPERVISOR);
/** In VS-mode the supervisor CSRs are the virtual ones. By their own numbers those are there only with the H extension. */
const IN_VS: ReadonlyMap<number, PlainCsr> = new Map(plain(VS, 0x140));

function plainCsr({ mode }: RiscvBuilder, csr: number): PlainCsr | undefined {
  if (mode.privilege === M_MODE) return IN_M.get(csr);
  if (mode.privilege !== S_MODE) return undefined;
  return (mode.virtual ? IN_VS : IN_HS).get(csr);
}

const SSTATUS = 0x100;
const SUM_SHIFT = 18;

/**
 * sstatus in S-mode: mstatus' part of it, or vsstatus. SIE and SUM are switched all the time, so writes happen here
 * unless MXR changes, which the translations depend on.
 */
function status({ mode }: RiscvBuilder, csr: number): Field | undefined {
  if (csr !== SSTATUS || mode.privilege !== S_MODE) return undefined;
  return mode.virtual ? VS.status : M.status;
}

function readStatus(b: RiscvBuilder, field: Field): Value {
  const value = b.ir.get(field);
  // vsstatus has no other bits.
  return b.mode.virtual ? value : b.i64.and(value, b.i64.pair(SSTATUS_MASK, SD_HI | UXL_64_HI));
}

/** Set SD to what FS says. */
function summarise({ i64, i32 }: RiscvBuilder, value: Value): Value {
  const dirty = i32.eq(i32.and(i32.wrap_i64(value), i32.const(FS)), i32.const(FS));
  const sd = i64.shl(i64.extend_i32_u(dirty), i64.const(63));
  return i64.or(i64.and(value, i64.pair(-1, ~SD_HI)), sd);
}

/** `bits`: those that the operand may have set. */
function changeStatus(
  b: RiscvBuilder,
  field: Field,
  rd: number,
  operation: Operation,
  operand: Value,
  bits: number,
): void {
  const { i64, i32 } = b;
  const writable = SSTATUS_MASK & (operation === Operation.write ? -1 : bits);
  const whole = b.ir.get(field);
  const legal = i64.and(operand, i64.pair(writable, 0));
  const plain = {
    [Operation.write]: () => i64.or(i64.and(whole, i64.pair(~writable, -1)), legal),
    [Operation.set]: () => i64.or(whole, legal),
    [Operation.clear]: () => i64.and(whole, i64.xor(legal, i64.const(-1))),
  }[operation]();
  const value = (writable & FS) === 0 ? plain : summarise(b, plain);
  const changed = i32.wrap_i64(i64.xor(whole, value));
  if ((writable & MXR) !== 0)
    b.ir.callIf(i32.and(changed, i32.const(MXR)), Helper.sstatusExchange, operation | (rd << 2), operand);
  const old = readStatus(b, field);
  b.ir.set(field, value);
  b.setX(rd, old);
  if ((writable & SUM) !== 0)
    b.ir.selectContext(i32.and(i32.shr_u(i32.wrap_i64(value), i32.const(SUM_SHIFT)), i32.const(1)));
  // Interrupts that wait may now be let in.
  if (operation !== Operation.clear && (writable & SIE) !== 0) b.ir.poll(b.next, interruptsWaiting);
}

/** The floating-point CSRs, whose rounding mode is known at translation time. */
function floatCsr(b: RiscvBuilder, csr: number): Value | undefined {
  if (!b.mode.fpOn) return undefined;
  if (csr === FRM) return b.i64.const(b.mode.frm);
  if (csr !== FFLAGS && csr !== FCSR) return undefined;
  const flags = b.i64.extend_i32_u(b.i32.and(b.ir.get(riscvLayout.fpFlags), b.i32.const(0x1f)));
  return csr === FFLAGS ? flags : b.i64.or(flags, b.i64.const(b.mode.frm << 5));
}

function read(b: RiscvBuilder, rd: number, csr: number): void {
  const field = plainCsr(b, csr)?.field;
  const stored = status(b, csr);
  if (stored !== undefined) return b.setX(rd, readStatus(b, stored));
  const value = field === undefined ? floatCsr(b, csr) : b.ir.get(field);
  b.setX(rd, value ?? b.ir.call(Helper.csrRead, csr));
}

function changed(b: RiscvBuilder, operation: Operation, old: () => Value, operand: Value): Value {
  if (operation === Operation.set) return b.i64.or(old(), operand);
  if (operation === Operation.clear) return b.i64.and(old(), b.i64.xor(operand, b.i64.const(-1)));
  return operand;
}

function changePlain(
  b: RiscvBuilder,
  { field, writable }: PlainCsr,
  rd: number,
  operation: Operation,
  operand: Value,
) {
  const old = b.ir.get(field);
  const value = changed(b, operation, () => old, operand);
  b.ir.set(field, writable === ALL ? value : b.i64.and(value, b.i64.const(writable)));
  b.setX(rd, old);
}

/** An access that writes. `rd` of x0 means that CSRRW does not read. */
function change(
  b: RiscvBuilder,
  rd: number,
  csr: number,
  operation: Operation,
  operand: Value,
  bits: number,
): void {
  const stored = status(b, csr);
  if (stored !== undefined) return changeStatus(b, stored, rd, operation, operand, bits);
  const known = plainCsr(b, csr);
  if (known !== undefined) {
    changePlain(b, known, rd, operation, operand);
    return;
  }
  if (operation === Operation.write && rd === 0) {
    b.ir.call(Helper.csrWrite, csr, operand);
  } else {
    b.setX(rd, b.ir.call(Helper.csrExchange, csr | (operation << 12), operand));
  }
  // It may have changed the mode, the interrupts enabled or the mappings.
  b.dispatch();
}

type Register = { rd: number; rs1: number; csr: number };
type Immediate = { rd: number; uimm: number; csr: number };

const withRegister =
  (operation: Operation) =>
  (b: RiscvBuilder, { rd, rs1, csr }: Register) => {
    if (operation !== Operation.write && rs1 === 0) read(b, rd, csr);
    else change(b, rd, csr, operation, b.x(rs1), -1);
  };

const withImmediate =
  (operation: Operation) =>
  (b: RiscvBuilder, { rd, uimm, csr }: Immediate) => {
    if (operation !== Operation.write && uimm === 0) read(b, rd, csr);
    else change(b, rd, csr, operation, b.i64.const(uimm), uimm);
  };

/** Pseudo-instructions that read one CSR: the floating-point ones and the counters of Zicntr. */
const READS: readonly Alias[] = [
  ["frflags rd", `rs1 == 0, csr == ${FFLAGS}`],
  ["frrm rd", `rs1 == 0, csr == ${FRM}`],
  ["frcsr rd", `rs1 == 0, csr == ${FCSR}`],
  ["rdcycle rd", `rs1 == 0, csr == ${0xc00}`],
  ["rdtime rd", `rs1 == 0, csr == ${0xc01}`],
  ["rdinstret rd", `rs1 == 0, csr == ${0xc02}`],
  ["csrr rd, csr", "rs1 == 0"],
];

const FLOAT_WRITES: readonly Alias[] = [
  ["fsflags rs1", `rd == 0, csr == ${FFLAGS}`],
  ["fsflags rd, rs1", `csr == ${FFLAGS}`],
  ["fsrm rs1", `rd == 0, csr == ${FRM}`],
  ["fsrm rd, rs1", `csr == ${FRM}`],
  ["fscsr rs1", `rd == 0, csr == ${FCSR}`],
  ["fscsr rd, rs1", `csr == ${FCSR}`],
];

const FLOAT_IMMEDIATES: readonly Alias[] = [
  ["fsflagsi uimm", `rd == 0, csr == ${FFLAGS}`],
  ["fsflagsi rd, uimm", `csr == ${FFLAGS}`],
  ["fsrmi uimm", `rd == 0, csr == ${FRM}`],
  ["fsrmi rd, uimm", `csr == ${FRM}`],
];

export const zicsr = [
  insn("csr:12 rs1:5 001 rd:5 1110011", "csrrw rd, csr, rs1", withRegister(Operation.write), {
    aliases: [...FLOAT_WRITES, ["csrw csr, rs1", "rd == 0"]],
  }),
  insn("csr:12 rs1:5 010 rd:5 1110011", "csrrs rd, csr, rs1", withRegister(Operation.set), {
    aliases: [...READS, ["csrs csr, rs1", "rd == 0"]],
  }),
  insn("csr:12 rs1:5 011 rd:5 1110011", "csrrc rd, csr, rs1", withRegister(Operation.clear), {
    aliases: [["csrc csr, rs1", "rd == 0"]],
  }),
  insn("csr:12 uimm:5 101 rd:5 1110011", "csrrwi rd, csr, uimm", withImmediate(Operation.write), {
    aliases: [...FLOAT_IMMEDIATES, ["csrwi csr, uimm", "rd == 0"]],
  }),
  insn("csr:12 uimm:5 110 rd:5 1110011", "csrrsi rd, csr, uimm", withImmediate(Operation.set), {
    aliases: [["csrsi csr, uimm", "rd == 0"]],
  }),
  insn("csr:12 uimm:5 111 rd:5 1110011", "csrrci rd, csr, uimm", withImmediate(Operation.clear), {
    aliases: [["csrci csr, uimm", "rd == 0"]],
  }),
];
