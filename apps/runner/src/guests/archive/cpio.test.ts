import { describe, expect, it } from "vitest";
import { FileTree } from "../image/file-tree.js";
import { writeCpio } from "./cpio.js";

interface Entry {
  readonly name: string;
  readonly fields: readonly number[];
  readonly content: string;
}

/** Reads newc by the kernel's rules: 110-byte header, name and content each padded to 4 bytes. */
function parse(archive: Uint8Array): Entry[] {
  const text = Buffer.from(archive).toString("latin1");
  const entries: Entry[] = [];
  let at = 0;
  for (;;) {
    expect(text.slice(at, at + 6)).toBe("070701");
    const fields = Array.from({ length: 13 }, (_, index) =>
      Number.parseInt(text.slice(at + 6 + index * 8, at + 14 + index * 8), 16),
    );
    const [size = 0, nameSize = 0] = [fields[6], fields[11]];
    expect(text.charAt(at + 110 + nameSize - 1)).toBe("\0");
    const name = text.slice(at + 110, at + 110 + nameSize - 1);
    const start = Math.ceil((at + 110 + nameSize) / 4) * 4;
    entries.push({ name, fields, content: text.slice(start, start + size) });
    at = Math.ceil((start + size) / 4) * 4;
    if (name === "TRAILER!!!") return entries;
  }
}

describe("writeCpio", () => {
  it("writes files, directories, links and devices in a fixed order", () => {
    const tree = new FileTree()
      .file("init", "#!/bin/sh\n", 0o755)
      .device("dev/console", "character", 5, 1)
      .symlink("bin", "usr/bin")
      .directory("tmp", 0o1777);
    const archive = writeCpio(tree, 1_000_000);
    expect(archive.length % 512).toBe(0);
    const entries = parse(archive);
    expect(entries.map(({ name }) => name)).toEqual([
      "bin",
      "dev",
      "dev/console",
      "init",
      "tmp",
      "TRAILER!!!",
    ]);
    const [bin, dev, console, init, tmp] = entries;
    expect(bin).toMatchObject({ content: "usr/bin" });
    expect(init).toMatchObject({ content: "#!/bin/sh\n" });
    expect([bin, dev, console, init, tmp].map((entry) => entry?.fields[1])).toEqual([
      0o120777, 0o040755, 0o020600, 0o100755, 0o041777,
    ]);
    expect(console?.fields.slice(9, 11)).toEqual([5, 1]);
    expect(entries.slice(0, -1).map(({ fields }) => fields[5])).toEqual([1e6, 1e6, 1e6, 1e6, 1e6]);
    // Equal inode numbers would make the kernel take entries for hard links.
    expect(new Set(entries.map(({ fields }) => fields[0])).size).toBe(entries.length);
  });

  it("gives the same bytes whatever the order of insertion", () => {
    const one = new FileTree().file("a", "1").file("b/c", "2").directory("d");
    const other = new FileTree().directory("d").file("b/c", "2").file("a", "1");
    expect(writeCpio(one, 5)).toEqual(writeCpio(other, 5));
    expect(writeCpio(one, 6)).not.toEqual(writeCpio(other, 5));
  });
});

describe("FileTree", () => {
  it("refuses what cannot be a tree", () => {
    const tree = new FileTree().file("a", "1");
    expect(() => tree.file("a/b", "2")).toThrow(/not a directory/);
    expect(() => tree.file("/a", "2")).toThrow(/already/);
    expect(() => tree.file("x/../b", "2")).toThrow(/plain path/);
    expect(() => tree.directory("/")).toThrow(/root/);
    expect([tree.has("a"), tree.has("a/b"), tree.has("c")]).toEqual([true, false, false]);
  });
});
