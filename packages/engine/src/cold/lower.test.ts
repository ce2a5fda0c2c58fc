import { expect, test } from "vitest";
import { IrBuilder, type Value } from "../ir/builder.js";
import { runPasses } from "../passes/index.js";
import { ENGINE_STATE as E, StateLayout } from "../state/layout.js";
import { Lowering } from "./lower.js";
import { MICRO_OP_NAMES } from "./micro-ops.js";

const layout = new StateLayout();
const [x, y, z] = layout.array("x", "i64", 3) as [never, never, never];
const NAMES = new Map(
  [...layout.fields.values()].map(({ name, offset }): [number, string] => [offset, name]),
);

function place(offset: number): string {
  if (offset === E.zero) return "zero";
  return NAMES.get(offset) ?? `t${(offset - E.temporaries) / 8}`;
}

interface Lowered {
  /** Micro-ops as `name d a b`, each as it is by itself. */
  readonly ops: string[];
  /** Names of those that are carried out, where the block is entered at its beginning. */
  readonly turns: string[];
  /** Where each instruction's micro-ops begin. */
  readonly starts: readonly number[];
}

function lowered(build: (b: IrBuilder) => void, passes = true): Lowered {
  const b = new IrBuilder();
  build(b);
  const block = b.finish(0x20);
  if (passes) runPasses(block);
  const { words, length, starts } = new Lowering().lower(block);
  const ops: string[] = [];
  const names: string[] = [];
  for (let at = 0; at < length; at += 4) {
    const [op, ab] = [words[at] as number, words[at + 1] as number];
    names.push(MICRO_OP_NAMES[op & 0xffff] as string);
    ops.push(
      [
        names.at(-1)?.split("+")[0],
        ...[op >>> 16, ab & 0xffff, ab >>> 16].map((o) => (o ? place(o) : "-")),
      ].join(" "),
    );
  }
  const turns: string[] = [];
  for (let i = 0; i < names.length; i += (names[i] as string).split("+").length)
    turns.push(names[i] as string);
  return { ops, turns, starts: starts.map((word) => word / 4) };
}

test("one micro-op where one is enough: addresses, words, comparisons", () => {
  const { ops, starts } = lowered((b) => {
    b.instruction(0);
    b.set(x, b.load(8, false, b.i64.add(b.get(y), b.i64.const(16))));
    b.instruction(4);
    b.set(y, b.i64.extend_i32_s(b.i32.add(b.i32.wrap_i64(b.get(x)), b.i32.wrap_i64(b.get(z)))));
    b.instruction(8);
    b.branch(b.i64.lt_u(b.get(x), b.get(y)), 0x40, 0x20);
  });
  expect(ops).toEqual(["load64 x0 x1 -", "i32.add.sx x1 x0 x2", "branch64.lt_u - x0 x1"]);
  expect(starts).toEqual([0, 1, 2]);
});

test("words that are zero-extended, and flags: what a slot has above 32 bits is zero", () => {
  const { ops } = lowered((b) => {
    const words = (): [Value, Value] => [b.i32.wrap_i64(b.get(x)), b.i32.wrap_i64(b.get(y))];
    b.instruction(0);
    b.set(z, b.i64.extend_i32_u(b.i32.add(...words())));
    b.instruction(4);
    b.set(z, b.i64.extend_i32_u(b.i64.lt_s(b.get(x), b.get(y))));
    b.instruction(8);
    b.set(z, b.i64.extend_i32_s(b.i32.sub_overflow(...words())));
    b.instruction(12);
    // A field may have anything above.
    b.set(z, b.i64.extend_i32_u(b.i32.wrap_i64(b.get(x))));
  }, false);
  expect(ops).toEqual([
    "i32.add x2 x0 x1",
    "i64.lt_s x2 x0 x1",
    "i32.sub_overflow.sx x2 x0 x1",
    "extend_u x2 x0 -",
  ]);
});

test("a call on a condition tests bits by itself, if they are few and the constant is small", () => {
  const { ops } = lowered((b) => {
    const bits = (mask: number): Value => b.i32.and(b.i32.wrap_i64(b.get(x)), b.i32.const(mask));
    b.instruction(0);
    b.callIf(bits(15), 3, 7, b.get(y));
    b.callIf(bits(0x1000), 3, 7, b.get(y));
    b.callIf(bits(15), 3, 0x1000, b.get(y));
    b.callIf(bits(0), 3, 7, b.get(y));
  });
  expect(ops.map((text) => text.split(" ")[0])).toEqual([
    "call_if_any",
    ...["i32.and.imm", "call_if", "i32.and.imm", "call_if", "i32.and.imm", "call_if"],
  ]);
});

// Passes would delay the first write into the recipe of the store.
test("a constant is read from the field it was written to, until that changes", () => {
  const { ops } = lowered((b) => {
    b.instruction(0);
    b.set(x, b.i64.const(5));
    b.instruction(4);
    b.store(8, b.get(y), b.get(x));
    b.instruction(8);
    const old = b.get(x);
    b.set(x, b.get(z));
    b.store(8, b.get(y), old);
    b.jump(12);
  }, false);
  expect(ops).toEqual([
    "const x0 - -",
    "store64 - x1 x0",
    "mov x0 x2 -",
    "const t0 - -",
    "store64 - x1 t0",
    "jump - - -",
  ]);
});

test("several micro-ops in one, of several instructions: the others are there for who begins with them", () => {
  const { ops, turns, starts } = lowered((b) => {
    b.instruction(0);
    b.set(x, b.get(y));
    b.instruction(4);
    b.set(z, b.get(y));
    b.jump(8);
  }, false);
  expect(ops).toEqual(["mov x0 x1 -", "mov x2 x1 -", "jump - - -"]);
  expect(turns[0]).toMatch(/^mov\+mov/);
  expect(starts).toEqual([0, 1]);
});

test("what an instruction computes goes where it is written, if others are written first", () => {
  const { ops } = lowered((b) => {
    b.instruction(0);
    const sum = b.i64.add(b.get(x), b.get(y));
    b.set(x, b.i64.const(1));
    b.set(z, sum);
    // This one is asked for in between.
    const difference = b.i64.sub(b.get(x), b.get(z));
    b.set(y, b.get(x));
    b.set(x, difference);
    b.jump(4);
  }, false);
  expect(ops).toEqual([
    "i64.add x2 x0 x1",
    "const x0 - -",
    "i64.sub t0 x0 x2",
    "const x1 - -",
    "mov x0 t0 -",
    "jump - - -",
  ]);
});

test("a copy that is overwritten is left to the exits before that", () => {
  const { ops } = lowered((b) => {
    b.instruction(0);
    b.set(x, b.get(y));
    b.instruction(4);
    b.store(8, b.get(z), b.get(z));
    b.set(x, b.get(z));
    b.jump(8);
  });
  expect(ops).toEqual(["store64 - x2 x2", "mov x0 x2 -", "jump - - -"]);
});

test("a helper may change the field a constant was written to", () => {
  const { ops } = lowered((b) => {
    b.instruction(0);
    const five = b.i64.const(5);
    b.set(x, five);
    b.call(1, 0);
    b.store(8, b.get(y), five);
    b.jump(4);
  });
  expect(ops.slice(2, 4)).toEqual(["const t0 - -", "store64 - x1 t0"]);
});

test("a page-relative address too", () => {
  const { ops } = lowered((b) => {
    b.instruction(0);
    b.set(x, b.pc(0x3000));
    b.instruction(4);
    b.set(y, b.load(8, false, b.i64.add(b.get(x), b.i64.const(8))));
    b.jump(8);
  });
  expect(ops).toHaveLength(4);
  expect(ops[0]).toBe("i64.add.imm x0 - -");
});

test("an old value of a field that is overwritten moves to a temporary", () => {
  const { ops } = lowered((b) => {
    b.instruction(0);
    const old = b.get(x);
    b.set(x, b.i64.add(old, b.get(y)));
    b.set(y, b.i64.xor(old, b.get(z)));
    b.jump(4);
  });
  expect(ops).toEqual(["mov t0 x0 -", "i64.add x0 t0 x1", "i64.xor x1 t0 x2", "jump - - -"]);
});

test("instructions that emit nothing begin where the next one does", () => {
  const { ops, starts } = lowered((b) => {
    b.instruction(0);
    b.i64.mul(b.get(x), b.get(y));
    b.instruction(4);
    b.instruction(8);
    b.set(z, b.get(x));
    b.jump(12);
  });
  expect(ops).toEqual(["mov x2 x0 -", "jump - - -"]);
  expect(starts).toEqual([0, 0, 0]);
});
