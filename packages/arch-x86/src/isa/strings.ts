import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { FLAGS, GPR, Gpr, Seg } from "../cpu/state.js";
import { packStringRun } from "../cpu/string-runs.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { type X86Builder, x86 } from "./lifter.js";

// String instructions. With REP each repetition is one execution of the instruction, which then leads to itself: an
// interrupt or a fault between two of them finds the registers as they are to be.

const insn = x86("base");

const ACCUMULATOR = Gpr.rax;

/** Offset of an index register, as wide as addresses. */
const indexOf = (b: X86Builder, register: number): Value =>
  b.zeroExtended(b.d.addressSize, b.ir.get(GPR[register]!));

/** Move an index register on by an element, up or down as DF says. */
function advance(b: X86Builder, register: number, bytes: number): void {
  const { i64, ir } = b;
  const step = ir.select(ir.get(FLAGS.direction), i64.const(-bytes), i64.const(bytes));
  b.setGpr(register, b.d.addressSize, i64.add(ir.get(GPR[register]!), step));
}

const sourceAddress = (b: X86Builder, bytes: number): Value =>
  b.inSegment(b.segmentOf(), indexOf(b, Gpr.rsi), bytes, false);

/** The destination is in ES whatever prefixes say. */
const destinationAddress = (b: X86Builder, bytes: number, write: boolean): Value =>
  b.inSegment(Seg.es, indexOf(b, Gpr.rdi), bytes, write);

/** One element: everything that can fault first; gives what comes after. */
type Element = (b: X86Builder, bytes: number) => () => void;

const move: Element = (b, bytes) => {
  const value = b.load(bytes, false, sourceAddress(b, bytes));
  b.store(bytes, destinationAddress(b, bytes, true), value);
  return () => {
    advance(b, Gpr.rsi, bytes);
    advance(b, Gpr.rdi, bytes);
  };
};

const store: Element = (b, bytes) => {
  b.store(bytes, destinationAddress(b, bytes, true), b.ir.get(GPR[ACCUMULATOR]!));
  return () => advance(b, Gpr.rdi, bytes);
};

const load: Element = (b, bytes) => {
  const value = b.load(bytes, false, sourceAddress(b, bytes));
  return () => {
    b.setGpr(ACCUMULATOR, bytes, value);
    advance(b, Gpr.rsi, bytes);
  };
};

function compare(b: X86Builder, bytes: number, x: Value, y: Value): void {
  b.flags.subtract(bytes, x, y, b.signExtended(bytes, b.i64.sub(x, y)));
}

const compareStrings: Element = (b, bytes) => {
  const x = b.load(bytes, true, sourceAddress(b, bytes));
  const y = b.load(bytes, true, destinationAddress(b, bytes, false));
  return () => {
    compare(b, bytes, x, y);
    advance(b, Gpr.rsi, bytes);
    advance(b, Gpr.rdi, bytes);
  };
};

const scan: Element = (b, bytes) => {
  const x = b.signExtended(bytes, b.ir.get(GPR[ACCUMULATOR]!));
  const y = b.load(bytes, true, destinationAddress(b, bytes, false));
  return () => {
    compare(b, bytes, x, y);
    advance(b, Gpr.rdi, bytes);
  };
};

const REPE = 0xf3;
/** For so few elements, a run does not pay. */
const SHORT_RUN = 47;

/** The instruction once, or again and again while rCX and, for comparisons, ZF allow it. */
const repeated =
  (element: Element, compares: boolean) =>
  (b: X86Builder): void => {
    const { i64, i32, ir, d } = b;
    const bytes = b.bytes(0);
    if (d.repeat === 0) return element(b, bytes)();
    const count = b.zeroExtended(d.addressSize, ir.get(GPR[Gpr.rcx]!));
    ir.callIf(i64.eqz(count), Helper.skip, d.length, i64.const(0));
    if ((element === move || element === store) && b.plainStrings) {
      const run = { bytes, moves: element === move, wide: d.addressSize === 8 };
      ir.callIf(i64.gt_u(count, i64.const(SHORT_RUN)), Helper.stringRun, packStringRun(run), i64.const(0));
    }
    const finish = element(b, bytes);
    finish();
    // Read again: a run may have changed it.
    const left = b.zeroExtended(d.addressSize, i64.sub(ir.get(GPR[Gpr.rcx]!), i64.const(1)));
    b.setGpr(Gpr.rcx, d.addressSize, left);
    const more = i32.eqz(i64.eqz(left));
    if (!compares) return ir.branch(more, b.offset, b.next);
    const zero = i32.eqz(i32.eqz(b.flags.condition(d.repeat === REPE ? 4 : 5)));
    ir.branch(i32.and(more, zero), b.offset, b.next);
  };

const REP: InstructionOptions = { rep: "rep" };
const REPEAT_WHILE: InstructionOptions = { rep: "repe" };

export const strings: readonly X86Declaration<X86Builder>[] = [
  insn("movs Yb, Xb", "A4", repeated(move, false), REP),
  insn("movs Yv, Xv", "A5", repeated(move, false), REP),
  insn("cmps Xb, Yb", "A6", repeated(compareStrings, true), REPEAT_WHILE),
  insn("cmps Xv, Yv", "A7", repeated(compareStrings, true), REPEAT_WHILE),
  insn("stos Yb, al", "AA", repeated(store, false), REP),
  insn("stos Yv, rAX", "AB", repeated(store, false), REP),
  insn("lods al, Xb", "AC", repeated(load, false), REP),
  insn("lods rAX, Xv", "AD", repeated(load, false), REP),
  insn("scas al, Yb", "AE", repeated(scan, true), REPEAT_WHILE),
  insn("scas rAX, Yv", "AF", repeated(scan, true), REPEAT_WHILE),
];
