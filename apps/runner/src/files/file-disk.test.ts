import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { DiskMode } from "../command-line/values.js";
import { openDisks } from "./disks.js";
import { FileDisk } from "./file-disk.js";

const folder = mkdtempSync(join(tmpdir(), "hypercraft-disk-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function image(name: string, size: number): { name: string; path: string } {
  const path = join(folder, name);
  writeFileSync(
    path,
    Uint8Array.from({ length: size }, (_, at) => at % 251),
  );
  return { name, path };
}

const disk = (file: { name: string; path: string }, mode: DiskMode) => ({ file, mode });

describe("a disk in a file", () => {
  test("reads and writes in place", () => {
    const file = image("rw.img", 2048);
    const { backEnds, close } = openDisks([disk(file, "rw")]);
    const [one] = backEnds;
    expect(one).toMatchObject({ size: 2048, readOnly: false });
    one!.write(700, Uint8Array.of(1, 2, 3));
    one!.flush();
    const bytes = new Uint8Array(5);
    one!.read(699, bytes);
    expect([...bytes]).toEqual([699 % 251, 1, 2, 3, 703 % 251]);
    close();
    close();
    expect([...readFileSync(file.path).subarray(700, 703)]).toEqual([1, 2, 3]);
  });

  test("stays as it is when read-only or under an overlay", () => {
    const file = image("ro.img", 1024);
    const { backEnds, close } = openDisks([disk(file, "ro"), disk(file, "overlay")]);
    const [ro, overlay] = backEnds;
    expect(() => ro!.write(0, new Uint8Array(512))).toThrow("read-only");
    overlay!.write(0, new Uint8Array(512).fill(7));
    const bytes = new Uint8Array(1024);
    overlay!.read(0, bytes);
    expect([bytes[0], bytes[511], bytes[512]]).toEqual([7, 7, 512 % 251]);
    ro!.read(0, bytes);
    expect(bytes[1]).toBe(1);
    close();
    expect(readFileSync(file.path)[0]).toBe(0);
  });

  test("is filled up with zeros to a whole sector, unless it could be written", () => {
    const file = image("odd.img", 700);
    const one = new FileDisk(file, { readOnly: true });
    expect(one.size).toBe(1024);
    const bytes = new Uint8Array(512).fill(9);
    one.read(512, bytes);
    expect([bytes[187], bytes[188], bytes[511]]).toEqual([699 % 251, 0, 0]);
    one.close();
    expect(() => new FileDisk(file, { readOnly: false })).toThrow(
      "odd.img: disk of 700 bytes is not a multiple of 512 bytes, and cannot be written",
    );
  });

  test.each([
    ["missing", "none.img: disk cannot be opened: no such file"],
    ["a folder", ".: disk is not a file"],
    ["empty", "empty.img: disk is empty"],
  ])("%s is refused by name", (what, message) => {
    writeFileSync(join(folder, "empty.img"), "");
    const name = { missing: "none.img", "a folder": ".", empty: "empty.img" }[what]!;
    expect(() => openDisks([disk({ name, path: join(folder, name) }, "ro")])).toThrow(message);
  });

  test("is not two disks when one writes", () => {
    const file = image("twice.img", 512);
    expect(() => openDisks([disk(file, "ro"), disk(file, "rw")])).toThrow("twice.img: is given as two disks");
    openDisks([disk(file, "ro"), disk(file, "overlay")]).close();
  });
});
