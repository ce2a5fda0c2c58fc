// Software floating point: nanoseconds a call, in a WebAssembly loop of independent calls, beside the host's own
// instruction in the same loop; once with inexact already accumulated before each call, once without. And what it costs to emit and to compile the module.

import type { SoftFloatName } from "../src/softfloat/index.ts";
import type { ModuleBuilder as Builder, Callable, Expr, Val } from "../src/wasm/index.ts";

// What runs is the build; the sources only lend their types.
const built = (path: string): Promise<unknown> => import(new URL(`../dist/${path}`, import.meta.url).href);
const { block, br, brIf, f64, i32, i64, loop, ModuleBuilder } = (await built(
  "wasm/index.js",
)) as typeof import("../src/wasm/index.ts");
const { emitSoftFloat, FLOAT_FLAGS, SOFT_FLOAT_NAMES } = (await built(
  "softfloat/index.js",
)) as typeof import("../src/softfloat/index.ts");

const ROUNDS = 3_000_000;
const REPEATS = 5;

interface Subject {
  readonly label: string;
  readonly run: (rounds: number, before: number) => unknown;
}

/** 64 operands of each parameter, cycled through memory; results are OR-ed so that none can be dropped. */
function subject(
  label: string,
  params: readonly ("i32" | "i64" | "f64")[],
  apply: (m: Builder, begin: { flags?: (v: Expr) => Expr }) => (args: Val[]) => Expr,
): Subject {
  const m = new ModuleBuilder();
  m.importMemory("env", "memory", 1, 1);
  const begin: { flags?: (v: Expr) => Expr } = {};
  const call = apply(m, begin);
  const f = m.func("run", ["i32", "i32"], "i64");
  const [rounds, before] = [f.arg(0), f.arg(1)];
  const at = f.local("i32");
  const sum = f.local("i64");
  const operand = (k: number): Expr => i64.load(at, 4096 + k * 512);
  const args = params.map((type, k) =>
    type === "i64"
      ? operand(k)
      : type === "f64"
        ? f64.reinterpret_i64(operand(k))
        : i32.load(at, 1024 + k * 512),
  );
  const result = call(args);
  const wide =
    result.type === "i64"
      ? result
      : result.type === "f64"
        ? i64.reinterpret_f64(result)
        : i64.extend_i32_u(result);
  f.body(
    block((done) => [
      loop((again) => [
        brIf(done, i32.eqz(rounds)),
        ...(begin.flags ? [begin.flags(before)] : []),
        sum.set(i64.or(i64.rotl(sum, 1), wide)),
        at.set(i32.and(i32.add(at, 8), 511)),
        rounds.set(i32.sub(rounds, 1)),
        br(again),
      ]),
    ]),
    sum,
  );
  m.export("run", f);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const view = new DataView(memory.buffer);
  for (let i = 0; i < 64; i++) {
    for (let k = 0; k < 3; k++) {
      const v = 1.1 + Math.sin(i * 3 + k) + k;
      view.setFloat64(4096 + k * 512 + i * 8, v, true);
      view.setFloat32(1024 + k * 512 + i * 8, v, true);
    }
  }
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(m.encode()), { env: { memory } }).exports;
  return { label, run: run as Subject["run"] };
}

function soft(
  name: SoftFloatName,
  rm: number | undefined,
  nan: "canonical" | "propagate-x86" = "canonical",
): Subject {
  const params: ("i32" | "i64")[] = [];
  const probe = new ModuleBuilder();
  const f = emitSoftFloat(probe, { nan, tininess: "after" }).get(name);
  params.push(...(f.params.slice(0, rm === undefined ? undefined : -1) as ("i32" | "i64")[]));
  const label = `${name}${rm === undefined ? "" : ` rm ${rm}`}${nan === "canonical" ? "" : " (x86)"}`;
  return subject(label, params, (m, begin) => {
    const s = emitSoftFloat(m, { nan, tininess: "after" });
    const callee: Callable = s.get(name);
    begin.flags = (v) => s.flags.set(v);
    return (args) => callee.call(...args, ...(rm === undefined ? [] : [rm]));
  });
}

const host = (label: string, count: number, op: (...a: Val[]) => Expr): Subject =>
  subject(label, new Array<"f64">(count).fill("f64"), () => (args) => op(...args));

function nanoseconds(s: Subject, before: number): number {
  s.run(ROUNDS / 10, before);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < REPEATS; i++) {
    const t = performance.now();
    s.run(ROUNDS, before);
    best = Math.min(best, ((performance.now() - t) * 1e6) / ROUNDS);
  }
  return best;
}

const subjects: readonly Subject[] = [
  host("host f64.add", 2, f64.add as (...a: Val[]) => Expr),
  host("host f64.div", 2, f64.div as (...a: Val[]) => Expr),
  ...(["add", "sub", "mul", "div", "sqrt", "fma"] as const).flatMap((op) => [
    soft(`f64.${op}`, 0),
    soft(`f64.${op}`, 1),
    soft(`f32.${op}`, 0),
  ]),
  soft("f64.add", 0, "propagate-x86"),
  soft("f64.mul", 0, "propagate-x86"),
  soft("f64.lt", undefined),
  soft("f64.minimumNumber", undefined),
  soft("f64.toI64", 1),
  soft("f64.fromI64", 0),
  soft("f32.fromF64", 0),
  soft("f64.fromF32", undefined),
  soft("f16.mul", 0),
];

console.log("operation".padEnd(24), "ns, inexact set".padStart(16), "ns, flags clear".padStart(16));
for (const s of subjects) {
  console.log(
    s.label.padEnd(24),
    nanoseconds(s, FLOAT_FLAGS.inexact).toFixed(2).padStart(16),
    nanoseconds(s, 0).toFixed(2).padStart(16),
  );
}

const t0 = performance.now();
const m = new ModuleBuilder();
const all = emitSoftFloat(m, { nan: "canonical", tininess: "after" });
for (const name of SOFT_FLOAT_NAMES) m.export(name, all.get(name));
const t1 = performance.now();
const bytes = m.encode();
const t2 = performance.now();
new WebAssembly.Module(bytes);
const t3 = performance.now();
console.log(
  `\nall ${SOFT_FLOAT_NAMES.length} functions: tree ${(t1 - t0).toFixed(1)} ms, encode ${(t2 - t1).toFixed(1)} ms, ` +
    `compile ${(t3 - t2).toFixed(1)} ms, ${bytes.length} bytes`,
);
