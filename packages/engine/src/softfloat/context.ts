import type { Expr, FunctionBuilder, Global, Local, ModuleBuilder, ValType } from "../wasm/index.js";
import { either, i32, ret, when } from "../wasm/index.js";
import { type Format, isDenormal } from "./format.js";
import { FLOAT_FLAGS, FLOAT_MODES, type Policy } from "./policy.js";

/** What every function of one soft floating-point family shares: the module, the policy, the two globals. */
export class Context {
  readonly module: ModuleBuilder;
  readonly policy: Policy;
  readonly flags: Global;
  readonly modes: Global;
  private readonly made = new Map<string, FunctionBuilder>();

  constructor(module: ModuleBuilder, policy: Policy, flags: Global, modes: Global) {
    this.module = module;
    this.policy = policy;
    this.flags = flags;
    this.modes = modes;
  }

  /** The function of this name, written into the module when first asked for. */
  define(
    name: string,
    params: readonly ValType[],
    result: ValType,
    body: (f: FunctionBuilder) => readonly Expr[],
  ): FunctionBuilder {
    const known = this.made.get(name);
    if (known !== undefined) return known;
    const f = this.module.func(name, params, result);
    this.made.set(name, f);
    return f.body(...body(f));
  }

  /** Statement: accumulate exceptions. */
  raise(...flags: readonly (keyof typeof FLOAT_FLAGS)[]): Expr {
    const bits = flags.reduce((sum, flag) => sum | FLOAT_FLAGS[flag], 0);
    return this.flags.set(i32.or(this.flags, bits));
  }

  /** i32, nonzero when the mode is on. */
  mode(name: keyof typeof FLOAT_MODES): Expr {
    return i32.and(this.modes, FLOAT_MODES[name]);
  }

  get flushes(): boolean {
    return this.policy.denormal !== "ignore";
  }

  /**
   * i32: rounding is to nearest even and inexact is already accumulated. Then the host's own result is all
   * there is to know, as long as it neither under- nor overflowed.
   */
  hostSuffices(rm: Local): Expr {
    return i32.eqz(i32.or(rm, i32.xor(i32.and(this.flags, FLOAT_FLAGS.inexact), FLOAT_FLAGS.inexact)));
  }

  /** Statements that leave for the slow path when an operand is denormal and the policy wants to know. */
  guardDenormals(F: Format, operands: readonly Local[], slow: Expr): readonly Expr[] {
    if (!this.flushes) return [];
    const any = operands.map((v) => isDenormal(F, v)).reduce((a, b) => i32.or(a, b));
    return [when(any, [ret(slow)])];
  }

  /** Statements that replace denormal operands by zeros where a mode says so. */
  flushInputs(F: Format, operands: readonly Local[]): readonly Expr[] {
    if (!this.flushes) return [];
    const half = F.name === "f16";
    const noted = this.policy.denormal === "flushed" && !half ? [this.raise("denormal")] : [];
    return [
      when(
        this.mode(half ? "flushHalf" : "flushInputs"),
        operands.map((v) => when(isDenormal(F, v), [...noted, v.set(F.int.and(v, F.sign))])),
      ),
    ];
  }

  /** Statements that note denormal operands (already past the flush, NaNs and invalid operations). */
  noteDenormals(F: Format, operands: readonly Local[]): readonly Expr[] {
    if (this.policy.denormal !== "operand") return [];
    const any = operands.map((v) => isDenormal(F, v)).reduce((a, b) => i32.or(a, b));
    return [when(any, [this.raise("denormal")])];
  }

  /** Exceptions may be unmasked: the trap modes work. */
  get traps(): boolean {
    return this.policy.denormal === "operand";
  }

  /** The NaN an invalid operation gives. */
  defaultNan(F: Format): Expr {
    const positive = F.infinity | F.quiet;
    return F.int.const(this.policy.nan === "propagate-x86" ? positive | F.sign : positive);
  }

  /** Statement: raise invalid and return the default NaN. */
  returnInvalid(F: Format, condition: Expr): Expr {
    return when(condition, [this.raise("invalid"), ret(this.defaultNan(F))]);
  }

  /** Without a NaN policy that looks at operands, `value` is never computed. */
  orDefaultNan(F: Format, value: Expr): Expr {
    if (this.policy.nan === "canonical") return this.defaultNan(F);
    if (this.policy.nan === "propagate-x86") return value;
    return either(F.type, this.mode("defaultNan"), [this.defaultNan(F)], [value]);
  }
}
