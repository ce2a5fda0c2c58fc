import { expect, test } from "vitest";
import { EscapeKeys } from "./escape-keys.js";

function type(...pieces: string[]) {
  const commands: string[] = [];
  const keys = new EscapeKeys((command) => commands.push(command));
  const typed = pieces.map((piece) => Buffer.from(keys.filter(Buffer.from(piece))).toString());
  return { typed: typed.join(""), commands };
}

test.each([
  [["ls\r"], "ls\r", []],
  [["\x03\x04\x1a"], "\x03\x04\x1a", []],
  [["a\x01xb"], "ab", ["quit"]],
  [["\x01", "x"], "", ["quit"]],
  [["\x01h\x01?\x01s"], "", ["help", "help", "snapshot"]],
  [["\x01\x01x"], "\x01x", []],
  [["\x01", "\x01\x01", "\x01"], "\x01\x01", []],
  [["\x01qz"], "z", []],
  [["é\x01xü"], "éü", ["quit"]],
])("%j", (pieces, typed, commands) => {
  expect(type(...pieces)).toEqual({ typed, commands });
});
