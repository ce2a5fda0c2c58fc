import { expect, test } from "vitest";
import { ByteWriter } from "../wasm/bytes.js";
import { FunctionWriter, W } from "./function-writer.js";

test("branch hints point at the hinted instructions, counted from the declarations of locals", () => {
  const w = new FunctionWriter();
  const locals = [w.local("i32"), w.local("i64"), w.local("i32")];
  const outer = w.open(W.block);
  w.get(locals[0] as number);
  w.brUnlikely(outer);
  w.get(locals[2] as number);
  w.hint("likely");
  w.open(W.if);
  w.close();
  w.close();

  const hints = new ByteWriter();
  w.encodeHints(hints, 7);
  const [index, count, ...entries] = hints.view();
  expect([index, count]).toEqual([7, 2]);
  const code = new ByteWriter();
  w.encode(code);
  // Behind the body's size, of one byte here.
  const body = code.view().subarray(1);
  const [unlikely, one, no, likely, alsoOne, yes] = entries as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  expect([body[unlikely], one, no]).toEqual([W.brIf, 1, 0]);
  expect([body[likely], alsoOne, yes]).toEqual([W.if, 1, 1]);
});
