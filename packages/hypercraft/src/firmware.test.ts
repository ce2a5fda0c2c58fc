import { expect, test } from "vitest";
import { entryAddress } from "./firmware.js";

test("a CPU starts at an aligned address in RAM and nowhere else", () => {
  const isRam = (gpa: number, length: number) => gpa >= 0x1000 && gpa + length <= 0x2000;
  expect(entryAddress(0x1000n, 4, isRam)).toBe(0x1000);
  expect(entryAddress(0x1ffcn, 4, isRam)).toBe(0x1ffc);
  expect(entryAddress(0x1ffen, 2, isRam)).toBe(0x1ffe);
  expect(entryAddress(0x1002n, 4, isRam)).toBeUndefined();
  expect(entryAddress(0x2000n, 4, isRam)).toBeUndefined();
  expect(entryAddress(-1n, 1, () => true)).toBeUndefined();
  // A double does not hold every address from here on.
  expect(entryAddress((1n << 53n) - 1n, 1, () => true)).toBe(2 ** 53 - 1);
  expect(entryAddress(1n << 53n, 1, () => true)).toBeUndefined();
});
