import type { Field, Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import {
  eventRegister,
  FLAGS,
  FPCR,
  interruptsWaiting,
  PSTATE,
  SP,
  system as storage,
} from "../cpu/state.js";
import { type A64Builder, a64 } from "./lifter.js";
import { systemRegister, systemRegisterNumber } from "./system-names.js";

// System instructions: hints, barriers, MRS, MSR, SYS and SYSL. Registers that are nothing but storage are plain state
// where the mode says at translation time that the access neither traps nor is undefined; the rest is for helpers.

const { insn } = a64("A64");
const pan = a64("PAN");

// --- Registers that are storage --------------------------------------------------------------------

interface Plain {
  readonly field: Field;
  /** Lowest exception levels that may read and write; 3: none. */
  readonly read: number;
  readonly write: number;
}

/**
 * Not here: what HCR_EL2.TVM and TRVM can trap (ESR_EL1, FAR_EL1, the translation registers), and what has reserved
 * bits.
 */
const PLAIN: ReadonlyMap<number, Plain> = new Map(
  (
    [
      ["TPIDR_EL0", 0, 0],
      ["TPIDRRO_EL0", 0, 1],
      ["TPIDR_EL1", 1, 1],
      ["ELR_EL1", 1, 1],
      ["SPSR_EL1", 1, 3],
      ["TPIDR_EL2", 2, 2],
      ["ELR_EL2", 2, 2],
      ["SPSR_EL2", 2, 3],
      ["ESR_EL2", 2, 3],
      ["FAR_EL2", 2, 2],
    ] as const
  ).map(([name, read, write]) => [systemRegisterNumber(name), { field: storage(name), read, write }]),
);

const SP_EL0 = systemRegisterNumber("SP_EL0");
const SP_EL1 = systemRegisterNumber("SP_EL1");
const NZCV = systemRegisterNumber("NZCV");
const DAIF = systemRegisterNumber("DAIF");
const FPCR_NUMBER = systemRegisterNumber("FPCR");
const FPSR_NUMBER = systemRegisterNumber("FPSR");
const CURRENT_EL = systemRegisterNumber("CurrentEL");
const SP_SEL = systemRegisterNumber("SPSel");
const PAN = systemRegisterNumber("PAN");
const DAIF_BITS = 0x3c0;
const DAIF_SHIFT = 6;
const PAN_SHIFT = 22;

/** The field of a stack pointer that is not the current one. */
function otherStackPointer({ mode }: A64Builder, number: number): Field | undefined {
  // SP_EL0 is undefined while it is the current stack pointer.
  if (number === SP_EL0 && mode.el !== 0 && mode.spSel) return SP[0];
  return number === SP_EL1 && mode.el === 2 ? SP[1] : undefined;
}

function readFlags({ ir, i64 }: A64Builder): Value {
  const flag = (value: Value, bit: number) => i64.shl(i64.extend_i32_u(value), i64.const(bit));
  const sign = (field: Field, bit: number) =>
    i64.shl(i64.shr_u(ir.get(field), i64.const(63)), i64.const(bit));
  const zero = flag(i64.eqz(ir.get(FLAGS.z)), 30);
  return i64.or(i64.or(sign(FLAGS.n, 31), zero), i64.or(flag(ir.get(FLAGS.c), 29), sign(FLAGS.v, 28)));
}

function writeFlags(b: A64Builder, value: Value): void {
  const { i64, i32 } = b;
  const notZero = i64.xor(i64.and(value, i64.const(1 << 30)), i64.const(1 << 30));
  const carry = i32.and(i32.shr_u(i32.wrap_i64(value), i32.const(29)), i32.const(1));
  b.setFlags(i64.shl(value, i64.const(32)), notZero, carry, i64.shl(value, i64.const(35)));
}

/** Values that translated code reads by itself; undefined if a helper has to. */
function readInline(b: A64Builder, number: number): Value | undefined {
  const { ir, i64, mode } = b;
  if (number === NZCV) return readFlags(b);
  if (number === FPCR_NUMBER) return i64.extend_i32_u(ir.get(FPCR));
  const plain = PLAIN.get(number);
  if (plain !== undefined) return mode.el >= plain.read ? ir.get(plain.field) : undefined;
  const other = otherStackPointer(b, number);
  if (other !== undefined) return ir.get(other);
  // At EL0 SCTLR_EL1.UMA decides about DAIF, and the others are undefined.
  if (mode.el === 0) return undefined;
  if (number === DAIF) return i64.extend_i32_u(ir.get(PSTATE.daif));
  if (number === CURRENT_EL) return i64.const(mode.el << 2);
  if (number === SP_SEL) return i64.const(mode.spSel ? 1 : 0);
  if (number === PAN) return i64.shl(i64.extend_i32_u(ir.get(PSTATE.pan)), i64.const(PAN_SHIFT));
  return undefined;
}

/** Which data context goes with PSTATE.PAN. */
function setPan(b: A64Builder, value: Value): void {
  b.ir.set(PSTATE.pan, value);
  b.ir.selectContext(value);
}

/** Interrupts that wait may now be let in. */
function setDaif(b: A64Builder, value: Value): void {
  b.ir.set(PSTATE.daif, value);
  b.ir.poll(b.next, interruptsWaiting);
}

/** True if translated code wrote the register by itself. */
function writeInline(b: A64Builder, number: number, value: Value): boolean {
  const { ir, i32, mode } = b;
  const plain = PLAIN.get(number);
  const field = plain !== undefined && mode.el >= plain.write ? plain.field : otherStackPointer(b, number);
  if (field !== undefined) {
    ir.set(field, value);
    return true;
  }
  if (number === NZCV) {
    writeFlags(b, value);
    return true;
  }
  if (mode.el === 0) return false;
  const word = () => i32.wrap_i64(value);
  if (number === DAIF) setDaif(b, i32.and(word(), i32.const(DAIF_BITS)));
  else if (number === PAN) setPan(b, i32.and(i32.shr_u(word(), i32.const(PAN_SHIFT)), i32.const(1)));
  else return false;
  return true;
}

const OP0_HIGH = 0x8000;

/** FPCR and FPSR are accessed where floating point is. */
const trapsAsFloat = (b: A64Builder, number: number): boolean =>
  b.mode.fpTrapped && (number === FPCR_NUMBER || number === FPSR_NUMBER);

const moves = [
  insn("110101010011 system:15 xt:5", "mrs xt, system", (b, { system, xt }) => {
    const number = system | OP0_HIGH;
    if (trapsAsFloat(b, number)) return b.callAndDispatch(Helper.fpTrap);
    b.setX(xt, readInline(b, number) ?? b.ir.call(Helper.readSystem, number));
  }),
  insn("110101010001 system:15 xt:5", "msr system, xt", (b, { system, xt }) => {
    const number = system | OP0_HIGH;
    if (trapsAsFloat(b, number)) return b.callAndDispatch(Helper.fpTrap);
    if (writeInline(b, number, b.x(xt))) return;
    // It may have changed the mode, the interrupts enabled or the mappings.
    b.callAndDispatch(Helper.writeSystem, number, b.x(xt));
  }),
];

// --- MSR (immediate) -------------------------------------------------------------------------------

const immediates = [
  insn(
    "1101010100000 000 0100 crm:4 101 11111",
    "msr pstateName, crm",
    (b, { crm }) => {
      if (b.mode.el === 0) b.undefined();
      else b.callAndDispatch(Helper.writePstate, (crm << 3) | 5);
    },
    { name: "msr.spsel" },
  ),
  insn(
    "1101010100000 011 0100 crm:4 110 11111",
    "msr pstateName, crm",
    (b, { crm }) => {
      if (b.mode.el === 0) b.callAndDispatch(Helper.writePstate, (3 << 7) | (crm << 3) | 6);
      // Masking interrupts lets none in.
      else b.ir.set(PSTATE.daif, b.i32.or(b.ir.get(PSTATE.daif), b.i32.const(crm << DAIF_SHIFT)));
    },
    { name: "msr.daifset" },
  ),
  insn(
    "1101010100000 011 0100 crm:4 111 11111",
    "msr pstateName, crm",
    (b, { crm }) => {
      const { ir, i32 } = b;
      if (b.mode.el === 0) b.callAndDispatch(Helper.writePstate, (3 << 7) | (crm << 3) | 7);
      else setDaif(b, i32.and(ir.get(PSTATE.daif), i32.const(~(crm << DAIF_SHIFT))));
    },
    { name: "msr.daifclr" },
  ),
  pan.insn(
    "1101010100000 000 0100 crm:4 100 11111",
    "msr pstateName, crm",
    (b, { crm }) => {
      if (b.mode.el === 0) b.undefined();
      else setPan(b, b.i32.const(crm & 1));
    },
    { name: "msr.pan" },
  ),
];

// --- Hints and barriers ----------------------------------------------------------------------------

const hint = (number: string) => `11010101000000110010 ${number} 11111` as const;

const hints = [
  insn(hint("0000 010"), "wfe", (b) => b.callAndDispatch(Helper.wfe)),
  insn(hint("0000 011"), "wfi", (b) => b.callAndDispatch(Helper.wfi)),
  insn(hint("0000 100"), "sev", (b) => void b.ir.call(Helper.sendEvent, 0)),
  insn(hint("0000 101"), "sevl", (b) => b.ir.set(eventRegister, b.i32.const(1))),
  // Everything else in this space does nothing on a PE without the extension it belongs to.
  insn("11010101000000110010 imm:7 11111", "hint imm", () => {}, {
    aliases: [
      ["nop", "imm == 0"],
      ["yield", "imm == 1"],
      ["dgh", "imm == 6"],
      ["csdb", "imm == 20"],
    ],
  }),
];

// One PE runs at a time, in program order: there is nothing to order.
const barriers = [
  insn("11010101000000110011 crm:4 010 11111", "clrex crm", (b) => void b.ir.call(Helper.clearExclusive, 0), {
    aliases: [["clrex", "crm == 15"]],
  }),
  insn("11010101000000110011 barrier:4 100 11111", "dsb barrier", () => {}),
  insn("11010101000000110011 barrier:4 101 11111", "dmb barrier", () => {}),
  // Code is looked up anew: what changed it (IC IVAU, a store) was seen before.
  insn("11010101000000110011 barrier:4 110 11111", "isb barrier", (b) => b.dispatch(), {
    aliases: [["isb", "barrier == 15"]],
  }),
];

// --- SYS and SYSL ----------------------------------------------------------------------------------

const SYS = 1 << 14;
const DC_ZVA = systemRegister(1, 3, 7, 4, 1);
const ZVA_BLOCK = 64;
/** SCTLR_EL1.DZE and HCR_EL2.TDZ. */
const DZE = 14;
const TDZ = 28;

/** A bit of a system register as an i32, 0 or 1. */
function bitOf({ ir, i64, i32 }: A64Builder, name: string, bit: number): Value {
  return i32.and(i32.wrap_i64(i64.shr_u(ir.get(storage(name)), i64.const(bit))), i32.const(1));
}

/** DC ZVA, unless it traps: to EL1 from EL0 without DZE, to EL2 by TDZ. */
function zeroBlock(b: A64Builder, address: Value): void {
  const { ir, i64, i32, mode } = b;
  if (mode.el < 2) {
    const trapped = bitOf(b, "HCR_EL2", TDZ);
    const allowed = mode.el === 0 ? bitOf(b, "SCTLR_EL1", DZE) : i32.const(1);
    ir.callIf(i32.or(trapped, i32.eqz(allowed)), Helper.zeroTrapped, DC_ZVA, address);
  }
  // This may be Device memory, which takes no DC ZVA: where there is no first stage, the alignment is checked.
  if (mode.alignmentChecked) return b.callAndDispatch(Helper.systemOperation, DC_ZVA, address);
  // The probe gives a fault the address in the register.
  ir.probe("write", 1, address);
  const start = i64.and(address, i64.const(-ZVA_BLOCK));
  for (let at = 0; at < ZVA_BLOCK; at += 8) ir.store(8, b.displaced(start, at), i64.const(0));
}

const operations = [
  insn(
    "1101010100001 operation:14 xt:5",
    "sys sysText, xt",
    (b, { operation, xt }) => {
      const number = operation | SYS;
      if (number === DC_ZVA) zeroBlock(b, b.x(xt));
      else b.callAndDispatch(Helper.systemOperation, number, b.x(xt));
    },
    {
      aliases: [
        ["{operationName}", "knownOperation == 1"],
        ["sys sysText", "xt == 31"],
      ],
    },
  ),
  insn("1101010100101 operation:14 xt:5", "sysl xt, sysText", (b, { operation, xt }) => {
    b.setX(xt, b.ir.call(Helper.systemOperation, operation | SYS));
  }),
];

export const system = [...moves, ...immediates, ...hints, ...barriers, ...operations];
