import { wasm } from "@hypercraft/engine";
import { X87 } from "../../state.js";
import { C1, DONE, exponentOf, type Frame, giveUpIf, type Operand, SIGN } from "./frame.js";
import type { Source } from "./memory-operands.js";

// Moves between registers and to them: SDM volume 1, 8.3.3. Whatever is in a register is moved as it is.

const { i32, i64, seq, when } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;

/** ES and B. */
const SUMMARY = 0x8080;

/** Push a memory operand. */
export const load =
  (source: Source) =>
  (frame: Frame): Expr => {
    const x = frame.operand();
    return seq(source(frame, x), frame.push(x.word, x.significand));
  };

/** Push ten bytes. */
export const loadExtended = (frame: Frame): Expr =>
  frame.push(i32.and(i32.wrap_i64(frame.b), 0xffff), frame.a);

/** Push a constant that is given as ten bytes, rounded to nearest; the whole ones are the same however it is rounded. */
export const loadConstant = (frame: Frame): Expr =>
  seq(giveUpIf(i32.and(frame.get32(X87.control), 0xc00)), loadExtended(frame));

/** ST(0) and ST(i), which are in use. */
function readTwo(frame: Frame, top: Local, x: Operand, other: Local, y: Operand): Expr {
  return seq(frame.readTop(top, x), frame.readUsed(frame.register, other, y));
}

export function loadRegister(frame: Frame): Expr {
  const x = frame.operand();
  return seq(frame.readUsed(frame.register, frame.f.local("i32"), x), frame.push(x.word, x.significand));
}

export function storeRegister(frame: Frame): Expr {
  const [top, target] = [frame.f.local("i32"), frame.f.local("i32")];
  const x = frame.operand();
  return seq(
    frame.readTop(top, x),
    target.set(frame.place(frame.register)),
    frame.write(target, x.word, x.significand),
    frame.fill(target),
    frame.finish(0),
  );
}

export function exchange(frame: Frame): Expr {
  const [top, other] = [frame.f.local("i32"), frame.f.local("i32")];
  const [x, y] = [frame.operand(), frame.operand()];
  return seq(
    readTwo(frame, top, x, other, y),
    frame.write(top, y.word, y.significand),
    frame.write(other, x.word, x.significand),
    frame.finish(0),
  );
}

/** FCMOV if `a` is not zero. */
export function moveIf(frame: Frame): Expr {
  const [top, other] = [frame.f.local("i32"), frame.f.local("i32")];
  const [x, y] = [frame.operand(), frame.operand()];
  return seq(
    readTwo(frame, top, x, other, y),
    when(i64.ne(frame.a, 0), [frame.write(top, y.word, y.significand)]),
    DONE,
  );
}

/** FCHS and FABS: the sign from that in `word`. */
export const changeSign =
  (sign: (word: Expr) => Expr) =>
  (frame: Frame): Expr => {
    const top = frame.f.local("i32");
    const x = frame.operand();
    return seq(frame.readTop(top, x), frame.write(top, sign(x.word), x.significand), frame.finish(0));
  };

export const negated = (word: Expr): Expr => i32.xor(word, SIGN);
export const absolute = (word: Expr): Expr => i32.and(word, SIGN - 1);

/** FXAM of a normal number or zero. */
export function examine(frame: Frame): Expr {
  const top = frame.f.local("i32");
  const x = frame.operand();
  const { status } = frame;
  const kind = i32.shl(i32.eqz(exponentOf(x)), 14);
  const normal = i32.shl(i32.ne(exponentOf(x), 0), 10);
  const sign = i32.shr_u(i32.and(x.word, SIGN), 15 - Math.log2(C1));
  return seq(
    frame.readTop(top, x),
    frame.requireUsual(x),
    status.set(i32.and(status, ~0x4700)),
    frame.set32(X87.status, i32.or(status, i32.or(sign, i32.or(kind, normal)))),
    DONE,
  );
}

/** FNCLEX, where no exception waits to be raised. */
export const clearExceptions = (frame: Frame): Expr =>
  seq(giveUpIf(i32.and(frame.status, SUMMARY)), frame.set32(X87.status, i32.and(frame.status, 0x7f00)), DONE);

/** FLDCW, where no exception that is flagged becomes one that is not masked. */
export function loadControl(frame: Frame): Expr {
  const control = frame.f.local("i32");
  return seq(
    control.set(i32.or(i32.and(i32.wrap_i64(frame.a), 0x1f3f), 0x40)),
    giveUpIf(i32.and(i32.and(frame.status, 0x3f), i32.xor(control, -1))),
    giveUpIf(i32.and(frame.status, SUMMARY)),
    frame.set32(X87.control, control),
    DONE,
  );
}
