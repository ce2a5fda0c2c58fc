import { type Field, wasm } from "@hypercraft/engine";
import { X87 } from "../../state.js";
import { StatusBit } from "../stack.js";
import type { Library } from "./library.js";

// What shortcuts of the floating-point unit are written with: the registers, the status word, and ways out.

const { i32, i64, ret, seq, when } = wasm;
type Expr = wasm.Expr;
type Val = wasm.Val;
type Local = wasm.Local;

/** Leave everything to the helper. */
const GIVE_UP = ret(i32.const(0));
/** All is done. */
export const DONE = ret(i32.const(1));
export const giveUpIf = (condition: Expr): Expr => when(condition, [GIVE_UP]);

export const SIGN = 0x8000;
/** The integer bit. */
export const TOP_BIT = -(1n << 63n);
export const EXPONENT = 0x7fff;
export const LARGEST = 0x7ffe;
export const BIAS = 16383;
export const PRECISION = 0x20;
export const { c1: C1 } = StatusBit;
/** What C1 is shifted by. */
export const C1_SHIFT = 9;
const TOP = 0x3800;
const TOP_SHIFT = 11;
const PLACE_SHIFT = 3;
/** Bits of a packed request (operations.ts). */
const [REGISTER_SHIFT, TO_REGISTER_SHIFT, POPS_SHIFT] = [6, 13, 14];

/** A number as a register has it: sign and exponent, significand. */
export interface Operand {
  readonly word: Local;
  readonly significand: Local;
}

export const isZero = ({ significand }: Operand): Expr => i64.eqz(significand);
export const exponentOf = ({ word }: Operand): Expr => i32.and(word, EXPONENT);
/** Is |x| less than |y|? */
export const isSmaller = (x: Operand, y: Operand): Expr =>
  i32.or(
    i32.lt_u(exponentOf(x), exponentOf(y)),
    i32.and(i32.eq(exponentOf(x), exponentOf(y)), i64.lt_u(x.significand, y.significand)),
  );
const isNormalExponent = (exponent: Expr): Expr => i32.lt_u(i32.sub(exponent, 1), LARGEST);

/** One function being written. Places are byte offsets among the registers. */
export class Frame {
  readonly f: wasm.FunctionBuilder;
  readonly constant: Local;
  readonly a: Local;
  readonly b: Local;
  readonly status: Local;
  readonly used: Local;
  readonly library: Library;
  private readonly state: number;

  constructor(f: wasm.FunctionBuilder, state: number, library: Library) {
    this.f = f;
    this.library = library;
    this.state = state;
    this.constant = f.arg(0);
    this.a = f.arg(1);
    this.b = f.arg(2);
    this.status = f.local("i32");
    this.used = f.local("i32");
  }

  get32(field: Field): Expr {
    return i32.load(0, this.state + field.offset);
  }

  set32(field: Field, value: Val): Expr {
    return i32.store(0, value, this.state + field.offset);
  }

  get64(field: Field): Expr {
    return i64.load(0, this.state + field.offset);
  }

  set64(field: Field, value: Val): Expr {
    return i64.store(0, value, this.state + field.offset);
  }

  operand(): Operand {
    return { word: this.f.local("i32"), significand: this.f.local("i64") };
  }

  /** Read what nearly all of them need. */
  begin(): Expr {
    return seq(this.status.set(this.get32(X87.status)), this.used.set(this.get32(X87.used)));
  }

  // --- The request ---------------------------------------------------------------------------

  /** The register's number, with other bits above. */
  get register(): Expr {
    return i32.shr_u(this.constant, REGISTER_SHIFT);
  }

  /** All bits set if ST(i) is written instead of ST(0). */
  get toRegister(): Expr {
    return i32.sub(0, i32.and(i32.shr_u(this.constant, TO_REGISTER_SHIFT), 1));
  }

  get pops(): Expr {
    return i32.and(i32.shr_u(this.constant, POPS_SHIFT), 3);
  }

  // --- Registers -----------------------------------------------------------------------------

  /** Where ST(i) is; only the low three bits of `index` count. */
  place(index: Val): Expr {
    return i32.shl(i32.and(i32.add(i32.shr_u(this.status, TOP_SHIFT), index), 7), PLACE_SHIFT);
  }

  private bit(place: Expr): Expr {
    return i32.shl(1, i32.shr_u(place, PLACE_SHIFT));
  }

  isEmpty(place: Expr): Expr {
    return i32.eqz(i32.and(this.used, this.bit(place)));
  }

  read(place: Expr, { word, significand }: Operand): Expr {
    return seq(
      word.set(i32.load(place, this.state + X87.exponent[0]!.offset)),
      significand.set(i64.load(place, this.state + X87.significand[0]!.offset)),
    );
  }

  /** ST(i), which has to be in use; `place` becomes where it is. */
  readUsed(index: Val, place: Local, operand: Operand): Expr {
    return seq(place.set(this.place(index)), giveUpIf(this.isEmpty(place)), this.read(place, operand));
  }

  /** The same of ST(0). */
  readTop(place: Local, operand: Operand): Expr {
    return this.readUsed(0, place, operand);
  }

  write(place: Expr, word: Val, significand: Val): Expr {
    return seq(
      i32.store(place, word, this.state + X87.exponent[0]!.offset),
      i64.store(place, significand, this.state + X87.significand[0]!.offset),
    );
  }

  /** The register is in use from now on. */
  fill(place: Expr): Expr {
    const { used } = this;
    return seq(used.set(i32.or(used, this.bit(place))), this.set32(X87.used, used));
  }

  // --- Numbers -------------------------------------------------------------------------------

  isNormal({ word, significand }: Operand): Expr {
    return i32.and(isNormalExponent(i32.and(word, EXPONENT)), i64.lt_s(significand, 0));
  }

  isInfinite({ word, significand }: Operand): Expr {
    return i32.and(i32.eq(i32.and(word, EXPONENT), EXPONENT), i64.eq(significand, TOP_BIT));
  }

  /** Give up unless it is a normal number, zero or infinite. */
  requireOrdered(operand: Operand): Expr {
    return when(i32.eqz(i32.or(this.isNormal(operand), this.isInfinite(operand))), [
      this.requireUsual(operand),
    ]);
  }

  /** Give up unless it is a normal number or zero. */
  requireUsual(operand: Operand): Expr {
    const { word, significand } = operand;
    const wrong = i64.ne(i64.or(significand, i64.extend_i32_u(i32.and(word, EXPONENT))), 0);
    return when(i32.eqz(this.isNormal(operand)), [giveUpIf(wrong)]);
  }

  // --- The end -------------------------------------------------------------------------------

  /** Give up where a result might be an exception that is not masked. */
  requireMasks(control: Expr): Expr {
    return giveUpIf(i32.ne(i32.and(control, 0x3f), 0x3f));
  }

  /** End by taking as many registers off the stack as the request says, with C1, and perhaps PE, as in `raised`. */
  finish(raised: Val): Expr {
    const { status } = this;
    return seq(
      status.set(i32.or(i32.and(status, ~C1), raised)),
      when(this.pops, [
        this.pop(),
        when(i32.gt_u(this.pops, 1), [this.pop()]),
        this.set32(X87.used, this.used),
      ]),
      this.set32(X87.status, status),
      DONE,
    );
  }

  private pop(): Expr {
    const { status, used } = this;
    const top = i32.and(i32.shr_u(status, TOP_SHIFT), 7);
    return seq(used.set(i32.and(used, i32.xor(i32.shl(1, top), -1))), this.moveTop(1));
  }

  private moveTop(by: number): Expr {
    const { status } = this;
    const moved = i32.and(i32.add(status, by << TOP_SHIFT), TOP);
    return status.set(i32.or(i32.and(status, ~TOP), moved));
  }

  /** Push a number, if there is room, and end, with C1 and perhaps PE as in `raised`. */
  push(word: Val, significand: Val, raised: Val = 0): Expr {
    const place = this.f.local("i32");
    return seq(
      place.set(this.place(7)),
      giveUpIf(i32.eqz(this.isEmpty(place))),
      this.write(place, word, significand),
      this.fill(place),
      this.moveTop(7),
      this.set32(X87.status, i32.or(i32.and(this.status, ~C1), raised)),
      DONE,
    );
  }
}
