import { wasm } from "@hypercraft/engine";
import {
  addTo,
  divide,
  isLessWide,
  multiplyWide,
  newWide,
  setDifference,
  setWide,
  type Wide,
} from "./wide.js";

// Functions that shortcuts share. Results of 128 bits are given in two halves, of which a global holds the lower.

const { block, br, brIf, i32, i64, loop, ret, seq, switchOn, when } = wasm;
type Expr = wasm.Expr;
type Local = wasm.Local;

/** The functions of one module. */
export class Library {
  readonly module: wasm.ModuleBuilder;
  private readonly low: wasm.Global;
  private readonly high64: wasm.FunctionBuilder;
  private readonly product: wasm.FunctionBuilder;
  private quotient: wasm.FunctionBuilder | undefined;
  private readonly tables = new Map<string, wasm.FunctionBuilder>();

  constructor(module: wasm.ModuleBuilder) {
    this.module = module;
    this.low = module.global("i64");
    this.high64 = this.writeHigh();
    this.product = this.writeProduct();
  }

  private writeHigh(): wasm.FunctionBuilder {
    const f = this.module.func("high", ["i64", "i64"], "i64");
    const wide = newWide(f);
    return f.body(multiplyWide(f, f.arg(0), f.arg(1), wide), wide.high);
  }

  private writeProduct(): wasm.FunctionBuilder {
    const f = this.module.func("product", ["i64", "i64", "i64", "i64"], "i64");
    const [ah, al, bh, bl] = [f.arg(0), f.arg(1), f.arg(2), f.arg(3)];
    const wide = newWide(f);
    const part = f.local("i64");
    const add = (a: Local, b: Local) =>
      seq(
        part.set(this.high64.call(a, b)),
        wide.low.set(i64.add(wide.low, part)),
        wide.high.set(i64.add(wide.high, i64.extend_i32_u(i64.lt_u(wide.low, part)))),
      );
    return f.body(multiplyWide(f, ah, bh, wide), add(ah, bl), add(al, bh), this.low.set(wide.low), wide.high);
  }

  private take(to: Wide, call: Expr): Expr {
    return setWide(to, call, this.low);
  }

  /** The upper half of a product of 64 bits each. */
  high(a: wasm.Val, b: wasm.Val): Expr {
    return this.high64.call(a, b);
  }

  /** The upper half of a product of 128 bits each, as of fractions; less than it is by a few units at most. */
  multiply(to: Wide, a: Wide, b: Wide): Expr {
    return this.take(to, this.product.call(a.high, a.low, b.high, b.low));
  }

  /** The same with a constant. */
  multiplyBy(to: Wide, a: Wide, value: bigint): Expr {
    const [high, low] = [BigInt.asIntN(64, value >> 64n), BigInt.asIntN(64, value)];
    return this.take(to, this.product.call(a.high, a.low, high, low));
  }

  /** The low 128 bits of a product with 64 bits. */
  multiplyByWord(to: Wide, value: Wide, word: wasm.Val): Expr {
    return setWide(
      to,
      i64.add(i64.mul(value.high, word), this.high(value.low, word)),
      i64.mul(value.low, word),
    );
  }

  /** A quotient of two normalised fractions, the dividend less than half of 1: nearly all 128 bits are right. */
  divide(to: Wide, dividend: Wide, divisor: Wide): Expr {
    this.quotient ??= this.writeQuotient();
    return this.take(to, this.quotient.call(dividend.high, dividend.low, divisor.high, divisor.low));
  }

  private writeQuotient(): wasm.FunctionBuilder {
    const f = this.module.func("quotient", ["i64", "i64", "i64", "i64"], "i64");
    const [dividend, divisor] = [newWide(f), { high: f.arg(2), low: f.arg(3) }];
    const [taken, rest] = [newWide(f), newWide(f)];
    const [first, second, negative] = [f.local("i64"), f.local("i64"), f.local("i32")];
    return f.body(
      setWide(dividend, f.arg(0), f.arg(1)),
      // By the upper half of the divisor alone, which gives too much where what is left is less than the rest takes.
      divide(f, dividend, divisor.high, first),
      dividend.low.set(i64.const(0)),
      multiplyWide(f, first, divisor.low, taken),
      setDifference(rest, dividend, taken),
      negative.set(isLessWide(dividend, taken)),
      block((right) => [
        loop((again) => [
          brIf(right, i32.eqz(negative)),
          first.set(i64.sub(first, 1)),
          addTo(rest, divisor),
          // Until a sum carries.
          negative.set(i32.eqz(isLessWide(rest, divisor))),
          br(again),
        ]),
      ]),
      when(
        i64.ge_u(rest.high, divisor.high),
        [second.set(i64.const(-1))],
        [divide(f, rest, divisor.high, second)],
      ),
      this.low.set(second),
      first,
    );
  }

  /** Brings one of some constants of 128 bits by its index. `make` gives them where the name is not known yet. */
  table(name: string, make: () => readonly bigint[]): (to: Wide, index: Expr) => Expr {
    let table = this.tables.get(name);
    if (table === undefined) {
      table = this.writeTable(name, make());
      this.tables.set(name, table);
    }
    const f = table;
    return (to, index) => this.take(to, f.call(index));
  }

  private writeTable(name: string, values: readonly bigint[]): wasm.FunctionBuilder {
    const f = this.module.func(name, ["i32"], "i64");
    const give = (value: bigint) =>
      seq(this.low.set(BigInt.asIntN(64, value)), ret(i64.const(BigInt.asIntN(64, value >> 64n))));
    return f.body(switchOn(f.arg(0), values.map(give)), i64.const(0));
  }
}
