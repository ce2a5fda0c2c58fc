import type { FunctionBuilder, Global, ModuleBuilder } from "../wasm/index.js";
import { add, sub } from "./add.js";
import {
  classify,
  eq,
  eqSignaling,
  le,
  leQuiet,
  lt,
  ltQuiet,
  order,
  orderSignaling,
  unordered,
} from "./compare.js";
import { Context } from "./context.js";
import { div } from "./divide.js";
import {
  reciprocal,
  reciprocalEstimate8,
  reciprocalExponent,
  reciprocalRoot,
  reciprocalRootEstimate8,
} from "./estimate.js";
import {
  maximum,
  maximumNumber,
  maxNum,
  maxSecond,
  minimum,
  minimumNumber,
  minNum,
  minSecond,
} from "./extreme.js";
import { fma } from "./fma.js";
import { F16, F32, F64, type Format, type FormatName } from "./format.js";
import { fromHalf, toHalf } from "./half.js";
import {
  fromI32,
  fromI64,
  fromU32,
  fromU64,
  roundToIntegral,
  toI32,
  toI64,
  toU32,
  toU64,
} from "./integer.js";
import { mul } from "./multiply.js";
import { resolvePolicy, type SoftFloatOptions } from "./policy.js";
import { resize } from "./resize.js";
import { sqrt } from "./square-root.js";
import { mulExtended, reciprocalRootStep, reciprocalStep } from "./steps.js";

/** The functions each format has; arguments are bit patterns of the format unless named otherwise. */
const OPERATIONS = {
  /** (a, b, rm) */
  add,
  sub,
  mul,
  div,
  /** (a, rm) */
  sqrt,
  /** (a, b, c, rm): a * b + c */
  fma,
  /** (a, b) */
  minimumNumber,
  maximumNumber,
  minNum,
  maxNum,
  minimum,
  maximum,
  minSecond,
  maxSecond,
  /** (a, b) -> i32 0 or 1 */
  eq,
  eqSignaling,
  lt,
  le,
  ltQuiet,
  leQuiet,
  unordered,
  /** (a, b) -> i32: 0 less, 1 equal, 2 greater, 3 unordered */
  order,
  orderSignaling,
  /** (a) -> i32 */
  class: classify,
  /** (a, rm) -> i32 or i64 */
  toI32,
  toU32,
  toI64,
  toU64,
  /** (i32 or i64, rm) */
  fromI32,
  fromU32,
  fromI64,
  fromU64,
  /** (a, exact: i32, rm) */
  roundToIntegral,
} as const;

/** What f32 and f64 have besides. */
const WIDE_OPERATIONS = {
  /** (a: i32, alternative: i32) */
  fromHalf,
  /** (a, alternative: i32, rm) -> i32 */
  toHalf,
  /** (a, b, rm) */
  mulExtended,
  reciprocalStep,
  reciprocalRootStep,
  /** (a, rm) */
  reciprocalEstimate8,
  /** (a) */
  reciprocalRootEstimate8,
  reciprocalExponent,
  reciprocal,
  reciprocalRoot,
} as const;

export type FloatOperation = keyof typeof OPERATIONS;
type WideOperation = keyof typeof WIDE_OPERATIONS;
/** "f64.add", "f32.fromF64": the function's result is of the format before the point (or an integer). */
export type SoftFloatName = `${FormatName}.${FloatOperation}` | `${"f32" | "f64"}.${WideOperation}` | Resize;
type Resize = "f16.fromF32" | "f16.fromF64" | "f32.fromF16" | "f32.fromF64" | "f64.fromF16" | "f64.fromF32";

const FORMATS: Record<FormatName, Format> = { f16: F16, f32: F32, f64: F64 };

function operationsOf(F: Format): Readonly<Record<string, (context: Context, F: Format) => FunctionBuilder>> {
  return F === F16 ? OPERATIONS : { ...OPERATIONS, ...WIDE_OPERATIONS };
}

export const SOFT_FLOAT_NAMES: readonly SoftFloatName[] = Object.values(FORMATS).flatMap((to) => [
  ...Object.keys(operationsOf(to)).map((operation) => `${to.name}.${operation}` as SoftFloatName),
  ...Object.values(FORMATS)
    .filter((from) => from !== to)
    .map((from) => `${to.name}.from${from.name.toUpperCase()}` as SoftFloatName),
]);

/** Floating-point functions inside a module being built. */
export interface SoftFloat {
  /** i32, exceptions accumulated so far (FLOAT_FLAGS); read, clear or preset it at will. */
  readonly flags: Global;
  /** i32, FLOAT_MODES in force. Read only if the denormal policy is not "ignore", or by NaNs on Arm. */
  readonly modes: Global;
  /** Some function reads `modes`. */
  readonly switchable: boolean;
  /** The function of that name; it is written into the module when first asked for. */
  get(name: SoftFloatName): FunctionBuilder;
}

/**
 * IEEE 754-2019 arithmetic on bit patterns (f64 in i64, f32 in i32, f16 zero-extended in i32): exact results
 * and exceptions in every rounding mode, for whichever NaN, tininess and denormal rules `options` name. The
 * `rm` argument is one of ROUNDING (any other number rounds somehow, and never traps).
 */
export function emitSoftFloat(module: ModuleBuilder, options: SoftFloatOptions): SoftFloat {
  const flags = options.flags ?? module.global("i32");
  const modes = module.global("i32");
  const context = new Context(module, resolvePolicy(options), flags, modes);
  return {
    flags,
    modes,
    switchable: context.flushes || context.policy.nan === "propagate-arm",
    get(name) {
      const [format, operation] = name.split(".") as [FormatName, string];
      const to = FORMATS[format];
      const operations = to === undefined ? {} : operationsOf(to);
      const make = Object.hasOwn(operations, operation) ? operations[operation] : undefined;
      const from = Object.values(FORMATS).find(
        (F) => operation === `from${F.name.toUpperCase()}` && F !== to,
      );
      if (to === undefined || (make ?? from) === undefined) {
        throw new RangeError(`no floating-point function ${name}`);
      }
      return make ? make(context, to) : resize(context, from as Format, to);
    },
  };
}
