import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { closed, made } from "../../test/fake-board.js";
import { FakeProcess, run } from "../../test/fake-io.js";
import { RUN_OPTIONS } from "../config/options.js";
import { runConfig } from "../config/run-config.js";
import { configSettings } from "../config/toml.js";
import { machineNames } from "./run-several.js";

const folder = mkdtempSync(join(tmpdir(), "hypercraft-several-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);
writeFileSync(path("one.bin"), "a kernel");
writeFileSync(path("two.elf"), "another kernel");
writeFileSync(path("disk.img"), new Uint8Array(1024));
writeFileSync(path("typed"), "say from a file\nexit 0\n");

const ONE = ["--memory", "16M", "--kernel", path("one.bin")];
const TWO = ["--memory", "16M", "--kernel", path("two.elf")];
const BOTH = [...ONE, "--and", ...TWO];
const linesOf = (text: string, name: string) =>
  text.split("\n").flatMap((line) => (line.startsWith(`[${name}] `) ? [line.slice(name.length + 3)] : []));

beforeEach(() => {
  made.length = 0;
  closed.length = 0;
});

describe("several machines", () => {
  test("run on one host, and their lines are marked", async () => {
    const { code, out, err } = await run(BOTH, "say x\nexit 0\n\x012say y\nexit 0\n");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(linesOf(out, "one")).toEqual(["booted ", "> x", "> "]);
    expect(linesOf(out, "two")).toEqual(["booted ", "> y", "> "]);
    expect(made.map(({ name, memory }) => [name, memory])).toEqual([
      ["one", 16 << 20],
      ["two", 16 << 20],
    ]);
    expect(made[0]!.host).toBe(made[1]!.host);
    expect(made[0]!.clock).not.toBe(made[1]!.clock);
    expect([...closed].sort()).toEqual(["one", "two"]);
  });

  test("have options of their own", async () => {
    const args = [
      ...ONE,
      "--until",
      "stop here",
      "--and",
      ...TWO,
      "--append",
      "quiet",
      "--max-instructions",
      "3K",
    ];
    const { code, out, err } = await run(args, "say stop here\nspin\n\x01nspin\n");
    expect(code).toBe(124);
    expect(err).toBe("[two] hypercraft: the instructions of --max-instructions are done\n");
    expect(linesOf(out, "two")[0]).toBe("booted quiet");
  });

  test("come from a file, too, and options override all of them", async () => {
    writeFileSync(
      path("vms.toml"),
      'memory = "32M"\nappend = "all"\n[[vm]]\nkernel = "one.bin"\n[[vm]]\nname = "second"\nkernel = "two.elf"\nappend = "own"\nmemory = "64M"\n',
    );
    const result = await run([path("vms.toml"), "--memory", "16M"], "exit 0\n\x012exit 0\n");
    expect(result).toMatchObject({ code: 0, err: "" });
    expect(made.map(({ name, append, memory }) => [name, append, memory])).toEqual([
      ["one", "all", 16 << 20],
      ["second", "own", 16 << 20],
    ]);
  });

  test("restart each by itself, in the place they had", async () => {
    const { code, out } = await run(BOTH, "say a\nreset\nsay b\nexit 0\n\x012exit 0\n");
    expect(code).toBe(0);
    expect(linesOf(out, "one")).toEqual(["booted ", "> a", "> booted ", "> b", "> "]);
    expect(made.map(({ name }) => name)).toEqual(["one", "two", "one"]);
    expect(made[2]!.host).toBe(made[0]!.host);
    expect([...closed].sort()).toEqual(["one", "one", "two"]);
  });
});

describe("the exit code", () => {
  test("is that of the first machine that failed; the others go on", async () => {
    const process = new FakeProcess();
    const code = process.run("run", ...BOTH);
    await process.shown("[two] booted");
    process.stdin.write("\x012exit 7\n");
    while (!process.stderr.text.includes("two")) await new Promise((resolve) => setTimeout(resolve, 2));
    process.stdin.write("\x011say still here\ncrash\n");
    process.stdin.end();
    expect(await code).toBe(1);
    expect(process.stdout.text).toContain("[one] > still here\n");
    expect(process.stderr.text).toBe(
      "[two] hypercraft: the guest shut down with a failure, code 7\n[one] register report\n[one]   pc 0x1234\n",
    );
  });

  test.each([
    ["", "exit 0\n\x012exit 0\n", 0],
    ["what the later one asked for", "exit 0\n\x012code 5\n", 5],
    ["what the only one that failed asked for", "code 6\n\x012exit 0\n", 6],
  ])("is 0, or %s", async (_what, typed, code) => {
    expect(await run(BOTH, typed)).toMatchObject({ code });
  });

  test("is 1 after a bug in one of them", async () => {
    const { code, err, out } = await run(BOTH, "throw\n\x012say fine\nexit 0\n");
    expect(code).toBe(1);
    expect(err).toMatch(/^\[one\] hypercraft: internal error: Error: a bug of the machine\n\[one\] +at /);
    expect(out).toContain("[two] > fine\n");
  });

  test("is the signal's when one ends all", async () => {
    const process = new FakeProcess();
    const code = process.run("run", ...BOTH);
    await process.shown("[two] booted");
    process.stdin.write("spin\n");
    process.events.emit("SIGTERM");
    expect(await code).toBe(143);
  });

  test("is SIGPIPE's when nobody reads any more", async () => {
    const process = new FakeProcess();
    const code = process.run("run", ...BOTH);
    await process.shown("[two] booted");
    process.stdout.failure = Object.assign(new Error("gone"), { code: "EPIPE" });
    process.stdin.write("say x\nspin\n");
    expect(await code).toBe(141);
    expect(process.stderr.text).toBe("");
  });
});

describe("input", () => {
  test("goes to the first machine that reads any, and one may have a file", async () => {
    const args = [...ONE, "--input", path("typed"), "--and", ...TWO];
    const { code, out } = await run(args, "say typed\nexit 0\n");
    expect(code).toBe(0);
    expect(linesOf(out, "one")).toContain("> from a file");
    expect(linesOf(out, "two")).toContain("> typed");
  });

  test("may have Ctrl-A in it, but for the keys that switch", async () => {
    const { out } = await run(BOTH, "say \x01\x01n\x01z|\nexit 0\n\x01nexit 0\n");
    expect(out).toContain("[one] > \x01n\x01z|\n");
  });

  test("of a machine that has ended goes to the next", async () => {
    const process = new FakeProcess();
    const code = process.run("run", ...BOTH);
    await process.shown("[two] booted");
    process.stdin.write("say bye\nexit 0\n");
    // Its unfinished line, the prompt, is shown when it ends.
    await process.shown("[one] > \n");
    process.stdin.write("say mine\nexit 0\n");
    expect(await code).toBe(0);
    expect(process.stdout.text).toContain("[two] > mine\n");
  });

  test("that has ended is waited for by nobody", async () => {
    const { code, err } = await run(BOTH, "");
    expect(code).toBe(1);
    expect(err.match(/^\[(one|two)\] hypercraft: the guest waits for ever/gm)).toHaveLength(2);
  });
});

describe("bad input", () => {
  test.each([
    [[...ONE, "--and", "--kernel", path("none.bin")], /^hypercraft: none: .*none.bin: no such file\n$/],
    [[...ONE, "--and", ...TWO, "--memory", "x"], /^hypercraft: --memory: "x" is not a size .*\n$/],
    [
      [...ONE, "--and", ...TWO, "--gic", "2"],
      /^hypercraft: two: --gic: the riscv64 machine has no such option\n$/,
    ],
    [
      [...ONE, "--name", "a", "--and", ...TWO, "--name", "a"],
      /^hypercraft: --name: two machines are called a\n$/,
    ],
    [[...ONE, "--name", "a b", "--and", ...TWO], /^hypercraft: --name: "a b" is not a name .*\n$/],
    [
      [...ONE, "--disk", path("disk.img"), "--and", ...TWO, "--disk", path("disk.img")],
      /disk.img: is given as two disks/,
    ],
    [
      [...ONE, "--snapshot-to", path("s"), "--and", ...TWO, "--snapshot-to", path("s")],
      /s: two machines would write it/,
    ],
    [
      [...ONE, "--memory", "2G", "--and", ...TWO, "--memory", "2G"],
      /memory of 4 GiB of 2 machines in all is too much/,
    ],
    [[...ONE, "--kernel", "--and", ...TWO], /--kernel needs FILE/],
  ])("%j ends in one line, before anything runs", async (args, message) => {
    const { code, out, err } = await run(args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
    expect(err.trimEnd()).not.toContain("\n");
  });

  test.each([
    ['vm = "x"', "machine.toml: vm: machines are tables, each under [[vm]]"],
    ["[[vm]]\nkernl = 1", 'machine.toml: unknown key "kernl"; did you mean kernel?'],
  ])("in a file: %j", (text, message) => {
    expect(() => configSettings(text, "machine.toml", RUN_OPTIONS)).toThrow(message);
  });

  test("a snapshot is of one machine", async () => {
    writeFileSync(path("two.toml"), "[[vm]]\n[[vm]]\n");
    const process = new FakeProcess();
    expect(await process.run("snapshot", "save", path("x.snap"), path("two.toml"), "--at", "1K")).toBe(2);
    expect(process.stderr.text).toContain("two.toml: describes several machines");
  });
});

test("machines are called after what they run", () => {
  mkdirSync(path("a folder"), { recursive: true });
  const config = (text: string) => runConfig(configSettings(text, path("machine.toml"), RUN_OPTIONS)[0]!);
  const names = machineNames(
    [
      "",
      'arch = "arm64"',
      'arch = "arm64"',
      'guest = "debian-arm64"',
      'kernel = "boot/my kernel.bin"',
      'bios = "fw_jump.elf"',
      'load = "x.y.img@0"\nentry = 0',
      'kernel = "..."',
      'name = "arm64-2"',
    ].map(config),
  );
  expect(names).toEqual([
    "riscv64",
    "arm64",
    "arm64-3",
    "debian-arm64",
    "my_kernel",
    "fw_jump",
    "x.y",
    "..",
    "arm64-2",
  ]);
});

describe("on a terminal", () => {
  const start = () => {
    const process = new FakeProcess({ terminal: true });
    process.stderr.isTTY = true;
    const code = process.run("run", ...BOTH, "--and", ...ONE, "--name", "third", "--input", path("typed"));
    return { process, code };
  };

  test("one has the screen and the keyboard, and keys give them to another", async () => {
    const { process, code } = start();
    await process.shown("[two] booted");
    await process.shown("third has ended");
    expect(process.stdout.text).toContain("hypercraft: 1 one, 2 two, 3 third\r\n");
    expect(process.stdout.text).toContain("hypercraft: keyboard: one; Ctrl-A n or a number switches");
    // The one that has the screen is not marked.
    expect(process.stdout.text).toContain("booted \n> ");
    expect(process.stdout.text).toContain("[third] > from a file\n");
    expect(process.stdin.modes).toEqual([true]);
    process.stdin.write("say hello\r");
    await process.shown("> hello\n> ");
    process.stdin.write("\x01n");
    await process.shown("hypercraft: keyboard: 2 two\r\n> ");
    process.stdin.write("say second\r");
    await process.shown("> second\n> ");
    expect(process.stdout.text).not.toContain("[two] > second");
    process.stdin.write("\x013\x019\x01n");
    await process.shown("hypercraft: third has ended\r\n");
    await process.shown("hypercraft: there is no machine 9\r\n");
    await process.shown("hypercraft: keyboard: 1 one\r\n> ");
    process.stdin.write("\x01h");
    await process.shown("[one]   Ctrl-A n       gives keyboard and screen to the next machine\r\n");
    // One ends; the other has the keyboard then.
    process.stdin.write("\x01x");
    await process.shown("hypercraft: one has ended; keyboard: 2 two\r\n> ");
    process.stdin.write("exit 0\r");
    expect(await code).toBe(0);
    expect(process.stdin.modes).toEqual([true, false]);
  });

  test("lines of others come above the one that is being typed", async () => {
    const { process, code } = start();
    await process.shown("third has ended");
    await process.shown("[two] booted");
    process.stdin.write("\x012say later\r");
    await process.shown("> later\n> ");
    process.stdin.write("\x011");
    await process.shown("keyboard: 1 one\r\n> ");
    process.stdin.write("\x012\x01x");
    await process.shown("two has ended; keyboard: 1 one\r\n> ");
    process.stdin.write("exit 3\r");
    expect(await code).toBe(1);
    expect(process.stdout.text).toContain(
      "\r\x1b[K[one] hypercraft: the guest shut down with a failure, code 3\r\n",
    );
  });
});
