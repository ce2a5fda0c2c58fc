import { MappingFlags, setRawEntry } from "@hypercraft/guest-page-table-entry";
import { describe, expect, test } from "vitest";
import { formatExplanation } from "./explain.js";
import { ept, sv39, sv39x4, x86_64 } from "./formats/index.js";
import { FramePool } from "./frame-pool.js";
import { GuestPageTable } from "./guest-memory.js";
import { PageSize } from "./mapping.js";
import { PageTable64 } from "./page-table.js";
import { PageTableReader } from "./reader.js";

const { READ, WRITE, EXECUTE, USER } = MappingFlags;

test("explains every level of a walk that succeeds", () => {
  const table = PageTable64.tryNew(sv39, FramePool.ofSize(16, 0x8000_0000));
  table.map(0xffff_ffc0_0000_1000n, 0x9000_0000, PageSize.Size4K, READ | WRITE);
  const { levels, result } = table.explain(0xffff_ffc0_0000_1234n, { kind: "write" });
  expect(levels.map(({ name, index, kind }) => [name, index, kind])).toEqual([
    ["level 2", 256, "table"],
    ["level 1", 0, "table"],
    ["level 0", 1, "leaf"],
  ]);
  expect(levels[0]).toMatchObject({ tablePaddr: table.rootPaddr, entryPaddr: table.rootPaddr + 256 * 8 });
  expect(levels[2]!.raw).toBe(0x2400_00c7n);
  expect(levels[2]!.fields).toContainEqual({ name: "W", bit: 2, width: 1, value: 1 });
  expect(result).toEqual({
    kind: "mapped",
    mapping: { paddr: 0x9000_0234, flags: READ | WRITE, size: PageSize.Size4K },
  });
});

test("names the bit that denies an access, at the level that denies it", () => {
  const table = PageTable64.tryNew(x86_64, FramePool.ofSize(16, 0x10_0000));
  table.map(0x20_0000, 0x40_0000, PageSize.Size2M, READ | USER);
  expect(table.explain(0x21_2345, { kind: "execute", user: true }).result).toMatchObject({
    kind: "denied",
    reason: "permission",
    level: 2,
    denial: { field: "XD", bit: 63, value: 1 },
    message: "PDE: XD (bit 63) = 1: an instruction fetch needs XD = 0",
    mapping: { paddr: 0x41_2345, flags: READ | USER, size: PageSize.Size2M },
  });
});

test("stops at the first entry that is absent", () => {
  const table = PageTable64.tryNew(ept, FramePool.ofSize(16, 0x10_0000));
  table.map(0x1000, 0x1000, PageSize.Size4K, READ);
  const { levels, result } = table.explain(0x4000_0000);
  expect(levels.map(({ kind }) => kind)).toEqual(["table", "absent"]);
  expect(result).toMatchObject({ kind: "denied", reason: "absent", level: 1, denial: { field: "R/W/X" } });
});

test("says when an address is none of the format", () => {
  const table = PageTable64.tryNew(sv39x4, FramePool.ofSize(16, 0x8000_0000));
  const { levels, result } = table.explain(2 ** 41);
  expect(levels).toEqual([]);
  expect(result).toMatchObject({ kind: "denied", reason: "address" });
});

describe("a table that someone else made", () => {
  const pool = FramePool.ofSize(4, 0x8000_0000);
  const root = pool.allocFrame()!;
  const reader = new PageTableReader(sv39, pool, root);
  const setRoot = (index: number, raw: bigint) =>
    setRawEntry(pool.words, pool.wordIndex(root) + index * 2, raw);

  test("malformed entries map nothing and are named", () => {
    setRoot(0, (1n << 10n) | 0xcfn); // a gigapage that is not aligned
    expect(reader.translate(0x1000)).toBeUndefined();
    expect(() => reader.query(0x1000)).toThrow("not mapped");
    expect(reader.explain(0x1000).result).toMatchObject({ reason: "malformed", denial: { field: "PPN" } });
  });

  test("tables outside memory map nothing and are named", () => {
    setRoot(1, (0x1234_5000n << 10n) | 1n);
    expect(reader.translate(0x4000_0000)).toBeUndefined();
    expect(reader.explain(0x4000_0000).result).toMatchObject({ reason: "memory", level: 1 });
    const seen: number[] = [];
    reader.walk(({ index }) => seen.push(index));
    expect(seen).toEqual([0, 1]);
  });

  test("a table that points to itself ends in a pointer at the last level", () => {
    setRoot(2, (BigInt(root / 4096) << 10n) | 1n);
    expect(reader.explain(0x8040_2000n).result).toMatchObject({
      reason: "malformed",
      level: 2,
      denial: { field: "R" },
    });
  });
});

test("the text has a line for each level and one for the result", () => {
  const table = new GuestPageTable(sv39x4, FramePool.ofSize(16, 0x8000_0000), 3);
  table.map(0x9020_0000, 0x8800_0000, READ | EXECUTE);
  expect(formatExplanation(table.explain(0x9020_0010, { kind: "write" }))).toBe(
    [
      "Sv39x4: 0x90200010, write",
      "  level 2[2] = 0x0000000020001001 table V PPN=0x80004",
      "  level 1[129] = 0x0000000020001401 table V PPN=0x80005",
      "  level 0[0] = 0x00000000220000db leaf V R X U A D PPN=0x88000",
      "  -> 0x88000010 r-x--, page of 0x1000 bytes",
      "  denied: level 0: W (bit 2) = 0: a write needs W = 1",
    ].join("\n"),
  );
  expect(table.token).toBe(0x8000_3000_0008_0000n);
  expect(table.translate(0x9020_0010)).toBe(0x8800_0010);
  table.unmap(0x9020_0000);
  expect(table.translate(0x9020_0010)).toBeUndefined();
});
