import type { CoreApi } from "@hypercraft/engine";
import { Flag, FlagClass, flagKind, STATUS_FLAGS } from "../isa/flags.js";
import { RFLAG, RFLAGS_FIXED, SYSTEM_FLAGS } from "./control-bits.js";
import { FLAGS, RFLAGS } from "./state.js";

// RFLAGS as a whole, for helpers: the status flags are worked out from what set them, as translated code does it
// (isa/flags.ts).

type State = Pick<CoreApi, "lo" | "hi">;

function parity(value: number): number {
  let bits = value & 0xff;
  bits ^= bits >> 4;
  bits ^= bits >> 2;
  bits ^= bits >> 1;
  return (bits & 1) === 0 ? Flag.PF : 0;
}

/** CF, AF and OF of an addition or subtraction, whose operands have `above` bits less than 64. In halves. */
function arithmetic(core: State, flagClass: number, above: number): number {
  const adds = flagClass === FlagClass.add;
  const [resultLo, resultHi] = [core.lo(FLAGS.result), core.hi(FLAGS.result)];
  const [sourceLo, sourceHi] = [core.lo(FLAGS.source), core.hi(FLAGS.source)];
  // The other operand: a summand, or what was subtracted from.
  let lo = (adds ? resultLo - sourceLo : resultLo + sourceLo) | 0;
  let hi = resultHi - sourceHi - (resultLo >>> 0 < sourceLo >>> 0 ? 1 : 0);
  if (!adds) hi = resultHi + sourceHi + (lo >>> 0 < resultLo >>> 0 ? 1 : 0);
  if (above >= 32) {
    lo = (lo << (above - 32)) >> (above - 32);
    hi = lo >> 31;
  } else hi |= 0;
  // A difference read backwards is a sum: minuend = subtrahend + result.
  const [sumLo, sumHi] = adds ? [resultLo, resultHi] : [lo, hi];
  const [xLo, xHi] = adds ? [lo, hi] : [resultLo, resultHi];
  const carry =
    sumHi >>> 0 < sourceHi >>> 0 || (sumHi === sourceHi && sumLo >>> 0 < sourceLo >>> 0) ? Flag.CF : 0;
  const adjust = (xLo ^ sourceLo ^ sumLo) & Flag.AF;
  const overflow = ((xHi ^ sumHi) & (sourceHi ^ sumHi)) < 0 ? Flag.OF : 0;
  return carry | adjust | overflow;
}

/** CF and OF of a shift. */
function shifted(core: State, flagClass: number): number {
  const [lo, hi] = [core.lo(FLAGS.source), core.hi(FLAGS.source)];
  const carry = flagClass === FlagClass.shiftLeft ? hi < 0 : (lo & 1) !== 0;
  const overflow = (hi ^ core.hi(FLAGS.result)) < 0;
  return (carry ? Flag.CF : 0) | (overflow ? Flag.OF : 0);
}

/** CF, PF, AF, ZF, SF and OF where RFLAGS has them. */
export function readStatusFlags(core: State): number {
  const kind = core.lo(FLAGS.kind);
  const flagClass = kind >> 6;
  if (flagClass === FlagClass.explicit) return core.lo(FLAGS.source) & STATUS_FLAGS;
  const lo = core.lo(FLAGS.result);
  const zero = (lo | core.hi(FLAGS.result)) === 0 ? Flag.ZF : 0;
  const sign = core.hi(FLAGS.result) < 0 ? Flag.SF : 0;
  const shown = parity(lo) | zero | sign;
  if (flagClass === FlagClass.logic) return shown;
  if (flagClass === FlagClass.partial) return shown | (core.lo(FLAGS.source) & (Flag.CF | Flag.AF | Flag.OF));
  if (flagClass === FlagClass.shiftLeft || flagClass === FlagClass.shiftRight)
    return shown | shifted(core, flagClass);
  return shown | arithmetic(core, flagClass, kind & 63);
}

/** Where the flags do not come from `source`, it may hold anything: clear it. */
export function clearUnusedSource(core: Pick<CoreApi, "lo" | "set">): void {
  if (core.lo(FLAGS.kind) >> 6 === FlagClass.logic) core.set(FLAGS.source, 0, 0);
}

/** All of RFLAGS, 32 bits. */
export function readFlags(core: State): number {
  const direction = core.lo(FLAGS.direction) !== 0 ? RFLAG.DF : 0;
  return readStatusFlags(core) | direction | (core.lo(RFLAGS) & SYSTEM_FLAGS) | RFLAGS_FIXED;
}

/** Write the status flags from where RFLAGS has them. */
export function writeStatusFlags(core: Pick<CoreApi, "set">, value: number): void {
  core.set(FLAGS.kind, flagKind(FlagClass.explicit, 8), 0);
  core.set(FLAGS.result, (value & Flag.ZF) !== 0 ? 0 : Flag.ZF, 0);
  core.set(FLAGS.source, value & STATUS_FLAGS, 0);
}

/** Write all of RFLAGS. What depends on its system flags is for the caller to bring up to date. */
export function writeFlagFields(core: Pick<CoreApi, "set">, value: number): void {
  writeStatusFlags(core, value);
  core.set(FLAGS.direction, (value & RFLAG.DF) !== 0 ? 1 : 0, 0);
  core.set(RFLAGS, value & SYSTEM_FLAGS, 0);
}
