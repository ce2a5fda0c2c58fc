import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { GPR, Gpr } from "../cpu/state.js";
import type { X86Declaration } from "./declaration.js";
import { Flag, STATUS_FLAGS } from "./flags.js";
import { Vector, type X86Builder, x86 } from "./lifter.js";

// Multiplication and division: SDM volume 2, MUL, IMUL, DIV, IDIV.

const insn = x86("base");

const MULTIPLIED = { undefinedFlags: Flag.SF | Flag.ZF | Flag.AF | Flag.PF };
const DIVIDED = { undefinedFlags: STATUS_FLAGS };
const CARRY_AND_OVERFLOW = Flag.CF | Flag.OF;

/** CF and OF if the product does not fit in the lower half. */
function setProductFlags(b: X86Builder, low: Value, overflows: Value): void {
  const { ir, i64 } = b;
  b.flags.partial(low, ir.select(overflows, i64.const(CARRY_AND_OVERFLOW), i64.const(0)));
}

/** A register pair's halves from the accumulator and one operand. */
const multiply =
  (signed: boolean) =>
  (b: X86Builder): void => {
    const { i64, ir } = b;
    const bytes = b.bytes(0);
    const bits = 8 * bytes;
    const accumulator = ir.get(GPR[Gpr.rax]!);
    const [x, y] = signed
      ? [b.signExtended(bytes, accumulator), b.signed(0)]
      : [b.zeroExtended(bytes, accumulator), b.unsigned(0)];
    const low = i64.mul(x, y);
    const high =
      bytes === 8 ? (signed ? i64.mulh_s(x, y) : i64.mulh_u(x, y)) : i64.shr_u(low, i64.const(bits));
    const extended = b.signExtended(bytes, low);
    const fits = signed ? i64.shr_s(extended, i64.const(63)) : i64.const(0);
    const upper = bytes === 8 ? high : signed ? b.signExtended(bytes, high) : b.zeroExtended(bytes, high);
    if (bytes === 1) b.setGpr(Gpr.rax, 2, low);
    else {
      b.setGpr(Gpr.rax, bytes, low);
      b.setGpr(Gpr.rdx, bytes, high);
    }
    setProductFlags(b, extended, i64.ne(upper, fits));
  };

/** IMUL into its first operand. */
const multiplyInto =
  (first: number, second: number) =>
  (b: X86Builder): void => {
    const { i64 } = b;
    const bytes = b.bytes(0);
    const [x, y] = [b.signed(first), b.signed(second)];
    const low = i64.mul(x, y);
    const extended = b.signExtended(bytes, low);
    const overflows =
      bytes === 8 ? i64.ne(i64.mulh_s(x, y), i64.shr_s(low, i64.const(63))) : i64.ne(extended, low);
    b.write(0, low);
    setProductFlags(b, extended, overflows);
  };

/** The dividend of up to 64 bits: AX, or the lower parts of rDX and rAX. */
function dividend(b: X86Builder, bytes: number, signed: boolean): Value {
  const { i64, ir } = b;
  const accumulator = ir.get(GPR[Gpr.rax]!);
  if (bytes === 1) return signed ? i64.extend16_s(accumulator) : b.zeroExtended(2, accumulator);
  const high = i64.shl(b.zeroExtended(bytes, ir.get(GPR[Gpr.rdx]!)), i64.const(8 * bytes));
  const joined = i64.or(high, b.zeroExtended(bytes, accumulator));
  return signed && bytes === 2 ? i64.extend32_s(joined) : joined;
}

const divide =
  (signed: boolean) =>
  (b: X86Builder): void => {
    const bytes = b.bytes(0);
    const { i64 } = b;
    const divisor = signed ? b.signed(0) : b.unsigned(0);
    b.raiseIf(i64.eqz(divisor), Vector.DE);
    if (bytes === 8) return divideWide(b, divisor, signed);
    const n = dividend(b, bytes, signed);
    const quotient = signed ? i64.div_s(n, divisor) : i64.div_u(n, divisor);
    const remainder = signed ? i64.rem_s(n, divisor) : i64.rem_u(n, divisor);
    const kept = signed ? b.signExtended(bytes, quotient) : b.zeroExtended(bytes, quotient);
    b.raiseIf(i64.ne(kept, quotient), Vector.DE);
    if (bytes === 1) {
      const low = b.zeroExtended(1, quotient);
      b.setGpr(Gpr.rax, 2, i64.or(low, i64.shl(remainder, i64.const(8))));
      return;
    }
    b.setGpr(Gpr.rax, bytes, quotient);
    b.setGpr(Gpr.rdx, bytes, remainder);
  };

/** 128 by 64 bits: nearly always the upper half only continues the lower one, else a helper does it. */
function divideWide(b: X86Builder, divisor: Value, signed: boolean): void {
  const { i64, i32, ir } = b;
  const [low, high] = [ir.get(GPR[Gpr.rax]!), ir.get(GPR[Gpr.rdx]!)];
  const continued = signed ? i64.shr_s(low, i64.const(63)) : i64.const(0);
  ir.callIf(i64.ne(high, continued), Helper.divideWide, b.d.length | (signed ? 0x100 : 0), divisor);
  if (signed) {
    const least = i64.eq(low, i64.pair(0, -0x8000_0000));
    b.raiseIf(i32.and(least, i64.eq(divisor, i64.const(-1))), Vector.DE);
  }
  const quotient = signed ? i64.div_s(low, divisor) : i64.div_u(low, divisor);
  const remainder = signed ? i64.rem_s(low, divisor) : i64.rem_u(low, divisor);
  b.setGpr(Gpr.rax, 8, quotient);
  b.setGpr(Gpr.rdx, 8, remainder);
}

export const multiplication: readonly X86Declaration<X86Builder>[] = [
  insn("mul Eb", "F6 /4", multiply(false), MULTIPLIED),
  insn("mul Ev", "F7 /4", multiply(false), MULTIPLIED),
  insn("imul Eb", "F6 /5", multiply(true), MULTIPLIED),
  insn("imul Ev", "F7 /5", multiply(true), MULTIPLIED),
  insn("imul Gv, Ev", "0F AF /r", multiplyInto(0, 1), MULTIPLIED),
  insn("imul Gv, Ev, Iz", "69 /r", multiplyInto(1, 2), MULTIPLIED),
  insn("imul Gv, Ev, sIb", "6B /r", multiplyInto(1, 2), MULTIPLIED),
  insn("div Eb", "F6 /6", divide(false), DIVIDED),
  insn("div Ev", "F7 /6", divide(false), DIVIDED),
  insn("idiv Eb", "F6 /7", divide(true), DIVIDED),
  insn("idiv Ev", "F7 /7", divide(true), DIVIDED),
];
