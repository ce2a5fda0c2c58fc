import type { AccessSize, DeclarationOptions, SoftName, Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { F, M, VS } from "../cpu/state.js";
import { FS } from "../cpu/status-bits.js";
import { type RiscvBuilder, S_MODE } from "./lifter.js";

// What the F and D extensions share. An FP register is an i64 field; a single in it is NaN-boxed: its
// upper half is all ones, and anything else reads as the canonical NaN (unprivileged manual, "NaN Boxing
// of Narrower Values").

const BOX = -0x1_0000_0000;
const CANONICAL_NAN = 0x7fc00000;
const DYNAMIC_ROUNDING = 7;
/** Rounding modes above this are reserved. */
const LAST_ROUNDING = 4;

/** A floating-point format: how its values lie in registers, and its operations by the IR's names. */
export interface Format {
  readonly name: "f32" | "f64";
  readonly size: AccessSize;
  read(b: RiscvBuilder, register: number): Value;
  write(b: RiscvBuilder, register: number, value: Value): void;
  /** Copy the sign of `sign`, negated if asked, or combined by exclusive or, to `value`. */
  injectSign(b: RiscvBuilder, value: Value, sign: Value, how: SignInjection): Value;
  negate(b: RiscvBuilder, value: Value): Value;
}

export type SignInjection = "copy" | "negated" | "xor";

type IntegerOps = RiscvBuilder["i32"] | RiscvBuilder["i64"];

function injectSign(
  ops: IntegerOps,
  signBit: Value,
  rest: Value,
  value: Value,
  sign: Value,
  how: SignInjection,
): Value {
  if (how === "xor") return ops.xor(value, ops.and(sign, signBit));
  const picked = ops.and(how === "negated" ? ops.xor(sign, signBit) : sign, signBit);
  return ops.or(ops.and(value, rest), picked);
}

export const SINGLE: Format = {
  name: "f32",
  size: 4,
  read: (b, register) => {
    const bits = rawF(b, register);
    const boxed = b.i64.ge_u(bits, b.i64.const(BOX));
    return b.ir.select(boxed, b.i32.wrap_i64(bits), b.i32.const(CANONICAL_NAN));
  },
  write: (b, register, value) => setRawF(b, register, box(b, value)),
  injectSign: (b, value, sign, how) =>
    injectSign(b.i32, b.i32.const(0x80000000 | 0), b.i32.const(0x7fffffff), value, sign, how),
  negate: (b, value) => b.i32.xor(value, b.i32.const(0x80000000 | 0)),
};

export const DOUBLE: Format = {
  name: "f64",
  size: 8,
  read: rawF,
  write: setRawF,
  injectSign: (b, value, sign, how) =>
    injectSign(b.i64, b.i64.pair(0, 0x80000000 | 0), b.i64.pair(-1, 0x7fffffff), value, sign, how),
  negate: (b, value) => b.i64.xor(value, b.i64.pair(0, 0x80000000 | 0)),
};

/** All 64 bits of an FP register. */
export function rawF(b: RiscvBuilder, register: number): Value {
  return b.ir.get(F[register]!);
}

export function setRawF(b: RiscvBuilder, register: number, value: Value): void {
  b.ir.set(F[register]!, value);
}

/** NaN-box a single. */
export function box(b: RiscvBuilder, single: Value): Value {
  return b.i64.or(b.i64.extend_i32_u(single), b.i64.const(BOX));
}

/** In S-mode the mode does not tell what FS is. */
function checkFloat({ ir, i32, mode }: RiscvBuilder, writes: boolean): void {
  let status = i32.wrap_i64(ir.get(M.status));
  if (mode.virtual) status = i32.and(status, i32.wrap_i64(ir.get(VS.status)));
  const notDirty = i32.xor(i32.and(status, i32.const(FS)), i32.const(FS));
  ir.callIf(notDirty, Helper.fpUse, writes ? 1 : 0, ir.i64.const(0));
}

/** An instruction that reads FP state and writes neither registers nor flags. */
export function readsFloat(b: RiscvBuilder, body: () => void): void {
  if (b.mode.privilege === S_MODE) checkFloat(b, false);
  if (b.mode.fpOn || b.mode.privilege === S_MODE) body();
  else b.illegal();
}

/** An instruction that writes FP registers or flags: FP state becomes dirty. */
export function writesFloat(b: RiscvBuilder, body: () => void): void {
  if (b.mode.privilege === S_MODE) {
    checkFloat(b, true);
    body();
  } else if (!b.mode.fpOn) {
    b.illegal();
  } else if (b.mode.fpDirty) {
    body();
  } else {
    b.ir.call(Helper.fpDirty, 0);
    body();
    // Code from here on is translated for the dirty state.
    b.dispatch();
  }
}

/** As `writesFloat`, with the rounding mode resolved: the instruction's own, or frm's. */
export function rounds(b: RiscvBuilder, rm: number, body: (rounding: number) => void): void {
  const rounding = rm === DYNAMIC_ROUNDING ? b.mode.frm : rm;
  if (rounding > LAST_ROUNDING) b.illegal();
  else writesFloat(b, () => body(rounding));
}

type Arithmetic = { fd: number; fs1: number; fs2: number; rm: number };

export const arithmetic =
  (f: Format, operation: "add" | "sub" | "mul" | "div") =>
  (b: RiscvBuilder, { fd, fs1, fs2, rm }: Arithmetic) =>
    rounds(b, rm, (rounding) =>
      f.write(b, fd, b.ir.fp(`${f.name}.${operation}`, rounding, f.read(b, fs1), f.read(b, fs2))),
    );

export const squareRoot =
  (f: Format) =>
  (b: RiscvBuilder, { fd, fs1, rm }: Omit<Arithmetic, "fs2">) =>
    rounds(b, rm, (rounding) => f.write(b, fd, b.ir.fp(`${f.name}.sqrt`, rounding, f.read(b, fs1))));

/** ±(fs1 × fs2) ± fs3 with one rounding; the signs are those of the exact product and sum. */
export const fused =
  (f: Format, negateProduct: boolean, negateAddend: boolean) =>
  (b: RiscvBuilder, { fd, fs1, fs2, fs3, rm }: Arithmetic & { fs3: number }) =>
    rounds(b, rm, (rounding) => {
      const first = f.read(b, fs1);
      const addend = f.read(b, fs3);
      const x = negateProduct ? f.negate(b, first) : first;
      const z = negateAddend ? f.negate(b, addend) : addend;
      f.write(b, fd, b.ir.fp(`${f.name}.fma`, rounding, x, f.read(b, fs2), z));
    });

export const minMax =
  (f: Format, operation: "minimumNumber" | "maximumNumber") =>
  (b: RiscvBuilder, { fd, fs1, fs2 }: Omit<Arithmetic, "rm">) =>
    writesFloat(b, () =>
      f.write(b, fd, b.ir.fp(`${f.name}.${operation}`, 0, f.read(b, fs1), f.read(b, fs2))),
    );

export const signInjection =
  (f: Format, how: SignInjection) =>
  (b: RiscvBuilder, { fd, fs1, fs2 }: Omit<Arithmetic, "rm">) =>
    writesFloat(b, () => {
      const value = f.read(b, fs1);
      // fmv: the commonest use needs no bit operation.
      const same = fs1 === fs2 && how === "copy";
      f.write(b, fd, same ? value : f.injectSign(b, value, f.read(b, fs2), how));
    });

/** Comparisons write flags: a quiet one for signaling NaNs, the others for any NaN. */
export const comparison =
  (f: Format, operation: "eq" | "lt" | "le") =>
  (b: RiscvBuilder, { rd, fs1, fs2 }: { rd: number; fs1: number; fs2: number }) =>
    writesFloat(b, () => b.setBool(rd, b.ir.fp(`${f.name}.${operation}`, 0, f.read(b, fs1), f.read(b, fs2))));

export const classify =
  (f: Format) =>
  (b: RiscvBuilder, { rd, fs1 }: { rd: number; fs1: number }) =>
    readsFloat(b, () => b.setBool(rd, b.ir.fp(`${f.name}.class`, 0, f.read(b, fs1))));

type Integer = "I32" | "U32" | "I64" | "U64";

/** 32-bit results are sign-extended, unsigned ones too. */
export const toInteger =
  (f: Format, to: Integer) =>
  (b: RiscvBuilder, { rd, fs1, rm }: { rd: number; fs1: number; rm: number }) =>
    rounds(b, rm, (rounding) => {
      const name: SoftName = `${f.name}.to${to}`;
      const value = b.ir.fp(name, rounding, f.read(b, fs1));
      if (to === "I32" || to === "U32") b.setW(rd, value);
      else b.setX(rd, value);
    });

export const fromInteger =
  (f: Format, from: Integer) =>
  (b: RiscvBuilder, { fd, rs1, rm }: { fd: number; rs1: number; rm: number }) =>
    rounds(b, rm, (rounding) => {
      const name: SoftName = `${f.name}.from${from}`;
      const value = from === "I32" || from === "U32" ? b.w(rs1) : b.x(rs1);
      f.write(b, fd, b.ir.fp(name, rounding, value));
    });

/** Moves and stores carry the bits as they are, boxed or not. */
export const storing =
  (f: Format) =>
  (b: RiscvBuilder, { rs1, fs2, imm }: { rs1: number; fs2: number; imm: number }) =>
    readsFloat(b, () => b.ir.store(f.size, b.address(rs1, imm), rawF(b, fs2)));

export const loading =
  (f: Format) =>
  (b: RiscvBuilder, { fd, rs1, imm }: { fd: number; rs1: number; imm: number }) =>
    writesFloat(b, () => {
      const bits = b.ir.load(f.size, false, b.address(rs1, imm));
      setRawF(b, fd, f.size === 4 ? b.i64.or(bits, b.i64.const(BOX)) : bits);
    });

/** Rounding modes 5 and 6 are reserved in every encoding. */
export const validRounding: DeclarationOptions = { where: "rm != 5, rm != 6" };

/** For conversions that are always exact: the mode that assemblers write, 0, is not shown. */
export const exactRounding = (text: string): DeclarationOptions => ({
  ...validRounding,
  aliases: [[text, "rm == 0"]],
});
