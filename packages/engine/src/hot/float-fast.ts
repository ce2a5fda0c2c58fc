import type { Node } from "../ir/node.js";
import { type SoftName, softFunction } from "../ir/soft.js";
import type { FloatContext } from "./float.js";
import { W } from "./function-writer.js";

// Floating point by the host's own arithmetic where that provably gives the exact result and flags, for
// guests without denormal flags and with one NaN (RISC-V). The host rounds to nearest even and tells no
// flags; so inexact must be set already, and the result must be clear of overflow and underflow. Whatever
// is not clear goes to the exact function. No host NaN is ever passed on: its bits are not defined.

/** Writes an operation whose arguments are in locals; `slow` is the label to branch to when in doubt. */
type Fast = (context: FloatContext, n: Node, args: readonly number[], slow: number) => void;

/** Rounding modes in the IR's numbering. */
const NEAREST_EVEN = 0;
const TOWARD_ZERO = 1;
const INEXACT = 1;
/** Index of the imported flags. */
const FLAGS_GLOBAL = 0;

interface Shape {
  readonly wide: boolean;
  readonly toFloat: number;
  readonly toBits: number;
  /** Position and mask of the exponent, and how many exponents from 2 on are safely normal. */
  readonly shift: number;
  readonly mask: number;
  readonly normal: number;
}
const F64: Shape = { wide: true, toFloat: 0xbf, toBits: 0xbd, shift: 52, mask: 0x7ff, normal: 0x7fd };
const F32: Shape = { wide: false, toFloat: 0xbe, toBits: 0xbc, shift: 23, mask: 0xff, normal: 0xfd };

function requireInexact({ w }: FloatContext, slow: number): void {
  w.op(W.globalGet);
  w.out.u32(FLAGS_GLOBAL);
  w.i32(INEXACT);
  w.op(W.i32And);
  w.op(W.i32Eqz);
  w.brUnlikely(slow);
}

function pushFloat({ w }: FloatContext, shape: Shape, local: number): void {
  w.get(local);
  w.op(shape.toFloat);
}

/** The float on the stack becomes the result if it is normal by a margin (or zero, where that is exact). */
function finish(context: FloatContext, shape: Shape, slow: number, zeroIsExact: boolean): void {
  const { w } = context;
  const result = context.temporary(shape.wide ? "i64" : "i32");
  w.op(shape.toBits);
  w.tee(result);
  if (shape.wide) {
    w.i64(shape.shift, 0);
    w.op(W.i64ShrU);
    w.op(W.wrap);
  } else {
    w.i32(shape.shift);
    w.op(W.i32ShrU);
  }
  w.i32(shape.mask);
  w.op(W.i32And);
  w.i32(2);
  w.op(W.i32Sub);
  w.i32(shape.normal);
  w.op(W.i32GeU);
  if (zeroIsExact) {
    w.get(result);
    if (shape.wide) {
      w.i64(1, 0);
      w.op(W.i64Shl);
      w.i64(0, 0);
      w.op(W.i64Ne);
    } else {
      w.i32(1);
      w.op(W.i32Shl);
    }
    w.op(W.i32And);
  }
  w.brUnlikely(slow);
  w.get(result);
}

function arithmetic(shape: Shape, opcode: number, zeroIsExact: boolean): Fast {
  return (context, n, args, slow) => {
    if (n.lo !== NEAREST_EVEN) return context.w.br(slow);
    requireInexact(context, slow);
    for (const local of args) pushFloat(context, shape, local);
    context.w.op(opcode);
    // A zero's "not zero" test of 32 bits is any value: make it 0 or 1 before it is and-ed.
    finish(context, shape, slow, zeroIsExact && shape.wide);
  };
}

/** Comparisons: ordered operands raise nothing. */
function comparison(shape: Shape, opcode: number, equalOpcode: number): Fast {
  return (context, _n, [a, b], slow) => {
    const { w } = context;
    const x = a as number;
    const y = b as number;
    for (const local of [x, y]) {
      pushFloat(context, shape, local);
      pushFloat(context, shape, local);
      w.op(equalOpcode);
      w.op(W.i32Eqz);
      w.brUnlikely(slow);
    }
    pushFloat(context, shape, x);
    pushFloat(context, shape, y);
    w.op(opcode);
  };
}

/** Integers that every double holds exactly. */
function exactFromInteger(opcode: number): Fast {
  return ({ w }, _n, [a]) => {
    w.get(a as number);
    w.op(opcode);
    w.op(F64.toBits);
  };
}

function fromInteger(opcode: number, shape: Shape): Fast {
  return (context, n, [a], slow) => {
    if (n.lo !== NEAREST_EVEN) return context.w.br(slow);
    requireInexact(context, slow);
    context.w.get(a as number);
    context.w.op(opcode);
    context.w.op(shape.toBits);
  };
}

/** C's casts: toward zero, below the limit in magnitude. */
function toInteger(
  shape: Shape,
  opcode: number,
  absolute: number,
  constant: (context: FloatContext) => void,
  less: number,
): Fast {
  return (context, n, [a], slow) => {
    if (n.lo !== TOWARD_ZERO) return context.w.br(slow);
    requireInexact(context, slow);
    pushFloat(context, shape, a as number);
    context.w.op(absolute);
    constant(context);
    context.w.op(less);
    context.w.op(W.i32Eqz);
    context.w.brUnlikely(slow);
    pushFloat(context, shape, a as number);
    context.w.op(opcode);
  };
}

const f64Constant =
  (value: number) =>
  ({ w }: FloatContext): void => {
    w.op(0x44);
    w.out.f64(value);
  };
const f32Constant =
  (value: number) =>
  ({ w }: FloatContext): void => {
    w.op(0x43);
    w.out.f32(value);
  };

const TWO_31 = 2 ** 31;
const TWO_63 = 2 ** 63;

const FAST: Partial<Record<SoftName, Fast>> = {
  "f64.add": arithmetic(F64, 0xa0, true),
  "f64.sub": arithmetic(F64, 0xa1, true),
  "f64.mul": arithmetic(F64, 0xa2, false),
  "f64.div": arithmetic(F64, 0xa3, false),
  "f64.sqrt": arithmetic(F64, 0x9f, false),
  "f32.add": arithmetic(F32, 0x92, false),
  "f32.sub": arithmetic(F32, 0x93, false),
  "f32.mul": arithmetic(F32, 0x94, false),
  "f32.div": arithmetic(F32, 0x95, false),
  "f32.sqrt": arithmetic(F32, 0x91, false),
  "f64.eq": comparison(F64, 0x61, 0x61),
  "f64.lt": comparison(F64, 0x63, 0x61),
  "f64.le": comparison(F64, 0x65, 0x61),
  "f32.eq": comparison(F32, 0x5b, 0x5b),
  "f32.lt": comparison(F32, 0x5d, 0x5b),
  "f32.le": comparison(F32, 0x5f, 0x5b),
  "f64.fromI32": exactFromInteger(0xb7),
  "f64.fromU32": exactFromInteger(0xb8),
  "f64.fromI64": fromInteger(0xb9, F64),
  "f64.fromU64": fromInteger(0xba, F64),
  "f32.fromI32": fromInteger(0xb2, F32),
  "f32.fromU32": fromInteger(0xb3, F32),
  "f64.toI32": toInteger(F64, 0xaa, 0x99, f64Constant(TWO_31), 0x63),
  "f64.toI64": toInteger(F64, 0xb0, 0x99, f64Constant(TWO_63), 0x63),
  "f32.toI32": toInteger(F32, 0xa8, 0x8b, f32Constant(TWO_31), 0x5d),
  "f32.toI64": toInteger(F32, 0xae, 0x8b, f32Constant(TWO_63), 0x5d),
  "f64.fromF32": (context, _n, [a], slow) => {
    const { w } = context;
    w.get(a as number);
    w.i32(0x7f800000);
    w.op(W.i32And);
    w.i32(0x7f800000);
    w.op(W.i32Eq);
    w.brUnlikely(slow);
    pushFloat(context, F32, a as number);
    w.op(0xbb);
    w.op(F64.toBits);
  },
  "f32.fromF64": (context, n, [a], slow) => {
    if (n.lo !== NEAREST_EVEN) return context.w.br(slow);
    requireInexact(context, slow);
    pushFloat(context, F64, a as number);
    context.w.op(0xb6);
    finish(context, F32, slow, false);
  },
};

/** By number of the function in `SOFT_FUNCTIONS`. */
export const FAST_FLOATS: (Fast | undefined)[] = [];
for (const [name, fast] of Object.entries(FAST)) FAST_FLOATS[softFunction(name as SoftName).index] = fast;
