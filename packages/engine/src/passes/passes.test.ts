import { expect, test } from "vitest";
import { IrBuilder } from "../ir/builder.js";
import { printBlock } from "../ir/print.js";
import { countUses } from "../ir/uses.js";
import { verify } from "../ir/verify.js";
import { StateLayout } from "../state/layout.js";
import { PASSES } from "./index.js";

const layout = new StateLayout();
const [x, y, z] = layout.array("x", "i64", 3) as [never, never, never];

function optimised(build: (b: IrBuilder) => void): string {
  const b = new IrBuilder();
  b.instruction(0x10);
  build(b);
  const block = b.finish(0x14);
  verify(block);
  for (const pass of PASSES) {
    pass.run(block);
    verify(block);
  }
  return printBlock(block);
}

test("a constant made in two steps folds into one", () => {
  const text = optimised((b) => {
    b.set(x, b.i64.const(0x12345000));
    b.set(x, b.i64.add(b.get(x), b.i64.const(0x678)));
    b.jump(0x14);
  });
  expect(text).toContain("i64.const 0x12345678");
});

test("page-relative addresses stay relative", () => {
  const text = optimised((b) => {
    b.set(x, b.pc(0x3000));
    b.set(y, b.load(8, false, b.i64.add(b.get(x), b.i64.const(-16))));
    b.dispatch(0x14);
  });
  expect(text).toContain("pc page+0x2ff0");
});

test("a helper may change any field, so knowledge ends there", () => {
  const text = optimised((b) => {
    b.set(x, b.i64.const(1));
    b.call(1, 0);
    b.set(y, b.i64.add(b.get(x), b.i64.const(1)));
    b.jump(0x14);
  });
  expect(text).toMatch(/get x0\n.*const 1\n.*i64.add/);
});

test("a field that was read is not read again before it is written", () => {
  const text = optimised((b) => {
    b.set(y, b.i64.add(b.get(x), b.get(x)));
    b.set(z, b.i64.mul(b.get(x), b.get(y)));
    b.set(x, b.get(y));
    b.set(z, b.i64.sub(b.get(z), b.get(x)));
    b.jump(0x14);
  });
  expect(text.match(/get x0/g)).toHaveLength(2);
  expect(text.match(/get x1/g)).toHaveLength(1);
  expect(text).toContain("i64.add v0 v0");
});

test("what is known of the flags ends with a floating-point operation", () => {
  const text = optimised((b) => {
    b.set(layout.fpFlags, b.i32.const(0));
    b.set(x, b.fp("f64.add", 0, b.get(y), b.get(z)));
    b.set(y, b.i64.extend_i32_u(b.get(layout.fpFlags)));
    b.jump(0x14);
  });
  expect(text).toContain("get fpFlags");
});

test("folded addition carries into the high half", () => {
  const text = optimised((b) => {
    b.set(x, b.i64.add(b.i64.pair(-1, 0), b.i64.const(1)));
    b.set(y, b.i64.add(b.i64.const(-1), b.i64.pair(1, 0)));
    b.set(z, b.i64.add(b.i64.pair(-2, 0x7fffffff), b.i64.const(-5)));
    b.jump(0x14);
  });
  expect(text).toMatch(/v2 = i64.const 0x100000000\n {2}set x0 v2/);
  expect(text).toMatch(/v5 = i64.const 0\n {2}set x1 v5/);
  expect(text).toMatch(/v8 = i64.const 0x7ffffffffffffff9\n {2}set x2 v8/);
});

test("the builder's counts of uses are those of the finished block", () => {
  const b = new IrBuilder();
  b.instruction(0);
  b.set(x, b.i64.const(5));
  b.store(8, b.i64.add(b.get(y), b.get(x)), b.get(x));
  b.set(x, b.i64.add(b.get(y), b.get(y)));
  const first = b.nodes.length;
  b.instruction(4);
  b.set(z, b.get(x));
  b.takeBack(first);
  b.jump(4);
  const block = b.finish(4);
  for (const pass of PASSES) pass.run(block);
  const counted = block.nodes.map(({ uses }) => uses);
  countUses(block.nodes);
  expect(block.nodes.map(({ uses }) => uses)).toEqual(counted);
});

test("a write that is overwritten unread goes away", () => {
  const text = optimised((b) => {
    b.set(x, b.i64.const(1));
    b.set(y, b.get(z));
    b.set(x, b.get(y));
    b.jump(0x14);
  });
  expect(text.match(/set x0/g)).toHaveLength(1);
});

test("past an exit, a constant moves into its recipe, and anything else stays", () => {
  const b = new IrBuilder();
  b.instruction(0);
  b.set(x, b.i64.const(5));
  b.set(y, b.i64.add(b.get(z), b.get(z)));
  b.store(8, b.get(z), b.get(z));
  b.set(x, b.get(z));
  b.set(y, b.get(z));
  b.jump(4);
  const block = b.finish(4);
  for (const pass of PASSES) {
    pass.run(block);
    verify(block);
  }
  const store = block.nodes.find((n) => n.pending !== null);
  expect(store?.pending?.map(({ field, value }) => [field.name, value.lo])).toEqual([["x0", 5]]);
  expect(printBlock(block).match(/set x0/g)).toHaveLength(1);
  expect(printBlock(block).match(/set x1/g)).toHaveLength(2);
});

test("every exit has the last of the constants before it in its recipe", () => {
  const b = new IrBuilder();
  b.instruction(0);
  for (const value of [1, 2, 3]) {
    b.set(x, b.i64.const(value));
    if (value < 3) b.store(8, b.get(z), b.get(z));
  }
  b.jump(4);
  const block = b.finish(4);
  for (const pass of PASSES) {
    pass.run(block);
    verify(block);
  }
  const recipes = block.nodes.flatMap((n) => (n.pending === null ? [] : [n.pending]));
  expect(recipes.map((recipe) => recipe.map(({ value }) => value.lo))).toEqual([[1], [2]]);
});

test("the verifier refuses what is malformed", () => {
  const wrong = (build: (b: IrBuilder) => void) => () => {
    const b = new IrBuilder({ simplify: false });
    b.instruction(0);
    build(b);
    verify(b.finish(4));
  };
  expect(wrong((b) => b.set(z, b.i64.const(1)))).toThrow("no end");
  expect(wrong((b) => b.jump(b.i64.add(b.i32.const(1), b.i64.const(1)).lo))).toThrow(
    "operand 0 is i32, not i64",
  );
  expect(
    wrong((b) => {
      b.jump(0);
      b.jump(4);
    }),
  ).toThrow("an end must stand last");
  expect(
    wrong((b) => {
      b.set(x, b.i32.wrap_i64(b.get(x)));
      b.jump(0);
    }),
  ).toThrow("x0 is i64");
});

test("a value may be used again where nobody resumes without it, or where a field still holds it", () => {
  const b = new IrBuilder();
  b.instruction(0x10);
  const [kept, lost] = [b.get(x), b.get(y)];
  const half = b.i32.wrap_i64(kept);
  const sum = b.i64.add(kept, lost);
  const usable = () => [kept, lost, half, sum].map((value) => b.isReusable(value));
  b.instruction(0x14);
  b.set(y, b.i64.const(1));
  expect(usable()).toEqual([true, true, true, true]);
  b.instruction(0x18);
  b.set(z, b.load(8, false, kept));
  expect(usable()).toEqual([true, false, true, false]);
  b.instruction(0x1c);
  b.set(x, sum);
  expect(usable()).toEqual([false, false, false, false]);
});

test("what was written to a field that is discarded is dropped, unless the block can be left in between", () => {
  const discarding = (between: (b: IrBuilder) => void) =>
    optimised((b) => {
      b.set(x, b.i64.add(b.get(y), b.get(z)));
      between(b);
      b.discard(x);
      b.jump(0x14);
    });
  expect(discarding(() => undefined)).not.toContain("set x0");
  expect(discarding((b) => b.set(z, b.get(y)))).not.toContain("set x0");
  expect(discarding((b) => b.set(z, b.get(x)))).toContain("set x0");
  expect(discarding((b) => b.set(z, b.load(8, false, b.get(y))))).toContain("set x0");
});
