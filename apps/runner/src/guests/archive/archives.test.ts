import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { makeAr, makeTar, makeXz } from "../../../test/archives.js";
import { readAr } from "./ar.js";
import { type ByteStream, decompress, decompressBytes } from "./decompress.js";
import { bufferAccess } from "./random-access.js";
import { readTar, readTarFile } from "./tar.js";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What xz 5.4 makes (-9e, CRC64) of "hypercraft " 400 times and the bytes 0 to 255. */
const REAL_XZ = Buffer.from(
  "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4BIvAQxdADQeSkQF4y05r7wHDCun1syKugxWnAC2p4lYotbacD3RLzgcnoAXHqqBJjAmASGIGpbs0dSeq/Q8oMg1LV1K4B68VexZegnf/UO5wyNoZ/qgRCc12h9EhQoFq+xmBcRa1Ri/boQOP+iWsRNAwaUzdccDykO9sjt4Av8kgc94nISkpLy6jqDrm95GdthYOJ+s7KvRqqi1cKn2aEueswbz8453XsqwNq5y09dvhd91s4z7wv2HseylSyQCWAtNUpK5WsFE17SY/q54XJg6D4bc8+7jDLlWu8MFjAg/BSun/EUvdNw+o/qNOuLvDtij26iPANJMvlcwg1g5wrllW6rcUeaZ6T5Kmd5cZ3owkbsAH1FxsxToPLkAAagCsCQAAJi07G6xxGf7AgAAAAAEWVo=",
  "base64",
);
const REAL_CONTENT = Buffer.concat([
  Buffer.from("hypercraft ".repeat(400)),
  Buffer.from(Array.from({ length: 256 }, (_, index) => index)),
]);

async function* pieces(bytes: Uint8Array, size: number): ByteStream {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(stream: ByteStream): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("ar", () => {
  it("lists members of odd and even length", async () => {
    const archive = makeAr([
      { name: "debian-binary", content: Buffer.from("2.0\n") },
      { name: "odd/", content: Buffer.from("abc") },
      { name: "data.tar.xz", content: Buffer.from("12345678") },
    ]);
    const members = await readAr(bufferAccess(archive));
    expect(members.map(({ name, size }) => [name, size])).toEqual([
      ["debian-binary", 4],
      ["odd", 3],
      ["data.tar.xz", 8],
    ]);
    const last = members[2]!;
    expect(text(archive.subarray(last.offset, last.offset + last.size))).toBe("12345678");
  });

  it("refuses what is no archive or is cut short", async () => {
    await expect(readAr(bufferAccess(Buffer.from("no")))).rejects.toMatchObject({ code: "BadArchive" });
    const archive = makeAr([{ name: "a", content: Buffer.alloc(100) }]);
    await expect(readAr(bufferAccess(archive.subarray(0, 120)))).rejects.toMatchObject({
      code: "BadArchive",
    });
    archive[66] = 0x78;
    archive.write("xx", 8 + 58);
    await expect(readAr(bufferAccess(archive))).rejects.toMatchObject({ code: "BadArchive" });
  });
});

describe("tar", () => {
  it("reads files, directories, links, prefixes, pax and GNU long names", async () => {
    const long = `./${"deep/".repeat(40)}name`;
    const record = `${" path=pax/päth\n".length + 3} path=pax/päth\n`;
    const pax = `${Buffer.byteLength(record)}${record.slice(record.indexOf(" "))}`;
    const archive = makeTar([
      { path: "./dir/", type: "5", mode: 0o755 },
      { path: "./dir/file", content: "hello", mode: 0o600, mtime: 77 },
      { path: "./link", type: "2", link: "dir/file" },
      { path: "./hard", type: "1", link: "./dir/file" },
      { path: "tail", prefix: "a/prefix", content: "p" },
      { path: "././@LongLink", type: "L", content: `${long}\0` },
      { path: "cut", content: "x".repeat(600) },
      { path: "global", type: "g", content: "13 comment=a\n" },
      { path: "pax", type: "x", content: pax },
      { path: "short", content: "q" },
    ]);
    const source = bufferAccess(archive);
    const entries = await readTar(source);
    expect(entries.map(({ path, type, size }) => [path, type, size])).toEqual([
      ["dir", "directory", 0],
      ["dir/file", "file", 5],
      ["link", "symlink", 0],
      ["hard", "hardlink", 0],
      ["a/prefix/tail", "file", 1],
      [long.slice(2), "file", 600],
      ["pax/päth", "file", 1],
    ]);
    expect(entries[1]).toMatchObject({ mode: 0o600, mtime: 77 });
    expect(entries[2]?.link).toBe("dir/file");
    expect(text(await readTarFile(source, entries, entries[1]!))).toBe("hello");
    expect(text(await readTarFile(source, entries, entries[3]!))).toBe("hello");
    await expect(readTarFile(source, entries, entries[0]!)).rejects.toMatchObject({ code: "BadArchive" });
  });

  it("reads base-256 sizes", async () => {
    const archive = makeTar([{ path: "big", content: "hello" }]);
    archive.fill(0, 124, 136);
    archive[124] = 0x80;
    archive[135] = 5;
    archive.write("        ", 148);
    const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    expect(await readTar(bufferAccess(archive))).toMatchObject([{ path: "big", size: 5 }]);
  });

  it("refuses damage and cut-short archives", async () => {
    const archive = makeTar([{ path: "file", content: "x".repeat(2000) }]);
    await expect(readTar(bufferAccess(archive.subarray(0, 1024)))).rejects.toMatchObject({
      code: "BadArchive",
    });
    archive[3] = 0x41;
    await expect(readTar(bufferAccess(archive))).rejects.toMatchObject({ code: "BadArchive" });
  });
});

describe("decompress", () => {
  it("reads what xz made, in pieces of any size", async () => {
    for (const size of [1, 7, 64, 100_000]) {
      expect(await collect(decompress("a.xz", pieces(REAL_XZ, size)))).toEqual(REAL_CONTENT);
    }
    expect(Buffer.from(await decompressBytes("a.ko.xz", REAL_XZ))).toEqual(REAL_CONTENT);
  });

  it("reads stored xz, gzip, zstd and plain bytes by suffix", async () => {
    const content = Buffer.alloc(200_000, "0123456789");
    const packed = {
      ".xz": makeXz(content),
      ".gz": gzipSync(content),
      ".zst": zstdCompressSync(content),
      "": content,
    };
    for (const [suffix, bytes] of Object.entries(packed)) {
      expect((await collect(decompress(`data.tar${suffix}`, pieces(bytes, 5000)))).equals(content)).toBe(
        true,
      );
      expect(Buffer.from(await decompressBytes(`m.ko${suffix}`, bytes)).equals(content)).toBe(true);
    }
  });

  it("reports damage and cut-short input", async () => {
    const content = Buffer.alloc(100_000, "abc");
    const damaged = Buffer.from(REAL_XZ);
    damaged[40] = (damaged[40] ?? 0) ^ 0xff;
    const broken: [string, Uint8Array][] = [
      ["a.xz", damaged],
      ["a.xz", REAL_XZ.subarray(0, REAL_XZ.length - 60)],
      ["a.xz", makeXz(content).subarray(0, 5000)],
      ["a.xz", Buffer.from("this is not xz at all")],
      ["a.gz", gzipSync(content).subarray(0, 100)],
      ["a.zst", Buffer.from("this is not zstd at all")],
    ];
    for (const [name, bytes] of broken) {
      await expect(collect(decompress(name, pieces(bytes, 1000))), name).rejects.toMatchObject({
        code: "BadArchive",
      });
    }
    await expect(decompressBytes("a.gz", Buffer.from("nope"))).rejects.toMatchObject({ code: "BadArchive" });
  });
});
