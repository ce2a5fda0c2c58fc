import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aarch64Stage1Pte } from "./aarch64-stage1.js";
import { aarch64Stage2Pte } from "./aarch64-stage2.js";
import { rawEntry, setRawEntry } from "./entry.js";
import { eptPte } from "./ept.js";
import { ACCESS_FLAGS, ALL_FLAGS, MappingFlags } from "./flags.js";
import type { GenericPte } from "./pte.js";
import { riscvGStagePte, riscvPte, riscvStage1Pte } from "./riscv.js";
import { x86_64Pte } from "./x86-64.js";

const { READ, WRITE, EXECUTE, USER, DEVICE } = MappingFlags;
const svpbmtPte = riscvPte({ svpbmt: true });
const words = new Uint32Array(4);

/** Rows with a title of the format's name and the row's number. */
const titled = <Row extends readonly [GenericPte, ...unknown[]]>(rows: readonly Row[]) =>
  rows.map((row, index) => ({ title: `${row[0].name} ${index}`, row }));

/** Raw bits worked out by hand from each architecture's manual. */
const LEAVES = [
  // V R W X - G A D of the RISC-V boot tables is 0xEF; without G, and with U, these follow.
  [riscvStage1Pte, 0x8020_0000, READ | WRITE | EXECUTE, false, 0x2008_00cfn],
  [riscvStage1Pte, 0x8000_0000, READ | EXECUTE | USER, true, 0x2000_00dbn],
  [riscvStage1Pte, 2 ** 55, READ, false, 0x0020_0000_0000_00c3n],
  [riscvStage1Pte, 0x1000_0000, READ | WRITE | DEVICE, false, 0x0400_00c7n],
  [svpbmtPte, 0x1000_0000, READ | WRITE | DEVICE, false, 0x4000_0000_0400_00c7n],
  [riscvGStagePte, 0x9000_0000, READ | WRITE | EXECUTE, true, 0x2400_00dfn],
  [riscvStage1Pte, 0x1000, WRITE, false, 0x4c7n],
  // The x86 boot entries are 0x83 (present, writable, large); ours are not executable unless asked.
  [x86_64Pte, 0, READ | WRITE | EXECUTE, true, 0x83n],
  [x86_64Pte, 0xf_ffff_ffff_f000, READ | WRITE | USER, false, 0x800f_ffff_ffff_f007n],
  [x86_64Pte, 0xfee0_0000, READ | WRITE | DEVICE, false, 0x8000_0000_fee0_001bn],
  [x86_64Pte, 0x1000, EXECUTE, false, 0x1001n],
  [eptPte, 0x1234_5000, READ | WRITE | EXECUTE, false, 0x1234_5037n],
  [eptPte, 0x4000_0000, READ | WRITE | EXECUTE, true, 0x4000_00b7n],
  [eptPte, 0xfed0_0000, READ | WRITE | DEVICE, false, 0xfed0_0003n],
  [eptPte, 0x1000, WRITE, false, 0x1033n],
  [eptPte, 0x1000, EXECUTE | USER, false, 0x1034n],
  // Normal memory: AttrIndx 1, inner shareable, AF, valid page = 0x707; a block lacks bit 1.
  [aarch64Stage1Pte, 0x4008_0000, READ | WRITE | EXECUTE, false, 0x0040_0000_4008_0707n],
  [aarch64Stage1Pte, 0x4000_0000, READ | EXECUTE | USER, true, 0x0020_0000_4000_07c5n],
  [aarch64Stage1Pte, 0x0900_0000, READ | WRITE | DEVICE, false, 0x0060_0000_0900_0403n],
  [aarch64Stage2Pte, 0x4008_0000, READ | WRITE | EXECUTE, false, 0x4008_07ffn],
  [aarch64Stage2Pte, 0x4000_0000, READ | EXECUTE, true, 0x4000_077dn],
  [aarch64Stage2Pte, 0x0900_0000, READ | WRITE | DEVICE, false, 0x0040_0000_0900_04c7n],
] as const;

const TABLES = [
  [riscvStage1Pte, 0x2000_0801n],
  [riscvGStagePte, 0x2000_0801n],
  [x86_64Pte, 0x8000_2007n],
  [eptPte, 0x8000_2007n],
  [aarch64Stage1Pte, 0x8000_2003n],
  [aarch64Stage2Pte, 0x8000_2003n],
] as const;

test.each(titled(LEAVES))("$title: a page", ({ row: [pte, paddr, flags, isHuge, raw] }) => {
  pte.newPage(words, 0, paddr, flags, isHuge);
  expect(rawEntry(words, 0).toString(16)).toBe(raw.toString(16));
  expect(pte.malformed(words, 0, "leaf", isHuge ? 21 : 12)).toBeUndefined();
});

test.each(titled(TABLES))("$title: a pointer", ({ row: [pte, raw] }) => {
  pte.newTable(words, 0, 0x8000_2000);
  expect(rawEntry(words, 0).toString(16)).toBe(raw.toString(16));
  expect(pte.paddr(words, 0)).toBe(0x8000_2000);
  expect(pte.isPresent(words, 0)).toBe(true);
  expect(pte.isHuge(words, 0)).toBe(false);
  expect(pte.malformed(words, 0, "table", 30)).toBeUndefined();
});

const FORMATS = [
  [riscvStage1Pte, 56, (f: number) => (f & ~DEVICE) | (f & WRITE ? READ : 0)],
  [svpbmtPte, 56, (f: number) => f | (f & WRITE ? READ : 0)],
  [riscvGStagePte, 56, (f: number) => (f & ~(DEVICE | USER)) | (f & WRITE ? READ : 0)],
  [x86_64Pte, 52, (f: number) => f | READ],
  [eptPte, 52, (f: number) => (f & ~USER) | (f & WRITE ? READ : 0)],
  [aarch64Stage1Pte, 48, (f: number) => f | READ],
  [aarch64Stage2Pte, 48, (f: number) => f & ~USER],
] as const;

describe.each(titled(FORMATS))("$title", ({ row: [pte, outputBits, expected] }) => {
  const flags = fc.integer({ min: 1, max: ALL_FLAGS }).filter((f) => (f & ACCESS_FLAGS) !== 0);
  const frame = fc.integer({ min: 0, max: 2 ** (outputBits - 12) - 1 });
  const paddr = frame.map((n) => n * 4096);

  test("gives back the address and the effective flags of every page", () => {
    fc.assert(
      fc.property(paddr, flags, fc.boolean(), (pa, f, isHuge) => {
        pte.newPage(words, 2, pa, f, isHuge);
        expect(pte.paddr(words, 2)).toBe(pa);
        expect(pte.flags(words, 2)).toBe(expected(f));
        expect(pte.effectiveFlags(f)).toBe(expected(f));
        expect(pte.isPresent(words, 2)).toBe(true);
        expect(pte.isHuge(words, 2) || !isHuge).toBe(true);
        expect(pte.isUnused(words, 2)).toBe(false);
      }),
    );
  });

  test("setFlags and setPaddr leave the rest of a page alone", () => {
    const ignored = 0x0780_0000_0000_0000n & (pte.name.startsWith("riscv") ? 0n : -1n);
    fc.assert(
      fc.property(paddr, paddr, flags, flags, fc.boolean(), (pa, otherPa, f, otherFlags, isHuge) => {
        pte.newPage(words, 0, otherPa, otherFlags, isHuge);
        const fresh = rawEntry(words, 0);
        pte.newPage(words, 0, pa, f, isHuge);
        setRawEntry(words, 0, rawEntry(words, 0) | ignored);
        pte.setFlags(words, 0, otherFlags, isHuge);
        expect(pte.paddr(words, 0)).toBe(pa);
        pte.setPaddr(words, 0, otherPa);
        expect(rawEntry(words, 0)).toBe(fresh | ignored);
      }),
    );
  });

  test("setFlags keeps accessed and dirty state that is clear", () => {
    pte.newPage(words, 0, 0x1000, READ, false);
    const accessedDirty = pte.name.startsWith("riscv") ? 0xc0n : pte.name.startsWith("aarch64") ? 0x400n : 0n;
    setRawEntry(words, 0, rawEntry(words, 0) & ~accessedDirty);
    pte.setFlags(words, 0, READ | WRITE, false);
    expect(rawEntry(words, 0) & accessedDirty).toBe(0n);
    expect(pte.flags(words, 0)).toBe(READ | WRITE);
  });

  test("without READ, WRITE and EXECUTE a page is not present", () => {
    pte.newPage(words, 0, 0x1000, USER | DEVICE, false);
    expect(pte.isPresent(words, 0)).toBe(false);
    expect(pte.flags(words, 0) & ACCESS_FLAGS).toBe(0);
  });

  test("clear makes an entry unused, and its neighbours keep theirs", () => {
    words.fill(0xffff_ffff);
    pte.clear(words, 0);
    expect(pte.isUnused(words, 0)).toBe(true);
    expect(pte.isPresent(words, 0)).toBe(false);
    expect(Array.from(words)).toEqual([0, 0, 0xffff_ffff, 0xffff_ffff]);
  });

  test.each(["leaf", "table"] as const)("the fields of a %s are in order and do not overlap", (kind) => {
    let next = 0;
    for (const field of pte.fields(kind)) {
      expect(field.bit).toBeGreaterThanOrEqual(next);
      next = field.bit + field.width;
    }
    expect(next).toBeLessThanOrEqual(64);
  });
});
