import { expect, test } from "vitest";
import { assemble } from "./assembler.js";

const words = (source: string, base = 0x8000_0000) => {
  const { bytes } = assemble(source, base);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true).toString(16));
};

// Encodings as binutils prints them.
test.each([
  ["add a0, a1, a2", "c58533"],
  ["ld ra, 8(sp)", "813083"],
  ["sd s0, 16(sp)", "813823"],
  ["lui t0, 0x10000", "100002b7"],
  ["csrr a0, sip", "14402573"],
  ["csrw stvec, t0", "10529073"],
  ["csrsi sie, 2", "10416073"],
  ["rdtime t0", "c01022f3"],
  ["mv a0, a1", "58513"],
  ["flw fa0, 0(a0)", "52507"],
  ["fsd fa5, 0(a4)", "f73027"],
  ["fcvt.d.l fa0, a0", "d2257553"],
  ["amoadd.w a0, a2, (a1)", "c5a52f"],
  ["lr.d a0, (a1)", "1005b52f"],
  ["ecall", "73"],
  ["wfi", "10500073"],
  ["sfence.vma", "12000073"],
  ["x: j x", "6f"],
  ["x: beqz a0, x", "50063"],
  ["li a0, -1", "fff00513"],
  [".word 0xdeadbeef", "deadbeef"],
])("%s", (source, expected) => expect(words(source)).toEqual([expected]));

test("compressed forms by their own names, labels both ways, la and data", () => {
  expect(words("c.lw a0, 0(a1)\nc.ld s0, 8(a5)")).toEqual(["67804188"]);
  const source =
    "j end\nback: nop\nend: bne a0, a1, back\nla a0, data\nsret\ndata: .dword 0x1122334455667788";
  const { bytes, labels } = assemble(source, 0x8000_0000);
  expect(labels.get("data")).toBe(0x8000_0018);
  expect(new DataView(bytes.buffer).getBigUint64(0x18, true)).toBe(0x1122334455667788n);
  expect(words(source).slice(0, 5)).toEqual(["80006f", "13", "feb51ee3", "517", "c50513"]);
});

test("a line that is no instruction is named", () => {
  expect(() => assemble("nonsense a0", 0)).toThrow("nonsense a0: no instruction nonsense");
  expect(() => assemble("add a0, a1", 0)).toThrow("add a0, a1: operands do not fit add rd, rs1, rs2");
  expect(() => assemble("addi a0, a1, 5000", 0)).toThrow("addi a0, a1, 5000: imm cannot be 5000");
});
