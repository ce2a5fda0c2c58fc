import { expect, test } from "vitest";
import {
  block,
  br,
  brIf,
  brTable,
  either,
  i32,
  i64,
  loop,
  ModuleBuilder,
  ret,
  select,
  when,
} from "./index.js";

async function instantiate(
  build: (m: ModuleBuilder) => void,
  imports: WebAssembly.Imports = {},
): Promise<Record<string, CallableFunction>> {
  const m = new ModuleBuilder();
  build(m);
  const { instance } = await WebAssembly.instantiate(m.encode(), imports);
  return instance.exports as Record<string, CallableFunction>;
}

test("loops, locals and i64 constants of both signs", async () => {
  const { sum } = await instantiate((m) => {
    const f = m.func("sum", ["i64"], "i64");
    const total = f.local("i64");
    const n = f.arg(0);
    f.body(
      total.set(-(2n ** 63n)),
      block((done) => [
        loop((again) => [
          brIf(done, i64.eqz(n)),
          total.set(i64.add(total, n)),
          n.set(i64.sub(n, 1)),
          br(again),
        ]),
      ]),
      total,
    );
    m.export("sum", f);
  });
  expect(sum?.(10n)).toBe(-(2n ** 63n) + 55n);
});

test("br_table, if with a result, select, memory and imports", async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const seen: number[] = [];
  const { pick, poke } = await instantiate(
    (m) => {
      m.importMemory("env", "memory", 1, 1);
      const note = m.importFunction("env", "note", ["i32"]);
      const f = m.func("pick", ["i32"], "i32");
      f.body(
        block((two) => [
          block((one) => [block((zero) => [brTable([zero, one], two, f.arg(0))]), ret(i32.const(100))]),
          ret(i32.const(101)),
        ]),
        i32.const(102),
      );
      m.export("pick", f);
      const g = m.func("poke", ["i32", "i64"], "i32");
      const [at, value] = [g.arg(0), g.arg(1)];
      g.body(
        i64.store(at, value, 8),
        when(i32.lt_s(at, 16), [note.call(at)]),
        either("i32", i64.eqz(value), [i32.const(-1)], [select("i32", i32.eq(at, 3), 7, i32.load8_u(at, 9))]),
      );
      m.export("poke", g);
    },
    { env: { memory, note: (v: number) => seen.push(v) } },
  );
  expect([0, 1, 2, 9].map((i) => pick?.(i))).toEqual([100, 101, 102, 102]);
  expect(poke?.(1, 0x1234n)).toBe(0x12);
  expect(poke?.(3, 0x1234n)).toBe(7);
  expect(poke?.(32, 0n)).toBe(-1);
  expect(seen).toEqual([1, 3]);
  expect(new DataView(memory.buffer).getBigUint64(11, true)).toBe(0x1234n);
});

test("operand types are checked when the tree is built", () => {
  expect(() => i64.add(i32.const(1), 2)).toThrow("expected i64, got i32");
});
