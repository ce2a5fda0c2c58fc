import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { isDeterministic, made } from "../../test/fake-board.js";
import { FakeProcess, run } from "../../test/fake-io.js";

const folder = mkdtempSync(join(tmpdir(), "hypercraft-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);
writeFileSync(path("kernel"), "a kernel");
writeFileSync(path("signed"), "a kernel with symbols");
writeFileSync(path("disk.img"), new Uint8Array(1024));

beforeEach(() => {
  made.length = 0;
});

describe("the exit code", () => {
  test.each([
    ["0 when the guest shuts down", [], "exit 0\n", 0, ""],
    ["1 when it fails", [], "exit 7\n", 1, "hypercraft: the guest shut down with a failure, code 7\n"],
    ["1 with a report when it cannot go on", [], "crash\n", 1, "register report\n  pc 0x1234\n"],
    ["0 when --until was shown", ["--until", "> o.e$"], "say one\nspin\n", 0, ""],
    ["0 when --until was shown in the last breath", ["--until", "one"], "say one\nexit 3\n", 0, ""],
    [
      "124 after --timeout",
      ["--timeout", "0.05"],
      "spin\n",
      124,
      "hypercraft: the time of --timeout is over\n",
    ],
    ["124 after --timeout of a guest that waits", ["--timeout", "0.05"], "", 124, /--timeout/],
    ["124 after --max-instructions", ["--max-instructions", "5K"], "spin\n", 124, /--max-instructions/],
    ["1 when the guest can only wait", [], "say x\n", 1, /waits for ever/],
    ["what a test program asks for", [], "code 3\n", 3, ""],
    ["0 when it resets and is not to reboot", ["--no-reboot"], "reset\nexit 3\n", 0, ""],
  ])("is %s", async (_what, args, input, code, err) => {
    const result = await run(args, input);
    expect(result).toMatchObject({ code, err: typeof err === "string" ? err : expect.stringMatching(err) });
  });

  test("says when the guest shut down before --until", async () => {
    expect(await run(["--until", "never"], "exit 0\n")).toMatchObject({
      code: 0,
      err: expect.stringContaining("shut down before"),
    });
  });

  test("is 1 with the stack after a bug", async () => {
    const { code, err } = await run([], "throw\n");
    expect(code).toBe(1);
    expect(err).toMatch(/^hypercraft: internal error: Error: a bug of the machine\n +at /);
  });
});

describe("a reset", () => {
  test("makes the machine anew, and loses no input", async () => {
    const args = ["--kernel", path("kernel"), "--append", "quiet", "--deterministic", "--stats=json"];
    const { code, out, err } = await run(args, "say one\nreset\nsay two\nexit 0\n");
    expect({ code, out }).toEqual({ code: 0, out: "booted quiet\n> one\n> booted quiet\n> two\n> " });
    expect(made).toHaveLength(2);
    expect(made[1]!.kernel).toEqual(made[0]!.kernel);
    expect(made[1]!.clock).toBe(made[0]!.clock);
    // Counts are of both: each character takes 100 instructions.
    expect(JSON.parse(err)).toMatchObject({ instructions: 2900, exits: { hypercall: 4, wait: 2 } });
  });
});

describe("what a machine is made of", () => {
  test("comes from the options", async () => {
    const args = [
      "--kernel",
      path("kernel"),
      "--append",
      "a b",
      "--memory",
      "64M",
      "--cpus",
      "2",
      "--map",
      "hchyper",
    ];
    args.push(
      "--disk",
      `${path("disk.img")},overlay`,
      "--load",
      `${path("signed")}@0x81000000`,
      "--entry",
      "0x81000000",
    );
    args.push(
      "--graphics",
      "--virtio-version",
      "1",
      "--virtio-slots",
      "last",
      "--mode",
      "bare",
      "--seed",
      "9",
    );
    expect(await run(args, "exit 0\n")).toMatchObject({ code: 0 });
    const { console: _, clock, disks, epochNs, ...parts } = made[0]!;
    expect(parts).toEqual({
      mode: "bare",
      memory: 2 ** 26,
      cpus: 2,
      map: "hchyper",
      graphics: true,
      virtioVersion: 1,
      testConsole: false,
      virtioSlots: "last",
      append: "a b",
      entry: 0x8100_0000,
      seed: 9,
      kernel: { name: path("kernel"), bytes: new Uint8Array(readFileSync(path("kernel"))) },
      loads: [
        { name: path("signed"), bytes: new Uint8Array(readFileSync(path("signed"))), address: 0x8100_0000 },
      ],
    });
    expect(disks).toHaveLength(1);
    expect(isDeterministic(clock)).toBe(false);
    expect(Math.abs(Number(epochNs) / 1e6 - Date.now())).toBeLessThan(60_000);
  });

  test("is the embedded guest by default", async () => {
    await run([], "exit 0\n");
    expect(made[0]).toMatchObject({
      kernel: { name: "embedded guest" },
      mode: "vm",
      memory: 2 ** 29,
      cpus: 1,
    });
  });

  test("has no date and a fixed seed in deterministic mode", async () => {
    await run(["--deterministic", "--clock-ratio", "3/2"], "exit 0\n");
    expect(made[0]).toMatchObject({ seed: 1, loads: [] });
    expect(made[0]!.epochNs).toBeUndefined();
    const clock = made[0]!.clock as unknown as { retire(count: number): void; now(): number };
    clock.retire(20_000);
    expect(clock.now()).toBeGreaterThanOrEqual(30_000);
  });

  test("comes from a configuration file as well", async () => {
    writeFileSync(path("m.toml"), 'kernel = "kernel"\nmemory = "64M"\nappend = "file"\n');
    expect(await run([path("m.toml"), "--append", "option"], "exit 0\n")).toMatchObject({ code: 0 });
    expect(made[0]).toMatchObject({ memory: 2 ** 26, append: "option", kernel: { name: path("kernel") } });
  });
});

describe("a pulled guest", () => {
  const cache = path("cache");
  const guest = join(cache, "guests", "debian-riscv64");
  mkdirSync(guest, { recursive: true });
  for (const name of ["kernel", "initrd.cpio"]) writeFileSync(join(guest, name), name);
  writeFileSync(join(guest, "disk.ext4"), new Uint8Array(512));
  const commandLines = { initramfs: "console=tty", disk: "root=disk" };
  writeFileSync(
    join(guest, "manifest.json"),
    JSON.stringify({ format: 1, name: "debian-riscv64", commandLines, files: {} }),
  );
  const runGuest = async (...args: string[]) => {
    const process = new FakeProcess();
    process.env.HYPERCRAFT_CACHE = cache;
    process.stdin.end("exit 0\n");
    return { code: await process.run("run", ...args), err: process.stderr.text };
  };

  test("brings kernel, initrd and command line", async () => {
    expect(await runGuest("--guest", "debian-riscv64")).toEqual({ code: 0, err: "" });
    expect(made[0]).toMatchObject({
      append: "console=tty",
      disks: [],
      kernel: { name: join(guest, "kernel") },
    });
    expect(new TextDecoder().decode(made[0]!.initrd?.bytes)).toBe("initrd.cpio");
  });

  test("or has its root on a disk, before other disks, and a command line of one's own", async () => {
    const args = ["--guest", "debian-riscv64,disk", "--disk", `${path("disk.img")},ro`];
    expect(await runGuest(...args)).toEqual({ code: 0, err: "" });
    expect(made[0]).toMatchObject({
      append: "root=disk",
      disks: [{ size: 512, readOnly: false }, { size: 1024 }],
    });
    await runGuest("--guest", "debian-riscv64", "--append", "mine");
    expect(made[1]!.append).toBe("mine");
  });

  test("is meant by its name alone, which chooses the architecture", async () => {
    expect(await runGuest("debian-riscv64", "--append", "mine")).toEqual({ code: 0, err: "" });
    expect(made[0]).toMatchObject({ append: "mine", kernel: { name: join(guest, "kernel") } });
    const { code, err } = await runGuest("debian-arm64");
    expect(code).toBe(2);
    expect(err).toContain("hypercraft: --arch: there is no arm64 machine yet, only riscv64");
  });

  test.each([
    [["--guest", "nothing"], 'there is no guest "nothing"; there is debian-riscv64'],
    [
      ["--guest", "debian-arm64", "--arch", "riscv64"],
      "--guest: debian-arm64 is for arm64, and the machine is riscv64",
    ],
  ])("%j is refused", async (args, message) => {
    const { code, err } = await runGuest(...args);
    expect(code).toBe(2);
    expect(err).toContain(`hypercraft: ${message}`);
  });
});

describe("input", () => {
  test("comes from a file instead", async () => {
    writeFileSync(path("typed"), "say typed\nexit 0\n");
    const process = new FakeProcess({ terminal: true });
    expect(await process.run("run", "--input", path("typed"))).toBe(0);
    expect(process.stdout.text).toContain("typed");
    expect(process.stdin.modes).toEqual([]);
  });

  test("may come late, and end", async () => {
    const process = new FakeProcess();
    const done = process.run("run");
    await process.shown("> ");
    process.stdin.write("say la");
    process.stdin.write("te\n");
    await process.shown("late\n> ");
    process.stdin.end();
    expect(await done).toBe(1);
    expect(process.stderr.text).toContain("waits for ever");
  });

  test("that cannot be read is none", async () => {
    const process = new FakeProcess();
    const done = process.run("run");
    await process.shown("> ");
    process.stdin.destroy(Object.assign(new Error("EIO"), { code: "EIO" }));
    expect(await done).toBe(1);
  });

  test("from a pipe is complaint-free in deterministic mode when it is there, and not when it comes late", async () => {
    expect(await run(["--deterministic"], "exit 0\n")).toMatchObject({ code: 0, err: "" });
    const process = new FakeProcess();
    const done = process.run("run", "--deterministic");
    await process.shown("> ");
    process.stdin.end("exit 0\n");
    expect(await done).toBe(0);
    expect(process.stderr.text).toMatch(/^hypercraft: input from a pipe is not deterministic [^\n]*\n$/);
  });
});

describe("a terminal", () => {
  const terminal = async (typed: string, ...args: string[]) => {
    const process = new FakeProcess({ terminal: true });
    const done = process.run("run", ...args);
    await process.shown("> ");
    process.stdin.write(typed);
    return { process, code: await done };
  };

  test.each([
    ["Ctrl-A x", "\x01x", [], 0],
    ["the guest's end", "exit 0\n", [], 0],
    ["a failure", "exit 1\n", [], 1],
    ["a bug", "throw\n", [], 1],
    ["--timeout", "spin\n", ["--timeout", "0.05"], 124],
    ["--until", "say so\n", ["--until", "so"], 0],
    ["--max-instructions", "spin\n", ["--max-instructions", "5000"], 124],
  ])("is raw during the run and put back after %s", async (_what, typed, args, exitCode) => {
    const { process, code } = await terminal(typed, ...args);
    expect(code).toBe(exitCode);
    expect(process.stdin.modes).toEqual([true, false]);
    expect(process.events.eventNames()).toEqual([]);
    expect(process.stdin.isPaused()).toBe(true);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ])("is put back after %s, and at the end of the process", async (signal, exitCode) => {
    const process = new FakeProcess({ terminal: true });
    const done = process.run("run");
    await process.shown("> ");
    expect(process.events.listenerCount("exit")).toBe(1);
    process.events.emit(signal);
    expect(await done).toBe(exitCode);
    expect(process.stdin.modes).toEqual([true, false]);

    const other = new FakeProcess({ terminal: true });
    const end = other.run("run");
    await other.shown("> ");
    other.events.emit("exit");
    expect(other.stdin.modes).toEqual([true, false]);
    other.events.emit(signal);
    await end;
    expect(other.stdin.modes).toEqual([true, false]);
  });

  test("is raw again when a stopped job goes on", async () => {
    const process = new FakeProcess({ terminal: true });
    const done = process.run("run");
    await process.shown("> ");
    process.events.emit("SIGCONT");
    expect(process.stdin.modes).toEqual([true, false, true]);
    process.stdin.write("\x01x");
    expect(await done).toBe(0);
  });

  test("ends at once at the second signal", async () => {
    const process = new FakeProcess();
    const done = process.run("run", "--until", "x");
    await process.shown("> ");
    process.events.emit("SIGTERM");
    process.events.emit("SIGINT");
    expect(process.exits).toEqual([130]);
    expect(await done).toBe(143);
  });

  test("tells its keys, and lets Ctrl-A through when it is doubled", async () => {
    const { process } = await terminal("\x01hsay \x01\x01.\nexit 0\n");
    expect(process.stderr.text).toContain("Ctrl-A x ends the machine");
    expect(process.stderr.text).toContain("sends Ctrl-A to the guest");
    expect(process.stdout.text).toContain("\x01.");
  });

  test("gets our messages on lines of their own", async () => {
    const { process } = await terminal("\x01x");
    expect(process.stdout.text).toBe("booted \n> \r\n");
  });
});

describe("output", () => {
  test.each([
    ["EPIPE", 141, ""],
    ["ENOSPC", 1, "hypercraft: standard output cannot be written: no space left\n"],
  ])("that fails with %s ends the run", async (code, exitCode, err) => {
    const process = new FakeProcess();
    process.stdout.on("error", () => {});
    process.stdout.failure = Object.assign(new Error(code), { code });
    process.stdin.end("spin\n");
    expect(await process.run("run")).toBe(exitCode);
    expect(process.stderr.text).toBe(err);
  });
});

describe("what is told", () => {
  test("as JSON is one line with everything", async () => {
    const { err } = await run(["--stats=json"], "say x\nexit 0\n");
    const [line, rest] = err.split("\n");
    expect(rest).toBe("");
    const { seconds, mips, ...counts } = JSON.parse(line!);
    const exits = { hypercall: 2, wait: 1 };
    expect(counts).toEqual({
      instructions: 1300,
      exits,
      exitDetails: {},
      tlbFills: 7,
      cold: {
        ...{ executed: 1300, blocks: 5, instructions: 20, codeBytes: 100, milliseconds: 2.5 },
        ...{ flushes: 0, links: 3, jumps: 2, dispatches: 1 },
      },
    });
    expect(seconds).toBeGreaterThan(0);
    expect(mips / (0.0013 / seconds)).toBeCloseTo(1, 1);
  });

  test("as text is for people", async () => {
    const { err } = await run(["--stats"], "exit 0\n");
    expect(err).toMatch(
      /^hypercraft: 700 instructions in \d+\.\d\d s, \d+\.\d MIPS; exits: hypercall 2, wait 1\n/,
    );
    expect(err).toContain(
      "hypercraft: 100.0% interpreted; 5 blocks of 20 instructions translated into 100 bytes in 2.5 ms\n" +
        "hypercraft: 3 links and 2 jump targets made, 1 dispatches, 7 TLB fills\n",
    );
  });

  test("of compiled code ends with what was not compiled", async () => {
    const { err } = await run(["--dump-region", "0x10"], "exit 0\n");
    expect(err).toMatch(/^hypercraft: --dump-region: 0x10 was never compiled: [^\n]+\n$/);
    for (const args of [
      ["--dump-file", path("d")],
      ["--dump-region", "here"],
    ])
      expect(await run(args)).toMatchObject({ code: 2, err: expect.stringMatching(/^hypercraft: --dump-/) });
  });

  test("of exits and instructions goes to standard error", async () => {
    const { out, err } = await run(["--trace", "exits,insn", "--max-instructions", "4K"], "say a\nspin\n");
    expect(out).not.toContain("nop");
    expect(err).toMatch(/^line say a\nline spin\n(nop\n)+hypercraft: /);
  });
});

describe("files that are written", () => {
  test("a device tree, without a run", async () => {
    expect(await run(["--dump-dtb", path("out.dtb")], "exit 3\n")).toMatchObject({
      code: 0,
      out: "",
      err: "",
    });
    expect([...readFileSync(path("out.dtb"))]).toEqual([0xd0, 0x0d, 0xfe, 0xed]);
  });

  test("a signature, whatever the guest's verdict", async () => {
    const args = ["--kernel", path("signed"), "--signature", path("sig")];
    expect(await run(args, "exit 1\n")).toMatchObject({ code: 1 });
    expect(readFileSync(path("sig"), "utf8")).toBe("0000abcd\n");
  });

  test("none after bad input", async () => {
    const before = readdirSync(folder).sort();
    const outputs = [
      "--dump-dtb",
      path("no.dtb"),
      "--signature",
      path("no.sig"),
      "--snapshot-to",
      path("no.snap"),
    ];
    const bad = [
      ["--kernel", path("missing")],
      ["--kernel", folder],
      ["--initrd", path("missing"), "--kernel", path("kernel")],
      ["--disk", path("missing")],
      ["--memory", "much"],
      ["--arch", "arm64"],
      [path("missing.toml")],
      ["--nonsense"],
      ["--input", path("missing")],
    ];
    for (const args of bad) {
      const { code, out, err } = await run([...outputs, ...args]);
      expect({ args, code, out }).toEqual({ args, code: 2, out: "" });
      expect(err).toMatch(/^hypercraft: [^\n]+\n$/);
    }
    expect(readdirSync(folder).sort()).toEqual(before);
    expect(made).toEqual([]);
  });

  test.each([
    [["--guest", "g", "--mode", "bare"], /--guest in --mode bare needs firmware: --bios FILE/],
    [["--mode", "bare"], /--mode bare needs --kernel, --load or --bios/],
    [["--gic", "3"], /--gic: the riscv64 machine has no such option/],
    [["--semihosting"], /--semihosting: the riscv64 machine has no such option/],
    [["--signature", "SIG"], /--signature: the image has no symbols/],
    [["--signature", "MISSING/sig", "--kernel", "SIGNED"], /sig: cannot be written: no such file/],
    [["--dump-dtb", "."], /cannot be written: is a folder/],
    [["--dump-region", "0x10", "--dump-file", "."], /cannot be written: is a folder/],
    [
      ["--snapshot-at", "5", "--snapshot-to", "S", "--disk", "DISK"],
      /disk.img: a disk that is written is not part/,
    ],
  ])("%j is refused before the run", async (args, message) => {
    const named = {
      SIG: path("s"),
      "MISSING/sig": path("missing/sig"),
      SIGNED: path("signed"),
      S: path("s"),
    };
    const real: Record<string, string> = { ...named, DISK: path("disk.img"), ".": folder };
    const { code, out, err } = await run(args.map((arg) => real[arg] ?? arg));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
  });
});
