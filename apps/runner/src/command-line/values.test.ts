import { describe, expect, test } from "vitest";
import {
  parseAddress,
  parseCount,
  parseDisk,
  parseLoad,
  parseRatio,
  parseRegExp,
  parseRegionChoice,
  parseSeconds,
  parseSize,
  parseSnapshotPoint,
  ValueError,
} from "./values.js";

const refuses = (parse: (text: string) => unknown, ...texts: string[]) => {
  for (const text of texts) expect(() => parse(text), text).toThrow(ValueError);
};

describe("values", () => {
  test("sizes", () => {
    expect(parseSize("512M")).toBe(512 * 2 ** 20);
    expect(parseSize("1g")).toBe(2 ** 30);
    expect(parseSize("64KiB")).toBe(65536);
    expect(parseSize("12345")).toBe(12345);
    refuses(parseSize, "", "M", "12Q", "-1M", "1.5G", "0", "0x10", "99999999999999T", "1 M B");
  });

  test("addresses", () => {
    expect(parseAddress("0x80200000")).toBe(0x8020_0000);
    expect(parseAddress("0XfF")).toBe(255);
    expect(parseAddress("2149580800")).toBe(0x8020_0000);
    refuses(parseAddress, "", "80200000h", "0x", "-1", "1K", "0xfffffffffffffffff", "1e3");
  });

  test("virtual addresses, and which regions are printed", () => {
    expect(parseRegionChoice("0xffffffff80002000")).toEqual({
      pcs: [0xffff_ffff_8000_2000n],
      all: false,
      wat: false,
    });
    expect(parseRegionChoice("4096, 0x2000,wat,all")).toEqual({
      pcs: [4096n, 0x2000n],
      all: true,
      wat: true,
    });
    refuses(parseRegionChoice, "", "all", "0x1,", "80200000h", "-1", "0x10000000000000000", "0x1,every");
  });

  test("counts", () => {
    expect(parseCount("4")).toBe(4);
    expect(parseCount("50M")).toBe(50_000_000);
    refuses(parseCount, "", "0", "-1", "1.5", "x", "99999999999G");
  });

  test("seconds", () => {
    expect(parseSeconds("2")).toBe(2000);
    expect(parseSeconds("0.25")).toBe(250);
    expect(parseSeconds(".0001")).toBe(1);
    refuses(parseSeconds, "", "0", "-1", "1s", "Infinity", "1e3", "9999999999");
  });

  test("regular expressions say what is wrong", () => {
    expect(parseRegExp("^ok$").test("x\nok\ny")).toBe(true);
    expect(() => parseRegExp("a(b")).toThrow('"a(b" is not a regular expression: Unterminated group');
    expect(() => parseRegExp("a:[")).toThrow(/^"a:\[" is not a regular expression: \S/);
  });

  test("ratios", () => {
    expect(parseRatio("10")).toEqual([10, 1]);
    expect(parseRatio("3/7")).toEqual([3, 7]);
    refuses(parseRatio, "", "0", "1/0", "1001", "1/2/3", "a");
  });

  test("loads", () => {
    expect(parseLoad("a@b.bin@0x1000")).toEqual({ path: "a@b.bin", address: 0x1000 });
    refuses(parseLoad, "", "a.bin", "@0x1000", "a.bin@", "a.bin@x");
  });

  test("disks", () => {
    expect(parseDisk("a.img")).toEqual({ path: "a.img", mode: "rw" });
    expect(parseDisk("a,b.img,ro")).toEqual({ path: "a,b.img", mode: "ro" });
    expect(parseDisk("a.img,overlay")).toEqual({ path: "a.img", mode: "overlay" });
    expect(parseDisk("a,b.img")).toEqual({ path: "a,b.img", mode: "rw" });
    refuses(parseDisk, "");
  });

  test("points of snapshots", () => {
    expect(parseSnapshotPoint("5M")).toEqual({ instructions: 5_000_000 });
    expect(parseSnapshotPoint("login:")).toEqual({ pattern: /login:/m });
    refuses(parseSnapshotPoint, "0", "(");
  });
});
