import { describe, expect, it, vi } from "vitest";
import { BufferConsole } from "./console.js";

describe("BufferConsole", () => {
  it("keeps what the guest writes, byte by byte", () => {
    const console = new BufferConsole();
    const euro = new TextEncoder().encode("€");
    console.write(Uint8Array.of(0x68, 0x69, 0x20));
    for (const byte of euro) console.write(Uint8Array.of(byte));
    expect(console.text()).toBe("hi €");
    expect(console.bytes()).toHaveLength(6);
    console.write(Uint8Array.of(0xff));
    expect(console.text()).toBe("hi €\ufffd");
  });

  it("gives input in order, then -1", () => {
    const console = new BufferConsole();
    expect(console.read()).toBe(-1);
    console.feed("a");
    console.feed(Uint8Array.of(0, 255));
    expect([console.read(), console.read(), console.read(), console.read()]).toEqual([0x61, 0, 255, -1]);
    console.feed("b");
    expect([console.read(), console.read()]).toEqual([0x62, -1]);
  });

  it("tells that input has come", () => {
    const console = new BufferConsole();
    const onInput = vi.fn(() => expect(console.read()).toBe(0x78));
    console.onInput = onInput;
    console.feed("x");
    expect(onInput).toHaveBeenCalledTimes(1);
  });
});
