import { expect, test } from "vitest";
import { writeCpio } from "../apps/runner/src/guests/archive/cpio.js";
import { FileTree } from "../apps/runner/src/guests/image/file-tree.js";
import { appendArchive } from "./initrd.ts";

/** Unpacks as the kernel does (init/initramfs.c): archives in a row, zeros between them, later files replace. */
function unpack(bytes: Uint8Array): Map<string, string> {
  const text = Buffer.from(bytes).toString("latin1");
  const files = new Map<string, string>();
  let at = 0;
  while (at < text.length) {
    if (text[at] === "\0") at++;
    else {
      expect(at % 4, "an archive begins at a multiple of 4").toBe(0);
      at = readArchive(text, at, files);
    }
  }
  return files;
}

function readArchive(text: string, start: number, files: Map<string, string>): number {
  for (let at = start; ; ) {
    expect(text.slice(at, at + 6)).toBe("070701");
    const field = (index: number) => Number.parseInt(text.slice(at + 6 + index * 8, at + 14 + index * 8), 16);
    const [size, nameSize] = [field(6), field(11)];
    const name = text.slice(at + 110, at + 110 + nameSize - 1);
    const content = Math.ceil((at + 110 + nameSize) / 4) * 4;
    at = Math.ceil((content + size) / 4) * 4;
    if (name === "TRAILER!!!") return at;
    files.set(name, text.slice(content, content + size));
  }
}

const first = writeCpio(new FileTree().file("init", "one").file("keep", "kept"), 0);
const second = writeCpio(new FileTree().file("bench", "program").file("init", "two"), 0);
const expected = new Map([
  ["init", "two"],
  ["keep", "kept"],
  ["bench", "program"],
]);

test("both archives' files are there", () => {
  expect(unpack(appendArchive(first, second))).toEqual(expected);
});

test.each([1, 2, 3])("also behind %i odd bytes of padding", (odd) => {
  const padded = new Uint8Array(first.length + odd);
  padded.set(first);
  const both = appendArchive(padded, second);
  expect(unpack(both)).toEqual(expected);
  expect(both.length).toBe(first.length + 4 + second.length);
});
