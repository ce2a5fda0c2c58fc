import {
  type Expr,
  either,
  type FunctionBuilder,
  f64,
  i32,
  type Local,
  ret,
  select,
  when,
} from "../wasm/index.js";
import type { Context } from "./context.js";
import { type Format, isDenormal, isInfinite, isNan, isSignaling, isZero, signOf, toF64 } from "./format.js";
import { widened } from "./small.js";

const asF64 = (context: Context, F: Format, v: Local): Expr =>
  F.type === "i64" ? toF64(v) : widened(context, F, v);

function anyNan(F: Format, values: readonly Local[], test: (F: Format, v: Local) => Expr = isNan): Expr {
  return values.map((v) => test(F, v)).reduce((a, b) => i32.or(a, b));
}

/** (a, b) -> after a comparison found no order: raise invalid, for a quiet NaN only if `signaling`. */
function raiseUnordered(context: Context, F: Format, a: Local, b: Local, signaling: boolean): Expr {
  return signaling
    ? context.raise("invalid")
    : when(anyNan(F, [a, b], isSignaling), [context.raise("invalid")]);
}

/** What a comparison has to do when an operand is denormal; writes nothing unless the policy asks for it. */
function denormals(context: Context, F: Format, a: Local, b: Local): readonly Expr[] {
  if (!context.flushes) return [];
  const note = context.noteDenormals(F, [a, b]);
  const numbers = i32.eqz(anyNan(F, [a, b]));
  return [
    when(i32.or(isDenormal(F, a), isDenormal(F, b)), [
      ...context.flushInputs(F, [a, b]),
      ...(note.length > 0 ? [when(numbers, note)] : []),
    ]),
  ];
}

type Relation = (x: Expr, y: Expr) => Expr;

/** (a, b) -> i32: 1 if the relation holds, else 0; unordered operands have none. */
function comparison(
  context: Context,
  F: Format,
  name: string,
  relation: Relation,
  signaling: boolean,
): FunctionBuilder {
  return context.define(`${F.name}.${name}`, [F.type, F.type], "i32", (f) => {
    const [a, b] = [f.arg(0), f.arg(1)];
    const [x, y] = [f.local("f64"), f.local("f64")];
    return [
      ...denormals(context, F, a, b),
      x.set(asF64(context, F, a)),
      y.set(asF64(context, F, b)),
      when(i32.or(f64.ne(x, x), f64.ne(y, y)), [raiseUnordered(context, F, a, b, signaling)]),
      relation(x, y),
    ];
  });
}

/** Equal; invalid for signaling NaNs only (compareQuietEqual). */
export const eq = (c: Context, F: Format) => comparison(c, F, "eq", f64.eq, false);
/** Equal; invalid for every NaN (compareSignalingEqual). */
export const eqSignaling = (c: Context, F: Format) => comparison(c, F, "eqSignaling", f64.eq, true);
/** Less; invalid for every NaN. */
export const lt = (c: Context, F: Format) => comparison(c, F, "lt", f64.lt, true);
/** Less or equal; invalid for every NaN. */
export const le = (c: Context, F: Format) => comparison(c, F, "le", f64.le, true);
/** Less; invalid for signaling NaNs only. */
export const ltQuiet = (c: Context, F: Format) => comparison(c, F, "ltQuiet", f64.lt, false);
/** Less or equal; invalid for signaling NaNs only. */
export const leQuiet = (c: Context, F: Format) => comparison(c, F, "leQuiet", f64.le, false);
/** An operand is a NaN; invalid for signaling ones. */
export const unordered = (c: Context, F: Format) =>
  comparison(c, F, "unordered", (x, y) => i32.or(f64.ne(x, x), f64.ne(y, y)), false);

function ordering(context: Context, F: Format, name: string, signaling: boolean): FunctionBuilder {
  return context.define(`${F.name}.${name}`, [F.type, F.type], "i32", (f) => {
    const [a, b] = [f.arg(0), f.arg(1)];
    const [x, y] = [f.local("f64"), f.local("f64")];
    return [
      ...denormals(context, F, a, b),
      x.set(asF64(context, F, a)),
      y.set(asF64(context, F, b)),
      when(i32.or(f64.ne(x, x), f64.ne(y, y)), [
        raiseUnordered(context, F, a, b, signaling),
        ret(i32.const(3)),
      ]),
      // 0, 1, 2 for below, equal, above.
      i32.add(f64.ge(x, y), f64.gt(x, y)),
    ];
  });
}

/** (a, b) -> 0 less, 1 equal, 2 greater, 3 unordered; invalid for signaling NaNs only (x86 UCOMIS, Arm FCMP). */
export const order = (c: Context, F: Format) => ordering(c, F, "order", false);
/** The same; invalid for every NaN (x86 COMIS, Arm FCMPE). */
export const orderSignaling = (c: Context, F: Format) => ordering(c, F, "orderSignaling", true);

/**
 * (a) -> one bit of ten (IEEE 754-2019, 5.7.2 class, numbered as by RISC-V's fclass): 0 -infinity,
 * 1 negative normal, 2 negative subnormal, 3 -0, 4 +0, 5 positive subnormal, 6 positive normal, 7 +infinity,
 * 8 signaling NaN, 9 quiet NaN. Raises nothing, flushes nothing.
 */
export function classify(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.class`, [F.type], "i32", (f) => {
    const a = f.arg(0);
    const pick = (condition: Expr, then: Expr | number, otherwise: Expr | number) =>
      select("i32", condition, then, otherwise);
    const nan = pick(isSignaling(F, a), 1 << 8, 1 << 9);
    // For a positive number, counting from bit 4; a negative one mirrors it about bit 3.5.
    const kind = pick(isZero(F, a), 0, pick(isDenormal(F, a), 1, pick(isInfinite(F, a), 3, 2)));
    const bit = f.local("i32");
    return [
      when(isNan(F, a), [ret(nan)]),
      bit.set(i32.add(kind, 4)),
      i32.shl(1, either("i32", signOf(F, a), [i32.sub(7, bit)], [bit])),
    ];
  });
}
