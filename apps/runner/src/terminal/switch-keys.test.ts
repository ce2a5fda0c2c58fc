import { expect, test } from "vitest";
import { SwitchKeys } from "./switch-keys.js";

function feed(moreKeys: boolean, ...pieces: string[]) {
  const seen: (string | number)[] = [];
  const keys = new SwitchKeys({
    onBytes: (bytes) => seen.push(Buffer.from(bytes).toString()),
    onChoice: (choice) => seen.push(choice === "next" ? -1 : choice),
    moreKeys,
  });
  for (const piece of pieces) keys.feed(Buffer.from(piece));
  return seen;
}

test.each([
  [["ls\r"], ["ls\r"]],
  [["a\x01nb"], ["a", -1, "b"]],
  [
    ["\x01", "2", "x"],
    [2, "x"],
  ],
  [["\x011\x019\x010"], [1, 9, "\x010"]],
  [["\x01xé\x01s"], ["\x01xé\x01s"]],
])("%j", (pieces, seen) => {
  expect(feed(true, ...pieces)).toEqual(seen);
  expect(feed(false, ...pieces)).toEqual(seen);
});

test("Ctrl-A twice is for whoever knows more keys, or Ctrl-A", () => {
  expect(feed(true, "\x01\x01n", "\x01", "\x01")).toEqual(["\x01\x01n", "\x01\x01"]);
  expect(feed(false, "\x01\x01n", "\x01", "\x01")).toEqual(["\x01n", "\x01"]);
});
