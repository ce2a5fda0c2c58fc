import { expect, test } from "vitest";
import { parsePattern } from "./pattern.js";

test("literals, don't-cares and whole operands", () => {
  const p = parsePattern("0000000 rs2:5 rs1:5 000 rd:5 01100--");
  expect(p.width).toBe(32);
  expect(p.mask >>> 0).toBe(0xfe00707c);
  expect(p.value >>> 0).toBe(0x00000030);
  expect(p.operands.get("rs2")).toEqual([{ shift: 20, width: 5, low: 0 }]);
  expect(p.operands.get("rd")).toEqual([{ shift: 7, width: 5, low: 0 }]);
});

test("an operand in pieces", () => {
  const p = parsePattern("imm[12|10:5] rs2:5 rs1:5 000 imm[4:1|11] 1100011");
  expect(p.operands.get("imm")).toEqual([
    { shift: 31, width: 1, low: 12 },
    { shift: 25, width: 6, low: 5 },
    { shift: 8, width: 4, low: 1 },
    { shift: 7, width: 1, low: 11 },
  ]);
});

test("16-bit patterns, and a set top bit in 32-bit ones", () => {
  expect(parsePattern("100 0 rs1:5 00000 10")).toMatchObject({ width: 16, mask: 0xf07f, value: 0x8002 });
  expect(parsePattern("11111111111111111111111111111111")).toMatchObject({ mask: -1, value: -1 });
});

test.each([
  ["0000 rd:5", /9 bits/],
  ["2000000 rs2:5 rs1:5 000 rd:5 0110011", /bad pattern field 2000000/],
  ["imm[3:5] 00000000000000000000000000000", /bad bit range/],
  ["imm[15:0] imm[8] 000000000000000", /imm twice/],
])("%s is refused", (text, why) => {
  expect(() => parsePattern(text)).toThrow(why);
});
