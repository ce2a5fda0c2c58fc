import { describe, expect, it } from "vitest";
import { InputQueue, OutputBuffer } from "./bytes.js";
import { Console } from "./console.js";
import { Watcher } from "./watcher.js";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("InputQueue", () => {
  it("gives bytes in order and tells of new ones", () => {
    const queue = new InputQueue();
    let told = 0;
    const stop = queue.onReadable(() => told++);
    queue.push("é");
    queue.push(Uint8Array.of());
    expect([told, queue.available]).toEqual([1, 2]);
    expect([queue.read(), queue.read(), queue.read()]).toEqual([0xc3, 0xa9, -1]);
    stop();
    queue.push("x");
    expect([told, [...queue.peek()]]).toEqual([1, [120]]);
    queue.clear();
    expect(queue.available).toBe(0);
  });

  it("stays in order over many thousand bytes", () => {
    const queue = new InputQueue();
    let next = 0;
    for (let i = 0; i < 30_000; i++) {
      queue.push(Uint8Array.of(i & 0xff));
      if (i % 3 === 0) expect(queue.read()).toBe(next++ & 0xff);
    }
    while (queue.available > 0) expect(queue.read()).toBe(next++ & 0xff);
    expect(next).toBe(30_000);
  });
});

describe("Watcher", () => {
  it("matches across writes and inside UTF-8 sequences, once", () => {
    const matches: string[] = [];
    const watcher = new Watcher(/naïve (\d+)\n/g, (match) => matches.push(match[1]!));
    for (const byte of bytes("so naïve 4")) watcher.write(Uint8Array.of(byte));
    expect(watcher.match).toBeUndefined();
    watcher.write(bytes("2\r\nnaïve 7\r\n"));
    expect(matches).toEqual(["42"]);
    watcher.write(bytes("naïve 8\n"));
    expect(matches).toEqual(["42"]);
    expect(watcher.match?.[0]).toBe("naïve 42\n");
  });

  it("looks back over tens of thousands of characters, in bounded memory", () => {
    const watcher = new Watcher(/begin.*end/s);
    watcher.write(bytes("begin"));
    watcher.write(bytes("x".repeat(60_000)));
    watcher.write(bytes("end"));
    expect(watcher.match).toBeDefined();
    const late = new Watcher(/begin.*end/s);
    late.write(bytes("begin"));
    for (let i = 0; i < 300; i++) late.write(bytes("x".repeat(1000)));
    late.write(bytes("end"));
    expect(late.match).toBeUndefined();
  });
});

describe("Console", () => {
  it("writes to every sink until it is detached", async () => {
    const [a, b] = [new OutputBuffer(), new OutputBuffer()];
    const console = new Console("guest", a);
    const detach = console.attach(b);
    const prompt = console.until(/# $/);
    console.write(bytes("one "));
    detach();
    console.write(bytes("/ # "));
    expect((await prompt)[0]).toBe("# ");
    expect([a.text(), b.text()]).toEqual(["one / # ", "one "]);
  });
});
