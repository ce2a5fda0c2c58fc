import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FileTree } from "../image/file-tree.js";
import { Ext4Error } from "./errors.js";
import { holdsSuperblock } from "./geometry.js";
import { type Ext4Options, ext4Image } from "./image.js";

// e2fsprogs is the independent judge: it is in the sbin folders, which are not on everybody's path.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: "C" };
const hasE2fsprogs = spawnSync("e2fsck", ["-V"], { env }).status === 0;
const folder = mkdtempSync(join(tmpdir(), "hypercraft-ext4-"));
afterAll(() => rmSync(folder, { recursive: true }));

const uuid = Uint8Array.from({ length: 16 }, (_, index) => 0x10 + index);
const base: Ext4Options = { size: 64 * 2 ** 20, uuid, time: 1_700_000_000, label: "label" };
let images = 0;

function write(tree: FileTree, options: Partial<Ext4Options> = {}): string {
  const image = ext4Image(tree, { ...base, ...options });
  const file = join(folder, `${images++}.img`);
  const handle = openSync(file, "w");
  ftruncateSync(handle, image.size);
  for (const { offset, bytes } of image.writes) writeSync(handle, bytes, 0, bytes.length, offset);
  closeSync(handle);
  return file;
}

function fsck(file: string): void {
  const result = spawnSync("e2fsck", ["-f", "-n", file], { env, encoding: "utf8" });
  expect(result.stdout).not.toMatch(/WARNING|error/i);
  expect(result.status, result.stdout).toBe(0);
}

function debugfs(file: string, command: string): string {
  return spawnSync("debugfs", ["-R", command, file], { env, encoding: "utf8" }).stdout;
}

function dump(file: string, path: string): Buffer {
  const target = join(folder, "dumped");
  debugfs(file, `dump ${path} ${target}`);
  return readFileSync(target);
}

function sampleTree(): FileTree {
  const tree = new FileTree()
    .file("etc/motd", "hello\n", 0o640)
    .file("empty", "")
    .symlink("short", "etc/motd")
    .symlink("at-limit", "x".repeat(59))
    .symlink("over-limit", "y".repeat(60))
    .symlink("long", `${"z/".repeat(1000)}end`)
    .device("dev/console", "character", 5, 1)
    .device("dev/vda", "block", 254, 0, 0o660)
    .device("dev/far", "block", 259, 300)
    .directory("tmp", 0o1777);
  for (let index = 0; index < 500; index++) tree.file(`many/file-number-${index}`, `${index}`);
  return tree;
}

describe.skipIf(!hasE2fsprogs)("ext4Image, judged by e2fsprogs", () => {
  it("passes e2fsck with every kind of file, and debugfs reads them back", () => {
    const big = Buffer.from(Uint32Array.from({ length: 1_250_000 }, (_, index) => index * 2654435761).buffer);
    const file = write(sampleTree().file("big", big, 0o444));
    fsck(file);
    expect(dump(file, "/big").equals(big)).toBe(true);
    expect(dump(file, "/etc/motd").toString()).toBe("hello\n");
    expect(dump(file, "/many/file-number-499").toString()).toBe("499");
    expect(dump(file, "/empty").length).toBe(0);
    expect(debugfs(file, "stat /short")).toContain('Fast link dest: "etc/motd"');
    expect(debugfs(file, "stat /at-limit")).toContain(`Fast link dest: "${"x".repeat(59)}"`);
    expect(debugfs(file, "stat /over-limit")).not.toContain("Fast link");
    expect(dump(file, "/long").toString()).toBe(`${"z/".repeat(1000)}end`);
    expect(debugfs(file, "stat /dev/console")).toMatch(
      /Type: character special.*Device major\/minor number: 05:01/s,
    );
    expect(debugfs(file, "stat /dev/vda")).toMatch(/Type: block special.*Mode: +0660.*number: 254:00/s);
    expect(debugfs(file, "stat /dev/far")).toMatch(/number: 259:300/);
    expect(debugfs(file, "stat /tmp")).toMatch(/Type: directory.*Mode: +01777/s);
    expect(debugfs(file, "stat /etc/motd")).toMatch(/mtime: 0x6553f100/);
    expect(debugfs(file, "ls -p /many").match(/file-number/g)).toHaveLength(500);
    const features = debugfs(file, "show_super_stats -h");
    expect(features).toMatch(/Filesystem UUID: +10111213-1415-1617-1819-1a1b1c1d1e1f/);
    expect(features).toMatch(/features: +has_journal .*extent.*sparse_super/);
    expect(features).toMatch(/volume name: +label/);
  });

  it("has a journal that the tools recognise, and none on a tiny disk", () => {
    const file = write(sampleTree());
    expect(debugfs(file, "stat <8>")).toMatch(/Size: 4194304/);
    expect(debugfs(file, "logdump")).toMatch(/Journal starts at block 0, transaction 1/);
    const tiny = write(new FileTree().file("a", "1"), { size: 2 ** 20 });
    fsck(tiny);
    expect(debugfs(tiny, "show_super_stats -h")).not.toContain("has_journal");
  });

  it("spreads files over many small groups, with extent trees in blocks of their own", () => {
    // 256-block groups: a 20 MiB file takes some 30 extents, more than the 4 an inode holds.
    const big = Buffer.from(Uint32Array.from({ length: 5 * 2 ** 20 }, (_, index) => index).buffer);
    const file = write(sampleTree().file("big", big), { size: 48 * 2 ** 20, blocksPerGroup: 256 });
    fsck(file);
    expect(dump(file, "/big").equals(big)).toBe(true);
    expect(debugfs(file, "dump_extents /big")).toMatch(/^ 1\/ 1 +6\//m);
    expect(dump(file, "/many/file-number-123").toString()).toBe("123");
  });

  it("makes disks of several full groups and of odd sizes", () => {
    for (const size of [
      300 * 2 ** 20,
      128 * 2 ** 20 + 20 * 4096,
      128 * 2 ** 20 + 4096 * 3000 + 513,
      2 ** 32,
    ]) {
      fsck(write(sampleTree(), { size }));
    }
  });

  it("makes more inodes when the tree needs them", () => {
    const tree = new FileTree();
    for (let index = 0; index < 5000; index++) tree.symlink(`d${index % 7}/l${index}`, "t");
    const file = write(tree, { size: 16 * 2 ** 20 });
    fsck(file);
  });
});

describe("ext4Image", () => {
  it("gives the same bytes for the same input", () => {
    const digest = (tree: FileTree): Buffer => readFileSync(write(tree, { size: 16 * 2 ** 20 }));
    expect(digest(sampleTree()).equals(digest(sampleTree()))).toBe(true);
    expect(digest(sampleTree()).equals(digest(sampleTree().file("more", "")))).toBe(false);
  });

  it("gives its pieces ascending and apart", () => {
    let end = 0;
    for (const { offset, bytes } of ext4Image(sampleTree(), base).writes) {
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + bytes.length;
    }
    expect(end).toBeLessThanOrEqual(base.size);
  });

  it("says what does not fit", () => {
    const make = (tree: FileTree, options: Partial<Ext4Options>) => () =>
      ext4Image(tree, { ...base, ...options });
    const tooBig = new FileTree().file("big", new Uint8Array(3 * 2 ** 20));
    expect(make(tooBig, { size: 2 * 2 ** 20 })).toThrow(expect.objectContaining({ code: "NoSpace" }));
    const tooMany = new FileTree();
    for (let index = 0; index < 20_000; index++) tooMany.symlink(`l${index}`, "t");
    expect(make(tooMany, { size: 4 * 2 ** 20 })).toThrow(expect.objectContaining({ code: "NoSpace" }));
    expect(make(new FileTree(), { size: 1000 })).toThrow(Ext4Error);
    expect(make(new FileTree(), { size: 2 ** 41 })).toThrow(expect.objectContaining({ code: "BadSize" }));
    expect(make(new FileTree(), { uuid: new Uint8Array(15) })).toThrow(
      expect.objectContaining({ code: "BadSize" }),
    );
    expect(make(new FileTree(), { blocksPerGroup: 1000.5 })).toThrow(
      expect.objectContaining({ code: "BadSize" }),
    );
    const name = new FileTree().file("n".repeat(256), "");
    expect(make(name, {})).toThrow(expect.objectContaining({ code: "BadName" }));
    const link = new FileTree().symlink("l", "t".repeat(4096));
    expect(make(link, {})).toThrow(expect.objectContaining({ code: "BadName" }));
  });

  it("copies the superblock into groups 0, 1 and powers of 3, 5 and 7", () => {
    const groups = Array.from({ length: 130 }, (_, index) => index).filter(holdsSuperblock);
    expect(groups).toEqual([0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
  });
});
