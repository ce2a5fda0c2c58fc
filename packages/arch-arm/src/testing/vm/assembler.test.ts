import { expect, test } from "vitest";
import { assemble } from "./assembler.js";

const words = (source: string, base = 0x4000_0000) => {
  const { bytes } = assemble(source, base);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true).toString(16));
};

// Encodings as LLVM's assembler has them.
test.each([
  ["add x0, x1, x2", "8b020020"],
  ["add w0, w1, #4", "11001020"],
  ["add sp, sp, #1, lsl #12", "914007ff"],
  ["sub x3, x3, #1", "d1000463"],
  ["cmp x1, #7", "f1001c3f"],
  ["cmp w1, w2", "6b02003f"],
  ["mov x21, x0", "aa0003f5"],
  ["ldr x0, [x1]", "f9400020"],
  ["ldr w0, [sp, #8]", "b9400be0"],
  ["ldrsb w3, [x4, #5]", "39c01483"],
  ["str xzr, [x1, #16]", "f900083f"],
  ["ldr x0, [x1], #8", "f8408420"],
  ["str w0, [x1, #-4]!", "b81fcc20"],
  ["ldp x0, x1, [x2, #16]", "a9410440"],
  ["stp w0, w1, [x2], #-8", "28bf0440"],
  ["ldr q3, [x1]", "3dc00023"],
  ["mrs x0, MPIDR_EL1", "d53800a0"],
  ["msr VBAR_EL1, x0", "d518c000"],
  ["mrs x1, CurrentEL", "d5384241"],
  ["msr DAIFClr, #2", "d50342ff"],
  ["msr DAIFSet, #15", "d5034fdf"],
  ["tlbi vmalle1is", "d508831f"],
  ["dc civac, x1", "d50b7e21"],
  ["dsb sy", "d5033f9f"],
  ["isb", "d5033fdf"],
  ["hvc #0", "d4000002"],
  ["smc #3", "d4000063"],
  ["svc #0x12", "d4000241"],
  ["brk #1", "d4200020"],
  ["wfi", "d503207f"],
  ["eret", "d69f03e0"],
  ["ret", "d65f03c0"],
  ["x: b x", "14000000"],
  ["x: b.ne x", "54000001"],
  ["x: cbz w3, x", "34000003"],
  ["x: adr x3, x", "10000003"],
  ["li x0, 0x2a", "d2800540"],
  ["movk x1, #5, lsl #32", "f2c000a1"],
  [".word 0xdeadbeef", "deadbeef"],
])("%s", (source, expected) => expect(words(source)).toEqual([expected]));

test("constants of 64 bits", () => {
  expect(words("li x1, 0x1234000000005678")).toEqual(["d28acf01", "f2e24681"]);
  expect(words("li x1, -1")).toHaveLength(4);
});

test("a line that is no instruction is named", () => {
  expect(() => assemble("nonsense x0", 0)).toThrow("nonsense x0: no instruction nonsense");
  expect(() => assemble("adc x0, x1", 0)).toThrow("adc x0, x1: operands do not fit adc rd, rn, rm");
});
