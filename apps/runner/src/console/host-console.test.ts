import { OutputBuffer } from "@hypercraft/machine";
import { expect, test } from "vitest";
import { HostConsole } from "./host-console.js";

const bytes = (text: string) => new TextEncoder().encode(text);
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("collects what a guest writes in one turn", async () => {
  const pieces: string[] = [];
  const sink = { write: (piece: Uint8Array) => void pieces.push(new TextDecoder().decode(piece)) };
  const console = new HostConsole("when-idle", [sink]);
  for (const character of "hello") console.write(bytes(character));
  expect(pieces).toEqual([]);
  await turn();
  expect(pieces).toEqual(["hello"]);
  console.write(bytes("!"));
  console.flush();
  await turn();
  expect(pieces).toEqual(["hello", "!"]);
});

test("gives whole lines, and the rest when it is asked", async () => {
  const sink = new OutputBuffer();
  const console = new HostConsole("by-line", [sink]);
  for (const character of "one\r\n> ") console.write(bytes(character));
  expect(sink.text()).toBe("one\r\n");
  await turn();
  expect(sink.text()).toBe("one\r\n");
  console.flush();
  expect(sink.text()).toBe("one\r\n> ");
});

test("keeps order and content of large writes", () => {
  const sink = new OutputBuffer();
  const console = new HostConsole("by-line", [sink]);
  const large = "0123456789".repeat(10_000);
  const reused = bytes("abc");
  console.write(reused);
  reused.fill(0);
  console.write(bytes(large));
  for (let count = 0; count < 40_000; count++) console.write(bytes("z"));
  console.flush();
  expect(sink.text()).toBe(`abc${large}${"z".repeat(40_000)}`);
});

test("offers input in order, what was given back first", () => {
  const console = new HostConsole("by-line", []);
  expect(console.read()).toBe(-1);
  console.feed(bytes("cd"));
  console.giveBack(bytes("ab"));
  const read = Array.from({ length: 5 }, () => console.read());
  expect(read).toEqual([97, 98, 99, 100, -1]);
});
