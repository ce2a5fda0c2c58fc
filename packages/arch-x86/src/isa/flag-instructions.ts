import type { Value } from "@hypercraft/engine";
import { FLAGS } from "../cpu/state.js";
import type { X86Declaration } from "./declaration.js";
import { Flag, STATUS_FLAGS } from "./flags.js";
import { type X86Builder, x86 } from "./lifter.js";

// Instructions on single flags, and LAHF and SAHF.

const insn = x86("base");

/** CF becomes the low bit of an i64; the other status flags stay. */
const setCarry = (b: X86Builder, carry: (b: X86Builder) => Value): void => {
  const { i64 } = b;
  const others = i64.and(b.flags.all(), i64.const(STATUS_FLAGS & ~Flag.CF));
  b.flags.explicit(i64.or(others, carry(b)));
};

const AH = 4;
/** SF, ZF, AF, PF and CF. */
const LOW_FLAGS = STATUS_FLAGS & 0xff;

export const flagInstructions: readonly X86Declaration<X86Builder>[] = [
  insn("clc", "F8", (b) => setCarry(b, () => b.i64.const(0))),
  insn("stc", "F9", (b) => setCarry(b, () => b.i64.const(1))),
  insn("cmc", "F5", (b) => setCarry(b, () => b.i64.extend_i32_u(b.i32.xor(b.flags.carry(), b.i32.const(1))))),
  insn("cld", "FC", (b) => b.ir.set(FLAGS.direction, b.i32.const(0))),
  insn("std", "FD", (b) => b.ir.set(FLAGS.direction, b.i32.const(1))),
  insn("lahf", "9F", (b) => b.setHigh(AH, b.i64.or(b.flags.all(), b.i64.const(2)))),
  insn("sahf", "9E", (b) => {
    const { i64 } = b;
    const overflow = i64.and(b.flags.all(), i64.const(Flag.OF));
    b.flags.explicit(i64.or(i64.and(b.high(AH), i64.const(LOW_FLAGS)), overflow));
  }),
];
