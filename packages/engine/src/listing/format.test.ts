import { expect, test } from "vitest";
import { formatListing } from "./format.js";
import type { RegionListing } from "./listing.js";

const LISTING: RegionListing = {
  entry: 0xffff_ffff_8000_0010n,
  blocks: 1,
  instructions: 2,
  codeBytes: 17,
  module: new Uint8Array(),
  rows: [
    { kind: "frame", pc: 0xffff_ffff_8000_0010n, ir: [], wasm: ["local.get $budget"] },
    { kind: "block", pc: 0xffff_ffff_8000_0010n, text: "block 0xffffffff80000010", ir: [], wasm: [] },
    {
      kind: "instruction",
      pc: 0xffff_ffff_8000_0010n,
      bytes: Uint8Array.of(1, 0x45),
      text: "c.li a0, 1",
      ir: ["v0 = i64.const 1", "set x10 v0"],
      wasm: ["  i64.const 1"],
    },
    {
      kind: "instruction",
      pc: 0xffff_ffff_8000_0012n,
      bytes: Uint8Array.of(0x6f, 0, 0x80, 0),
      text: "j 0xffffffff8000001a",
      ir: ["jump 0xffffffff8000001a"],
      wasm: ["  i32.const 5", "  br $2"],
    },
    { kind: "instruction", pc: 0xffff_ffff_8000_0012n, ir: [], wasm: ["end"] },
  ],
};

test("three columns, each row as high as its highest part", () => {
  expect(formatListing(LISTING)).toBe(`\
region at 0xffffffff80000010: 1 block, 2 instructions, 17 bytes of WebAssembly
guest                                                 | IR                      | WebAssembly
----------------------------------------------------- | ----------------------- | -----------
                                                      |                         | local.get $budget
block 0xffffffff80000010                              |                         |
0xffffffff80000010  01 45        c.li a0, 1           | v0 = i64.const 1        |   i64.const 1
                                                      | set x10 v0              |
0xffffffff80000012  6f 00 80 00  j 0xffffffff8000001a | jump 0xffffffff8000001a |   i32.const 5
                                                      |                         |   br $2
                                                      |                         | end
`);
});

test("without the frame, only what belongs to blocks", () => {
  const text = formatListing(LISTING, { frame: false });
  expect(text).not.toContain("$budget");
  expect(text).toContain("br $2");
});

test("a line that is too long moves only its own neighbours", () => {
  const [first, ...others] = LISTING.rows.slice(2);
  const long = { ...(first as (typeof LISTING.rows)[0]), text: "x".repeat(80) };
  const lines = formatListing({ ...LISTING, rows: [long, ...others] }).split("\n");
  const columns = lines.slice(1, -1).map((line) => line.indexOf(" | "));
  expect(new Set(columns).size).toBe(2);
  expect(lines[3]).toMatch(/x{80} \| v0 = i64\.const 1 +\| {3}i64\.const 1$/);
});
