import { describe, expect, it } from "vitest";
import { OutputBuffer } from "./bytes.js";
import { ConsoleMux } from "./mux.js";

const bytes = (text: string) => new TextEncoder().encode(text);

function muxOf(names: string, columns?: number) {
  const out = new OutputBuffer();
  const mux = new ConsoleMux(out, columns === undefined ? {} : { columns: () => columns });
  const consoles = [...names].map((name) => mux.add(name));
  let seen = 0;
  /** What has been shown since it was last asked for. */
  const shown = () => {
    const text = out.text();
    const news = text.slice(seen);
    seen = text.length;
    return news;
  };
  return { mux, consoles, shown };
}

describe("ConsoleMux", () => {
  it("passes a single console through unchanged", () => {
    const { mux, consoles, shown } = muxOf("a");
    consoles[0]!.write(bytes("raw\x1b[0m\r\n> "));
    mux.remove(consoles[0]!);
    expect(shown()).toBe("raw\x1b[0m\r\n> ");
  });

  it("marks the lines of several consoles and keeps them apart", () => {
    const { mux, consoles, shown } = muxOf("ab");
    const [a, b] = [consoles[0]!, consoles[1]!];
    a.write(bytes("hello"));
    b.write(bytes("hi\r\n"));
    expect(shown()).toBe("[b] hi\r\n");
    b.write(bytes("\r\nx"));
    b.write(bytes("y\n\rz\n"));
    a.write(bytes(" again\r\n"));
    expect(shown()).toBe("[b] \r\n[b] xy\n[b] z\n[a] hello again\r\n");
    expect(() => mux.add("a")).toThrow("there is already a console 'a'");
  });

  it("shows what is left of a line when its console goes", () => {
    const { mux, consoles, shown } = muxOf("ab");
    const [a, b] = [consoles[0]!, consoles[1]!];
    a.write(bytes("bye"));
    mux.remove(a);
    a.write(bytes("late\n"));
    mux.remove(a);
    b.write(bytes("alone\n"));
    expect(shown()).toBe("[a] bye\n[b] alone\n");
    expect(mux.consoles).toEqual([b]);
  });

  it("shows a line without end in pieces", () => {
    const { consoles, shown } = muxOf("ab");
    for (let i = 0; i < 3; i++) consoles[0]!.write(bytes("x".repeat(5000)));
    expect(shown()).toBe(`[a] ${"x".repeat(8192)}\n`);
    consoles[0]!.write(bytes("y\n"));
    expect(shown()).toBe(`[a] ${"x".repeat(15000 - 8192)}y\n`);
  });

  it("has words of the host's own between the lines", () => {
    const { mux, consoles, shown } = muxOf("ab");
    consoles[0]!.write(bytes("half"));
    mux.say("one\ntwo");
    consoles[0]!.write(bytes(" whole\n"));
    expect(shown()).toBe("one\ntwo\n[a] half whole\n");
  });

  it("sends input to the console in focus", () => {
    const { mux, consoles } = muxOf("ab");
    const [a, b] = [consoles[0]!, consoles[1]!];
    mux.input("1");
    expect(mux.focusNext()).toBe(b);
    mux.input("2");
    expect(mux.setFocus("a")).toBe(a);
    mux.input("3");
    expect([a.input.available, b.input.available]).toEqual([2, 1]);
    expect(() => mux.setFocus("c")).toThrow("there is no console 'c'");
  });
});

describe("ConsoleMux on a terminal", () => {
  it("shows the console in focus as it is, and others' lines above the one it has begun", () => {
    const { consoles, shown } = muxOf("ab", 80);
    const [a, b] = [consoles[0]!, consoles[1]!];
    a.write(bytes("Welcome\r\n# "));
    expect(shown()).toBe("Welcome\r\n# ");
    b.write(bytes("boot"));
    expect(shown()).toBe("");
    b.write(bytes("ing\r\nmore\r\n"));
    expect(shown()).toBe("\r\x1b[K[b] booting\r\n[b] more\r\n# ");
    a.write(bytes("ls\r\n"));
    b.write(bytes("done\r\n"));
    expect(shown()).toBe("ls\r\n[b] done\r\n");
  });

  it("begins a line anew that is too long to be erased", () => {
    const { mux, consoles, shown } = muxOf("ab", 8);
    consoles[0]!.write(bytes("0123456789"));
    shown();
    consoles[1]!.write(bytes("x\n"));
    expect(shown()).toBe("\r\n[b] x\n0123456789");
    mux.say("words");
    expect(shown()).toBe("\r\nwords\r\n0123456789");
  });

  it("asks the terminal nothing for others than the one in focus, and nothing twice", () => {
    const { mux, consoles, shown } = muxOf("ab", 80);
    consoles[0]!.write(bytes("\x1b[1mé#\x1b[0m \x1b[6n"));
    expect(shown()).toBe("\x1b[1mé#\x1b[0m \x1b[6n");
    consoles[1]!.write(bytes("\x1b[cx\n"));
    expect(shown()).toBe("\r\x1b[K[b] x\n\x1b[1mé#\x1b[0m ");
    mux.focusNext();
    mux.focusNext();
    expect(shown()).toBe("\r\n\x1b[1mé#\x1b[0m ");
  });

  it("leaves what one has begun, and goes on where the next one was", () => {
    const { mux, consoles, shown } = muxOf("abc", 80);
    const [a, b, c] = [consoles[0]!, consoles[1]!, consoles[2]!];
    a.write(bytes("a# "));
    b.write(bytes("b# "));
    mux.focusNext();
    expect(shown()).toBe("a# \r\nb# ");
    a.write(bytes("ls\r\n"));
    expect(shown()).toBe("\r\x1b[K[a] a# ls\r\nb# ");
    // Its end hands the focus on.
    c.write(bytes("c# "));
    mux.remove(b);
    expect([mux.focus, shown()]).toEqual([c, "\r\nc# "]);
    mux.remove(c);
    expect([mux.focus, shown()]).toEqual([a, "\r\n"]);
    mux.remove(a);
    expect(mux.focus).toBeUndefined();
  });
});
