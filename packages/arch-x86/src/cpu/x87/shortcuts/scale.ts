import { wasm } from "@hypercraft/engine";
import { BIAS, exponentOf, type Frame, giveUpIf, isZero, LARGEST, SIGN } from "./frame.js";

// FSCALE.

const { i32, i64, seq, when } = wasm;

/** Powers of 2 of so many bits are sure to be out of range. */
const POWER_BITS = 15;

/** ST(0) becomes itself times 2 to the whole part of ST(1). */
export function scale(frame: Frame): wasm.Expr {
  const { f } = frame;
  const [place, other, power] = [f.local("i32"), f.local("i32"), f.local("i32")];
  const [x, y] = [frame.operand(), frame.operand()];
  const behind = i64.extend_i32_u(i32.sub(BIAS + 63, exponentOf(y)));
  return seq(
    frame.readTop(place, x),
    frame.readUsed(1, other, y),
    frame.requireUsual(x),
    frame.requireUsual(y),
    when(isZero(x), [frame.finish(0)]),
    giveUpIf(i32.ge_u(exponentOf(y), BIAS + POWER_BITS)),
    power.set(i32.const(0)),
    when(i32.ge_u(exponentOf(y), BIAS), [power.set(i32.wrap_i64(i64.shr_u(y.significand, behind)))]),
    when(i32.and(y.word, SIGN), [power.set(i32.sub(0, power))]),
    power.set(i32.add(exponentOf(x), power)),
    giveUpIf(i32.ge_u(i32.sub(power, 1), LARGEST)),
    frame.write(place, i32.or(power, i32.and(x.word, SIGN)), x.significand),
    frame.finish(0),
  );
}
