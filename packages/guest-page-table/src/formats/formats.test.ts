import { MappingFlags } from "@hypercraft/guest-page-table-entry";
import { describe, expect, test } from "vitest";
import { FramePool } from "../frame-pool.js";
import { PageSize } from "../mapping.js";
import { PageTable64 } from "../page-table.js";
import {
  aarch64Stage1,
  aarch64Stage1Format,
  aarch64Stage2,
  aarch64Stage2Format,
  ept,
  sv39,
  sv39x4,
  sv48,
  sv48x4,
  sv57,
  sv57x4,
  x86_64,
} from "./index.js";

const { READ } = MappingFlags;

test.each([
  // name, levels, input bits, output bits, root pages, bits of the root index: the architectures' manuals.
  [x86_64, 4, 48, 52, 1, 9],
  [ept, 4, 48, 52, 1, 9],
  [aarch64Stage1, 4, 48, 48, 1, 9],
  [aarch64Stage1Format(39), 3, 39, 48, 1, 9],
  [aarch64Stage1Format(25), 2, 25, 48, 1, 4],
  [aarch64Stage2, 3, 40, 48, 2, 10],
  [aarch64Stage2Format(39, 1), 3, 39, 48, 1, 9],
  [aarch64Stage2Format(43, 1), 3, 43, 48, 16, 13],
  [aarch64Stage2Format(44, 0), 4, 44, 48, 1, 5],
  [aarch64Stage2Format(48, 0), 4, 48, 48, 1, 9],
  [aarch64Stage2Format(34, 2), 2, 34, 48, 16, 13],
  [sv39, 3, 39, 56, 1, 9],
  [sv48, 4, 48, 56, 1, 9],
  [sv57, 5, 57, 56, 1, 9],
  [sv39x4, 3, 41, 56, 4, 11],
  [sv48x4, 4, 50, 56, 4, 11],
  [sv57x4, 5, 59, 56, 4, 11],
] as const)("shape %#", (format, levels, inputBits, outputBits, rootPages, rootBits) => {
  expect(format.levels).toHaveLength(levels);
  expect(format).toMatchObject({ inputBits, outputBits, rootPages });
  expect(format.levels[0]!.bits).toBe(rootBits);
  // The indices and the page offset are the input bits, without gap or overlap.
  let next: number = inputBits;
  for (const { shift, bits } of format.levels) {
    expect(shift + bits).toBe(next);
    next = shift;
  }
  expect(next).toBe(12);
});

test("leaves stand where the manuals allow them", () => {
  const leafLevels = ({ levels }: typeof sv39) => levels.map(({ leaf }) => (leaf ? "x" : "-")).join("");
  expect(leafLevels(x86_64)).toBe("-xxx");
  expect(leafLevels(ept)).toBe("-xxx");
  expect(leafLevels(aarch64Stage1)).toBe("-xxx");
  expect(leafLevels(aarch64Stage2)).toBe("xxx");
  expect(leafLevels(sv57)).toBe("xxxxx");
  expect(leafLevels(sv39x4)).toBe("xxx");
});

test("tokens are the values of the root registers", () => {
  const root = 0x8_8000_4000;
  expect(sv39.token(root, 5)).toBe(0x8000_5000_0088_0004n);
  expect(sv48.token(root)).toBe(0x9000_0000_0088_0004n);
  expect(sv57.token(root)).toBe(0xa000_0000_0088_0004n);
  expect(sv39x4.token(root, 1)).toBe(0x8000_1000_0088_0004n);
  expect(sv48x4.token(root)).toBe(0x9000_0000_0088_0004n);
  expect(sv57x4.token(root)).toBe(0xa000_0000_0088_0004n);
  expect(x86_64.token(root, 0x123)).toBe(0x8_8000_4123n);
  expect(ept.token(root)).toBe(0x8_8000_401en);
  expect(aarch64Stage1.token(root, 7)).toBe(0x0007_0008_8000_4000n);
  expect(aarch64Stage2.token(root, 2)).toBe(0x0002_0008_8000_4000n);
});

test("stage 1 and 2 shapes that do not exist are refused", () => {
  expect(() => aarch64Stage1Format(49)).toThrow(RangeError);
  expect(() => aarch64Stage1Format(24)).toThrow(RangeError);
  expect(() => aarch64Stage2Format(44, 1)).toThrow(RangeError);
  expect(() => aarch64Stage2Format(49, 0)).toThrow(RangeError);
  expect(() => aarch64Stage2Format(30, 1)).toThrow(RangeError);
});

describe("Sv39x4", () => {
  test("has a root of 16 KiB aligned to 16 KiB", () => {
    const table = PageTable64.tryNew(sv39x4, FramePool.ofSize(16, 0x8000_1000));
    expect(table.rootPaddr).toBe(0x8000_4000);
    expect(table.frameCount).toBe(4);
  });

  test("tells addresses apart that differ by 512 GiB, and zero-extends", () => {
    const table = PageTable64.tryNew(sv39x4, FramePool.ofSize(64, 0x8000_0000));
    const gpas = [0, 1, 2, 3].map((quarter) => quarter * 2 ** 39 + 0x9020_0000);
    for (const [quarter, gpa] of gpas.entries())
      table.map(gpa, 0x1000 * (quarter + 1), PageSize.Size4K, READ);
    expect(gpas.map((gpa) => table.query(gpa).paddr)).toEqual([0x1000, 0x2000, 0x3000, 0x4000]);
    table.unmap(gpas[1]!);
    expect(table.translate(gpas[0]!)).toBe(0x1000);
    expect(() => table.query(2 ** 41)).toThrow("0x20000000000 is out of range");
    expect(() => table.query(0xffff_ffff_ffff_f000n)).toThrow("zero-extended");
  });
});

test("AArch64 stage 2 of 40 bits has two root tables in a row, and an address for each", () => {
  const pool = FramePool.ofSize(64, 0x4000_1000);
  const table = PageTable64.tryNew(aarch64Stage2, pool);
  expect(table.rootPaddr).toBe(0x4000_2000);
  table.map(2 ** 39, 0x1_0000_0000, PageSize.Size1G, READ);
  // The first descriptor of the second table.
  expect(pool.words[pool.wordIndex(table.rootPaddr + 4096)]! & 3).toBe(1);
  expect(table.translate(2 ** 39 + 5)).toBe(0x1_0000_0005);
  expect(table.translate(5)).toBeUndefined();
});

test("AArch64 stage 1 takes the addresses of both halves, and none between them", () => {
  const table = PageTable64.tryNew(aarch64Stage1, FramePool.ofSize(64, 0x4000_0000));
  table.map(0xffff_8000_0000_0000n, 0x4000_0000, PageSize.Size4K, READ);
  expect(table.query(0xffff_8000_0000_0008n).paddr).toBe(0x4000_0008);
  expect(() => table.query(0xff00_8000_0000_0000n)).toThrow("out of range");
});
