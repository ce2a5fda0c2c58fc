import { wasm } from "@hypercraft/engine";
import { X87 } from "../../state.js";
import { C1_SHIFT, type Frame, giveUpIf, LARGEST, PRECISION, TOP_BIT } from "./frame.js";
import type { Wide } from "./wide.js";

// Rounding by the control word: SDM volume 1, 4.8.4 and 8.1.5.

const { either, i32, i64, select, seq, when } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;

/** Rounding control as the control word has it, in place. */
const ROUNDING_SHIFT = 10;
const [DOWN, TO_ZERO] = [1, 3];
/** Precision control, rounding control and masks; and 64 bits, to nearest, with everything masked. */
const CONTROL_BITS = 0xf3f;
const USUAL_CONTROL = 0x33f;
const PRECISION_BITS = 0x300;
const BELOW_HALF = 0x7fff_ffff_ffff_ffffn;

export const isInexact = ({ low }: Wide): Expr => i64.ne(low, 0);

/** To nearest: is `high`, of which `unit` is the lowest bit, to grow by one? 0 or 1, as i64. */
function upToNearest({ high, low }: Wide, odd: Expr = i64.and(high, 1)): Expr {
  return i64.extend_i32_u(i64.lt_u(i64.add(low, i64.add(odd, BELOW_HALF)), low));
}

/** The same by a rounding control that is not to nearest. */
function upDirected(rounding: Expr, negative: Expr, wide: Wide): Expr {
  const away = i32.eq(i32.eq(rounding, DOWN), negative);
  return i64.extend_i32_u(i32.and(i32.and(isInexact(wide), away), i32.ne(rounding, TO_ZERO)));
}

/** Whether an integer is to grow by one, by the control word or (`truncate`) towards zero. */
export function upToInteger(control: Expr, negative: Expr, wide: Wide): Expr {
  const rounding = i32.and(i32.shr_u(control, ROUNDING_SHIFT), 3);
  return either("i64", rounding, [upDirected(rounding, negative, wide)], [upToNearest(wide)]);
}

/** What rounding raises: PE and C1 in the status word's places. */
export const raisedBy = (inexact: Expr, up: Expr): Expr =>
  i32.or(i32.mul(inexact, PRECISION), i32.shl(i32.wrap_i64(up), C1_SHIFT));

/** Takes away bits of `wide`, `drop` of them from the lower end of `high`. */
function dropBits({ high, low }: Wide, drop: Expr): Expr {
  return when(i64.ne(drop, 0), [
    low.set(i64.or(i64.shl(high, i64.sub(64, drop)), i64.extend_i32_u(i64.ne(low, 0)))),
    high.set(i64.shl(i64.shr_u(high, drop), drop)),
  ]);
}

/** Rounds numbers to registers. */
export class Rounding {
  /** What was raised. */
  readonly raised: Local;
  private readonly frame: Frame;
  private readonly control: Local;
  private readonly up: Local;
  private readonly drop: Local;

  constructor(frame: Frame) {
    this.frame = frame;
    this.raised = frame.f.local("i32");
    this.control = frame.f.local("i32");
    this.up = frame.f.local("i64");
    this.drop = frame.f.local("i64");
  }

  /**
   * Round a normalised significand that is not zero by the control word, or give up if the result is none for a normal
   * number. `negative` is not zero for negative numbers. With `fully`, precision control does not count: 64 bits.
   */
  round(wide: Wide, exponent: Local, negative: Expr, fully = false): Expr {
    const { control, up, raised, drop } = this;
    const { high } = wide;
    const word = this.frame.get32(X87.control);
    return seq(
      control.set(fully ? i32.or(word, PRECISION_BITS) : word),
      when(
        i32.eq(i32.and(control, CONTROL_BITS), USUAL_CONTROL),
        [up.set(upToNearest(wide)), high.set(i64.add(high, up))],
        [this.unusual(wide, negative), high.set(i64.add(high, i64.shl(up, drop)))],
      ),
      raised.set(raisedBy(isInexact(wide), up)),
      when(i64.eqz(high), [high.set(i64.const(TOP_BIT)), exponent.set(i32.add(exponent, 1))]),
      giveUpIf(i32.ge_u(i32.sub(exponent, 1), LARGEST)),
    );
  }

  private unusual(wide: Wide, negative: Expr): Expr {
    const { control, up, drop, frame } = this;
    const precision = i32.and(i32.shr_u(control, 8), 3);
    const rounding = i32.and(i32.shr_u(control, ROUNDING_SHIFT), 3);
    const odd = i64.and(i64.shr_u(wide.high, drop), 1);
    return seq(
      frame.requireMasks(control),
      drop.set(
        select("i64", i32.eqz(precision), i64.const(40), select("i64", i32.eq(precision, 2), 11n, 0n)),
      ),
      dropBits(wide, drop),
      up.set(
        either("i64", rounding, [upDirected(rounding, i32.ne(negative, 0), wide)], [upToNearest(wide, odd)]),
      ),
    );
  }
}
