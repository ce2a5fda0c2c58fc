import { type Expr, either, type FunctionBuilder, f64, i32, type Local, ret, when } from "../wasm/index.js";
import type { Context } from "./context.js";
import { type Format, isNan, isSignaling } from "./format.js";

// NaN operands (IEEE 754-2019, 6.2.3): which one an operation hands on, made quiet. x86 (SDM volume 1,
// 4.8.3.5, SSE) takes the first NaN operand; Arm (ARM DDI 0487, FPProcessNaNs and FPProcessNaNs3) takes the
// first signaling one, else the first, where a fused operation looks at the addend first.

const quieted = (F: Format, v: Local): Expr => F.int.or(v, F.quiet);

function anySignaling(F: Format, operands: readonly Local[]): Expr {
  return operands.map((v) => isSignaling(F, v)).reduce((a, b) => i32.or(a, b));
}

function first(
  F: Format,
  operands: readonly Local[],
  test: (F: Format, v: Local) => Expr,
  otherwise?: Expr,
): Expr {
  const [head, ...rest] = operands as readonly [Local, ...Local[]];
  if (rest.length === 0 && otherwise === undefined) return quieted(F, head);
  return either(
    F.type,
    test(F, head),
    [quieted(F, head)],
    [rest.length === 0 ? (otherwise as Expr) : first(F, rest, test, otherwise)],
  );
}

function handedOn(context: Context, F: Format, operands: readonly Local[]): Expr {
  const plain = first(F, operands, isNan);
  return context.policy.nan === "propagate-arm" ? first(F, operands, isSignaling, plain) : plain;
}

/** (a) -> NaN: the result of a one-operand operation on a NaN. */
export function nan1(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.nan1`, [F.type], F.type, (f) => {
    const a = f.arg(0);
    return [when(isSignaling(F, a), [context.raise("invalid")]), context.orDefaultNan(F, quieted(F, a))];
  });
}

/** (a, b) -> NaN, at least one operand being a NaN. */
export function nan2(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.nan2`, [F.type, F.type], F.type, (f) => [
    when(anySignaling(F, f.args), [context.raise("invalid")]),
    context.orDefaultNan(F, handedOn(context, F, f.args)),
  ]);
}

/** (a, b, c, infinityTimesZero: i32) -> NaN for a * b + c, at least one operand being a NaN. */
function nan3(context: Context, F: Format): FunctionBuilder {
  return context.define(`${F.name}.nan3`, [F.type, F.type, F.type, "i32"], F.type, (f) => {
    const [a, b, c, undefinedProduct] = [f.arg(0), f.arg(1), f.arg(2), f.arg(3)];
    const arm = context.policy.nan === "propagate-arm";
    const onProduct: Expr[] = [];
    if (context.policy.fmaInvalid) onProduct.push(context.raise("invalid"));
    // Arm forgets the quiet addend here; a signaling one is still handed on.
    if (arm) onProduct.push(when(i32.eqz(isSignaling(F, c)), [ret(context.defaultNan(F))]));
    return [
      when(anySignaling(F, [a, b, c]), [context.raise("invalid")]),
      when(undefinedProduct, onProduct),
      context.orDefaultNan(F, handedOn(context, F, arm ? [c, a, b] : [a, b, c])),
    ];
  });
}

/** Statements that begin a slow path: flush denormal operands where a mode says so, leave if one is a NaN. */
export function operands(context: Context, F: Format, values: readonly Local[], nan: Expr): readonly Expr[] {
  const any = values.map((v) => isNan(F, v)).reduce((a, b) => i32.or(a, b));
  return [...context.flushInputs(F, values), when(any, [ret(nan)])];
}

/**
 * The same for a fused operation: also leave if the product is infinity times zero. Sets `product` to the
 * host's f64 of the first two operands.
 */
export function fusedOperands(
  context: Context,
  F: Format,
  values: readonly [Local, Local, Local],
  product: Local,
  wide: (v: Local) => Expr,
): readonly Expr[] {
  const [a, b, c] = values;
  const factors = i32.or(isNan(F, a), isNan(F, b));
  const undefinedProduct = i32.and(f64.ne(product, product), i32.eqz(factors));
  return [
    ...context.flushInputs(F, values),
    product.set(f64.mul(wide(a), wide(b))),
    when(i32.or(factors, isNan(F, c)), [ret(nan3(context, F).call(a, b, c, undefinedProduct))]),
    context.returnInvalid(F, f64.ne(product, product)),
  ];
}
