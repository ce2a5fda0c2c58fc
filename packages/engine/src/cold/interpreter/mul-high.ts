import { type Expr, type FunctionBuilder, i64, type ModuleBuilder } from "../../wasm/index.js";

/** Full 64x64 -> high 64 product from four 32-bit ones (Hacker's Delight, 8-2, in its unsigned form). */
export function emitMulHigh(module: ModuleBuilder): FunctionBuilder {
  const f = module.func("mulh_u", ["i64", "i64"], "i64");
  const [a, b] = [f.arg(0), f.arg(1)];
  const low = (x: Expr) => i64.and(x, 0xffffffffn);
  const high = (x: Expr) => i64.shr_u(x, 32);
  const t = f.local("i64");
  const u = f.local("i64");
  f.body(
    t.set(i64.add(i64.mul(high(a), low(b)), high(i64.mul(low(a), low(b))))),
    u.set(i64.add(i64.mul(low(a), high(b)), low(t))),
    i64.add(i64.add(i64.mul(high(a), high(b)), high(t)), high(u)),
  );
  return f;
}
