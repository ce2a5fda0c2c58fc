// The command line as a process: its terminal, its pipes, its signals. The machine is a fake.
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Child, commandLine, runProgram } from "../test/spawn.js";

const hasScript = spawnSync("script", ["--version"]).status === 0;
const hasStty = spawnSync("stty", ["--version"]).status === 0;
const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");

describe.skipIf(!hasScript || !hasStty)("in a terminal", () => {
  /** Runs in a pseudo-terminal, and tells before and after how that is set. */
  const terminal = (...args: string[]) => {
    const run = quoted(commandLine("fake-cli", ["run", ...args]));
    const shell = `echo "before $(stty -g)"; ${run} & pid=$!; echo "pid $pid"; fg >/dev/null; code=$?; echo "after $(stty -g) code $code"`;
    return new Child([
      "script",
      "--quiet",
      "--return",
      "--command",
      `bash -mc ${quoted([shell.replaceAll("'", "'\\''")])}`,
      "/dev/null",
    ]);
  };
  const settings = ({ out }: Child) => ({
    before: /before (\S+)/.exec(out)?.[1],
    after: /after (\S+) code/.exec(out)?.[1],
    code: Number(/code (\d+)/.exec(out)?.[1]),
  });

  test.each([
    ["Ctrl-A x", "\x01x", [], 0],
    ["the guest's end", "exit 0\r", [], 0],
    ["--timeout", "spin\r", ["--timeout", "0.1"], 124],
    [
      "the end of the last of several",
      "\x012exit 0\r\x011exit 0\r",
      ["--memory", "16M", "--and", "--memory", "16M"],
      0,
    ],
    ["a bug in the machine", "throw\r", [], 1],
    ["a bug elsewhere", "throw later\rspin\r", [], 1],
  ])("it is put back after %s", async (_what, typed, args, code) => {
    const child = terminal(...args);
    await child.shows("> ");
    child.type(typed);
    await child.exit();
    const { before, after, code: actual } = settings(child);
    expect(before).toMatch(/:/);
    expect({ after, code: actual }).toEqual({ after: before, code });
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 130],
  ] as const)("it is put back after %s", async (signal, code) => {
    const child = terminal();
    await child.shows("> ");
    process.kill(Number(/pid (\d+)/.exec(child.out)?.[1]), signal);
    await child.exit();
    const { before, after, code: actual } = settings(child);
    expect(before).toMatch(/:/);
    expect({ after, code: actual }).toEqual({ after: before, code });
  });

  test("keys that a terminal would keep go to the guest", async () => {
    const child = terminal();
    await child.shows("> ");
    child.type("say \x03\x04\x1a\x1c|\rexit 0\r");
    await child.exit();
    expect(child.out).toContain("\x03\x04\x1a\x1c|");
    // The host echoes nothing.
    expect(child.out).not.toContain("say");
    expect(settings(child).code).toBe(0);
  });
});

describe("without a terminal", () => {
  test("input from a pipe is typed, and its end is no end", async () => {
    expect(await runProgram("fake-cli", ["run"], "say piped\nexit 0\n")).toMatchObject({
      code: 0,
      out: "booted \n> piped\n> ",
      err: "",
    });
    const child = new Child(commandLine("fake-cli", ["run", "--timeout", "1"]), ["ignore", "pipe", "pipe"]);
    expect(await child.exit()).toBe(124);
  });

  test("a folder or nothing as input is no input", async () => {
    const folder = openSync("/", "r");
    const child = new Child(commandLine("fake-cli", ["run"]), [folder, "pipe", "pipe"]);
    expect(await child.exit()).toBe(1);
    closeSync(folder);
    expect(child.err).toContain("waits for ever");
    const closed = new Child(["sh", "-c", `exec ${quoted(commandLine("fake-cli", ["run"]))} <&-`]);
    expect(await closed.exit()).toBe(1);
    expect(closed.err).toContain("waits for ever");
  });

  test("a reader that goes away ends it quietly", async () => {
    const spin = quoted(commandLine("fake-cli", ["run", "--until", "never"]));
    const shell = `{ echo 'say x'; while echo 'say y'; do sleep 0.05; done; } 2>/dev/null | { ${spin}; echo "code $?" >&2; } | head -n 2`;
    const child = new Child(["bash", "-c", shell]);
    await child.exit();
    expect(child.err).toBe("code 141\n");
    expect(child.out).toBe("booted \n> x\n");
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
  ] as const)("%s ends it in order", async (signal, code) => {
    const child = new Child(commandLine("fake-cli", ["run", "--stats=json"]));
    await child.shows("> ");
    child.type("spin\n");
    await new Promise((resolve) => setTimeout(resolve, 50));
    child.process.kill(signal);
    expect(await child.exit()).toBe(code);
    expect(JSON.parse(child.err).instructions).toBeGreaterThan(0);
  });
});

describe("the program", () => {
  const bin = fileURLToPath(new URL("../bin/hypercraft.js", import.meta.url));

  test("says on an old Node what it needs, in words that an old Node can read", () => {
    const pretend =
      'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } });';
    const args = ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`, bin, "run"];
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect({ status, stderr, stdout }).toEqual({
      status: 2,
      stderr: "hypercraft needs Node 24 or newer; this is Node 20.19.0.\n",
      stdout: "",
    });
  });

  test.each([
    [["--version"], 0, /^hypercraft \d+\.\d+\.\d+\n$/, /^$/],
    [["--help"], 0, /hypercraft run/, /^$/],
    [["run", "--help"], 0, /--memory SIZE/, /^$/],
    [["snapshot", "save", "--help"], 0, /--at N\|REGEX/, /^$/],
    [["guests", "--help"], 0, /hypercraft guests pull/, /^$/],
    [["demo", "--help"], 0, /--timeout SECONDS/, /^$/],
    [[], 2, /^$/, /hypercraft run/],
    [["ruin"], 2, /^$/, /^hypercraft: unknown command "ruin"; did you mean run\?\n$/],
    [["run", "--memory", "x"], 2, /^$/, /^hypercraft: --memory: "x" is not a size [^\n]*\n$/],
    [["guests", "frobnicate"], 2, /^$/, /unknown word "frobnicate"/],
  ])("answers %j", async (args, code, out, err) => {
    const result = await runProgram("cli", args);
    expect(result).toEqual({ code, out: expect.stringMatching(out), err: expect.stringMatching(err) });
  });
});
