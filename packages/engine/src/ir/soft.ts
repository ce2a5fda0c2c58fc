/** The floating-point functions of the IR's `fp` operation; `softfloat/` implements them. */

type Bits = "i32" | "i64";

/** Name, argument types and result type. Formats are bit patterns: f32 = i32, f64 = i64. */
const SIGNATURES = {
  "f32.add": ["i32", "i32", "", "i32"],
  "f32.sub": ["i32", "i32", "", "i32"],
  "f32.mul": ["i32", "i32", "", "i32"],
  "f32.div": ["i32", "i32", "", "i32"],
  "f32.sqrt": ["i32", "", "", "i32"],
  "f32.fma": ["i32", "i32", "i32", "i32"],
  "f64.add": ["i64", "i64", "", "i64"],
  "f64.sub": ["i64", "i64", "", "i64"],
  "f64.mul": ["i64", "i64", "", "i64"],
  "f64.div": ["i64", "i64", "", "i64"],
  "f64.sqrt": ["i64", "", "", "i64"],
  "f64.fma": ["i64", "i64", "i64", "i64"],
  "f32.minimumNumber": ["i32", "i32", "", "i32"],
  "f32.maximumNumber": ["i32", "i32", "", "i32"],
  "f64.minimumNumber": ["i64", "i64", "", "i64"],
  "f64.maximumNumber": ["i64", "i64", "", "i64"],
  "f32.eq": ["i32", "i32", "", "i32"],
  "f32.lt": ["i32", "i32", "", "i32"],
  "f32.le": ["i32", "i32", "", "i32"],
  "f64.eq": ["i64", "i64", "", "i32"],
  "f64.lt": ["i64", "i64", "", "i32"],
  "f64.le": ["i64", "i64", "", "i32"],
  "f32.toI32": ["i32", "", "", "i32"],
  "f32.toU32": ["i32", "", "", "i32"],
  "f32.toI64": ["i32", "", "", "i64"],
  "f32.toU64": ["i32", "", "", "i64"],
  "f64.toI32": ["i64", "", "", "i32"],
  "f64.toU32": ["i64", "", "", "i32"],
  "f64.toI64": ["i64", "", "", "i64"],
  "f64.toU64": ["i64", "", "", "i64"],
  "f32.fromI32": ["i32", "", "", "i32"],
  "f32.fromU32": ["i32", "", "", "i32"],
  "f32.fromI64": ["i64", "", "", "i32"],
  "f32.fromU64": ["i64", "", "", "i32"],
  "f64.fromI32": ["i32", "", "", "i64"],
  "f64.fromU32": ["i32", "", "", "i64"],
  "f64.fromI64": ["i64", "", "", "i64"],
  "f64.fromU64": ["i64", "", "", "i64"],
  "f32.fromF64": ["i64", "", "", "i32"],
  "f64.fromF32": ["i32", "", "", "i64"],
  // minNum and maxNum: a number wins over a quiet NaN. minimum and maximum: a NaN wins.
  "f32.minNum": ["i32", "i32", "", "i32"],
  "f32.maxNum": ["i32", "i32", "", "i32"],
  "f64.minNum": ["i64", "i64", "", "i64"],
  "f64.maxNum": ["i64", "i64", "", "i64"],
  "f32.minimum": ["i32", "i32", "", "i32"],
  "f32.maximum": ["i32", "i32", "", "i32"],
  "f64.minimum": ["i64", "i64", "", "i64"],
  "f64.maximum": ["i64", "i64", "", "i64"],
  // 0 less, 1 equal, 2 greater, 3 unordered.
  "f32.order": ["i32", "i32", "", "i32"],
  "f32.orderSignaling": ["i32", "i32", "", "i32"],
  "f64.order": ["i64", "i64", "", "i32"],
  "f64.orderSignaling": ["i64", "i64", "", "i32"],
  // The second argument: inexact is raised.
  "f32.roundToIntegral": ["i32", "i32", "", "i32"],
  "f64.roundToIntegral": ["i64", "i32", "", "i64"],
  // Half precision, in Arm's alternative format if the i32 after the number is not 0.
  "f32.fromHalf": ["i32", "i32", "", "i32"],
  "f64.fromHalf": ["i32", "i32", "", "i64"],
  "f32.toHalf": ["i32", "i32", "", "i32"],
  "f64.toHalf": ["i64", "i32", "", "i32"],
  // Infinity times zero is 2.
  "f32.mulExtended": ["i32", "i32", "", "i32"],
  "f64.mulExtended": ["i64", "i64", "", "i64"],
  // 2 - a * b and (3 - a * b) / 2, rounded once.
  "f32.reciprocalStep": ["i32", "i32", "", "i32"],
  "f64.reciprocalStep": ["i64", "i64", "", "i64"],
  "f32.reciprocalRootStep": ["i32", "i32", "", "i32"],
  "f64.reciprocalRootStep": ["i64", "i64", "", "i64"],
  "f32.reciprocalEstimate8": ["i32", "", "", "i32"],
  "f64.reciprocalEstimate8": ["i64", "", "", "i64"],
  "f32.reciprocalRootEstimate8": ["i32", "", "", "i32"],
  "f64.reciprocalRootEstimate8": ["i64", "", "", "i64"],
  "f32.reciprocalExponent": ["i32", "", "", "i32"],
  "f64.reciprocalExponent": ["i64", "", "", "i64"],
  "f32.class": ["i32", "", "", "i32"],
  "f64.class": ["i64", "", "", "i32"],
  // x86's MINPS and MAXPS: the second argument unless the first one is less, or greater.
  "f32.minSecond": ["i32", "i32", "", "i32"],
  "f32.maxSecond": ["i32", "i32", "", "i32"],
  "f64.minSecond": ["i64", "i64", "", "i64"],
  "f64.maxSecond": ["i64", "i64", "", "i64"],
  "f32.unordered": ["i32", "i32", "", "i32"],
  "f64.unordered": ["i64", "i64", "", "i32"],
  // About 1 / a and 1 / sqrt(a), without exceptions; denormal arguments and results are zeros.
  "f32.reciprocal": ["i32", "", "", "i32"],
  "f64.reciprocal": ["i64", "", "", "i64"],
  "f32.reciprocalRoot": ["i32", "", "", "i32"],
  "f64.reciprocalRoot": ["i64", "", "", "i64"],
} as const satisfies Record<string, readonly [Bits, Bits | "", Bits | "", Bits]>;

export type SoftName = keyof typeof SIGNATURES;

export interface SoftFunction {
  readonly name: SoftName;
  readonly index: number;
  readonly args: readonly Bits[];
  readonly result: Bits;
}

export const SOFT_FUNCTIONS: readonly SoftFunction[] = Object.entries(SIGNATURES).map(
  ([name, [a, b, c, result]], index) => ({
    name: name as SoftName,
    index,
    args: [a, b, c].filter((t): t is Bits => t !== ""),
    result,
  }),
);

/** What a function does, without its format: "add" of "f64.add". */
export type FloatOperation = SoftName extends infer N
  ? N extends `${string}.${infer O}`
    ? O
    : never
  : never;

/** The functions of these operations. */
export function softFunctionsOf(operations: readonly FloatOperation[]): readonly SoftFunction[] {
  const wanted = new Set<string>(operations);
  return SOFT_FUNCTIONS.filter(({ name }) => wanted.has(name.slice(name.indexOf(".") + 1)));
}

const byName = new Map(SOFT_FUNCTIONS.map((f) => [f.name, f]));

export function softFunction(name: SoftName): SoftFunction {
  return byName.get(name) as SoftFunction;
}
