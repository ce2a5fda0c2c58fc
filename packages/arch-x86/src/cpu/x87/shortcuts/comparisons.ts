import { wasm } from "@hypercraft/engine";
import { X87 } from "../../state.js";
import { CODES, StatusBit } from "../stack.js";
import { type Frame, isSmaller, type Operand, SIGN } from "./frame.js";
import type { Source } from "./memory-operands.js";

// Comparisons of normal numbers and zeros.

const { i32, i64, select, seq } = wasm;
type Expr = wasm.Expr;

const { c0: C0, c3: C3 } = StatusBit;

/** ZF and CF. */
const [EQUAL, LESS] = [0x40, 1];

/** Whether x is equal to y, and whether it is less. */
interface Order {
  readonly equal: wasm.Local;
  readonly less: wasm.Local;
}

function compare(frame: Frame, x: Operand, y: Operand, { equal, less }: Order): Expr {
  const same = i64.eq(x.significand, y.significand);
  const bothZero = i64.eqz(i64.or(x.significand, y.significand));
  const differ = i32.and(i32.xor(x.word, y.word), SIGN);
  return seq(
    frame.requireOrdered(x),
    frame.requireOrdered(y),
    equal.set(i32.or(i32.and(i32.eq(x.word, y.word), same), bothZero)),
    // Of two with the same sign that are not equal, the smaller magnitude is less unless they are negative.
    less.set(
      select(
        "i32",
        equal,
        i32.const(0),
        select(
          "i32",
          differ,
          i32.shr_u(i32.and(x.word, SIGN), 15),
          i32.xor(isSmaller(x, y), i32.shr_u(i32.and(x.word, SIGN), 15)),
        ),
      ),
    ),
  );
}

/** The other operand: ST(i). */
export const register: Source = (frame, out) => frame.readUsed(frame.register, frame.f.local("i32"), out);

/** Zero. */
export const zero: Source = (_frame, { word, significand }) =>
  seq(word.set(i32.const(0)), significand.set(i64.const(0)));

function comparison(source: Source, conclude: (frame: Frame, order: Order) => Expr) {
  return (frame: Frame): Expr => {
    const { f } = frame;
    const [x, y] = [frame.operand(), frame.operand()];
    const order = { equal: f.local("i32"), less: f.local("i32") };
    return seq(
      frame.readTop(f.local("i32"), x),
      source(frame, y),
      compare(frame, x, y, order),
      conclude(frame, order),
    );
  };
}

/** FCOM and its like: condition codes. */
export const compareCodes = (source: Source) =>
  comparison(source, (frame, { equal, less }) =>
    seq(
      frame.status.set(i32.and(frame.status, ~CODES)),
      frame.finish(i32.or(i32.mul(equal, C3), i32.mul(less, C0))),
    ),
  );

/** FCOMI and its like: RFLAGS. */
export const compareFlags = comparison(register, (frame, { equal, less }) =>
  seq(
    frame.set64(X87.result, i64.extend_i32_u(i32.or(i32.mul(equal, EQUAL), i32.mul(less, LESS)))),
    frame.finish(0),
  ),
);
