import { expect, test } from "vitest";
import { ByteWriter } from "./bytes.js";
import { disassembleBody, type WasmNames } from "./disassemble.js";

function lines(bytes: readonly number[], names?: WasmNames): string[] {
  return disassembleBody(Uint8Array.from(bytes), names).map(({ depth, text }) => "  ".repeat(depth) + text);
}

test("constants of every size, as they are written", () => {
  const out = new ByteWriter();
  const i32 = [0, 1, -1, 63, 64, -64, -65, 0x7fffffff, -0x80000000];
  const i64 = [0n, -1n, 1n << 31n, -(1n << 31n), (1n << 63n) - 1n, -(1n << 63n), 0x1234_5678_9abcn];
  for (const value of i32) {
    out.u8(0x41);
    out.s32(value);
  }
  for (const value of i64) {
    out.u8(0x42);
    out.s64(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }
  for (const value of [-1.5, 0, -0, Number.NEGATIVE_INFINITY, Number.NaN]) {
    out.u8(0x44);
    out.f64(value);
  }
  const expected = [
    ...i32.map((n) => `i32.const ${n}`),
    ...i64.map((n) => `i64.const ${n}`),
    ...["-1.5", "0", "-0", "-inf", "nan"].map((text) => `f64.const ${text}`),
  ];
  expect(lines([...out.view()])).toEqual(expected);
});

test("vector instructions, behind their prefix", () => {
  expect(lines([0xfd, 0x14, 0xfd, 0x87, 0x02, 0xfd, 0x21, 0, 0xa0])).toEqual([
    "f64x2.splat",
    "f64x2.relaxed_madd",
    "f64x2.extract_lane 0",
    "f64.add",
  ]);
});

test("offsets are those of the opcodes", () => {
  const body = [0x41, 0x80, 0x01, 0x20, 0x05, 0x6a, 0x21, 0x85, 0x01];
  expect(disassembleBody(Uint8Array.from(body)).map(({ offset }) => offset)).toEqual([0, 3, 5, 6]);
});

test("nesting, with labels by depth or by number", () => {
  // block; loop; br 1; end; if (result i32); i32.const 1; else; br 0; end; end
  const body = [2, 0x40, 3, 0x40, 0x0c, 1, 0x0b, 4, 0x7f, 0x41, 1, 5, 0x0c, 0, 0x0b, 0x0b];
  expect(lines(body)).toEqual([
    "block",
    "  loop",
    "    br 1",
    "  end",
    "  if (result i32)",
    "    i32.const 1",
    "  else",
    "    br 0",
    "  end",
    "end",
  ]);
  const numbered = lines(body, { labels: true });
  expect([numbered[2], numbered[4], numbered[7]]).toEqual(["    br $1", "  if $3 (result i32)", "    br $3"]);
});

test("an access to a constant address has that name, one to another place the name of its offset", () => {
  const names: WasmNames = {
    local: (index) => (index === 0 ? "base" : undefined),
    address: (address, offset) => (address === undefined ? `+${offset}` : `at ${address}`),
    constant: (value) => (value === 99 ? "ninety-nine" : undefined),
  };
  const body = [
    ...[0x41, 4, 0x28, 0, 8], // i32.const 4; i32.load offset=8
    ...[0x20, 0, 0x20, 1, 0x37, 3, 16], // local.get 0; local.get 1; i64.store offset=16
    ...[0x41, 0, 0x20, 1, 0x37, 3, 24], // i32.const 0; local.get 1; i64.store offset=24
    ...[0x41, 0, 0x10, 7, 0x29, 3, 32], // i32.const 0; call 7; i64.load offset=32
    ...[0x41, 0xe3, 0x00], // i32.const 99
  ];
  expect(lines(body, names)).toEqual([
    "i32.const 4",
    "i32.load offset=<at 12> align=1",
    "local.get $base",
    "local.get 1",
    "i64.store offset=<+16>",
    "i32.const 0",
    "local.get 1",
    "i64.store offset=<at 24>",
    "i32.const 0",
    "call 7",
    "i64.load offset=<+32>",
    "i32.const <ninety-nine>",
  ]);
});

test("what it does not know ends the text", () => {
  expect(lines([0x01, 0xff, 0x01])).toEqual(["nop", ";; unknown opcode 0xff"]);
  expect(() => lines([0x41])).toThrow(RangeError);
});
