// The command line with its real machine, in processes of their own.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { afterAll, describe, expect, test } from "vitest";
import { FakeProcess } from "../test/fake-io.js";
import { runProgram } from "../test/spawn.js";
import { ARCHITECTURES } from "./machine/architectures.js";

const folder = mkdtempSync(join(tmpdir(), "hypercraft-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string) => join(folder, name);
const hypercraft = (...args: string[]) => runProgram("cli", args);

test("the demo shows the guest of each architecture booting, checks everything, and sums up in one line", async () => {
  const { code, out, err } = await hypercraft("demo");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const parts = out.split(/(?<=\nhypercraft: .*\n)/);
  const names = parts.map((shown) => /^hypercraft embedded guest, (\w+)\r?\n/.exec(shown)?.[1]);
  expect(names).toEqual(["riscv64", "aarch64", "x86_64"]);
  for (const shown of parts) {
    expect(shown).toMatch(/\nselftest: \d+ passed, 0 failed\r?\n/);
    const [last] = shown.trimEnd().split("\n").slice(-1);
    expect(last).toMatch(/^hypercraft: [\d,]+ instructions in \d+\.\d\d s, \d+\.\d MIPS; exits: \w/);
  }
});

test("the demo of one architecture", async () => {
  const { code, out } = await hypercraft("demo", "--arch", "arm64", "--cpus", "2");
  expect(code).toBe(0);
  expect(out).toMatch(/^hypercraft embedded guest, aarch64\r?\n/);
  expect(out.match(/selftest:/g)).toHaveLength(1);
});

test("its shell takes commands from a pipe", async () => {
  const typed = "run fib\npoweroff\n";
  const { code, out, err } = await runProgram("cli", ["run", "--memory", "32M", "--stats=json"], typed);
  expect(code).toBe(0);
  expect(out).toContain("fib(20) = 6765");
  const { instructions, mips, exits, tlbFills, cold, hot } = JSON.parse(err);
  const details = JSON.parse(err).exitDetails;
  expect(Math.min(details["SBI BASE"], details["store/AMO guest-page fault"])).toBeGreaterThan(0);
  expect(Math.min(instructions, mips, exits.hypercall, exits.mmioWrite, tlbFills)).toBeGreaterThan(0);
  expect(cold.executed + hot.executed).toBe(instructions);
  expect(Math.min(cold.links, cold.jumps, cold.dispatches, cold.milliseconds)).toBeGreaterThan(0);
  expect(Math.min(cold.instructions / cold.blocks, cold.codeBytes / cold.instructions)).toBeGreaterThan(1);
});

test("machines of all architectures side by side do what each does alone; a snapshot of one goes on alone", async () => {
  const guest = ["--memory", "32M", "--append", "selftest", "--deterministic", "--stats=json"];
  const [riscv, arm] = [guest, ["--arch", "arm64", "--cpus", "2", ...guest]];
  const x86 = ["--arch", "x86-64", "--cpus", "2", ...guest];
  const saved = ["--snapshot-at", "700K", "--snapshot-to", path("arm.snap")];
  const all = await hypercraft("run", ...riscv, "--and", ...arm, ...saved, "--and", ...x86);
  expect(all.code).toBe(0);
  const of = (text: string, name: string) =>
    text.split("\n").flatMap((line) => (line.startsWith(`[${name}] `) ? [line.slice(name.length + 3)] : []));
  // A return before a line would hide its mark.
  const shown = (text: string) => text.replaceAll("\r", "").trimEnd();
  const saw = (name: string) => shown(of(all.out, name).join("\n"));
  for (const [name, args] of [
    ["riscv64", riscv],
    ["arm64", arm],
    ["x86-64", x86],
  ] as const) {
    const alone = await hypercraft("run", ...args);
    expect(saw(name)).toBe(shown(alone.out));
    const stats = (text: string) => JSON.parse(text.split("\n").find((line) => line.startsWith("{"))!);
    const [{ instructions, exits }, expected] = [stats(of(all.err, name).join("\n")), stats(alone.err)];
    expect({ instructions, exits }).toEqual({ instructions: expected.instructions, exits: expected.exits });
  }
  const resumed = await hypercraft("snapshot", "resume", path("arm.snap"));
  expect(resumed.code).toBe(0);
  expect(saw("arm64").endsWith(shown(resumed.out))).toBe(true);
  expect(resumed.out).toContain("selftest:");
});

test("all tiers do the same, and tell what was compiled", async () => {
  const guest = ["--memory", "32M", "--append", "selftest", "--max-instructions", "1500K"];
  const args = ["run", ...guest, "--deterministic", "--tier"];
  const [cold, hot] = [
    await hypercraft(...args, "cold", "--stats=json"),
    await hypercraft(...args, "hot", "--stats=json"),
  ];
  expect(hot.out).toBe(cold.out);
  const counts = (err: string) => JSON.parse(err.trimEnd().split("\n").at(-1)!);
  const [interpreted, compiled] = [counts(cold.err), counts(hot.err)];
  expect(compiled.instructions).toBe(interpreted.instructions);
  expect(interpreted.hot).toBeUndefined();
  expect(interpreted.cold.executed).toBe(interpreted.instructions);
  const { executed, regions, instructions, codeBytes, modules, milliseconds } = compiled.hot;
  expect(milliseconds).toBeGreaterThan(0);
  expect(executed).toBeGreaterThan(compiled.instructions / 2);
  expect(executed).toBeLessThanOrEqual(compiled.instructions);
  expect(Math.min(regions, instructions / regions, codeBytes / instructions, modules)).toBeGreaterThan(1);
  const { err } = await hypercraft(...args, "hot", "--stats");
  expect(err).toMatch(
    /^hypercraft: \d+\.\d% run by compiled code; [\d,]+ regions of [\d,]+ instructions compiled/m,
  );
  expect((await hypercraft(...args, "warm")).err).toMatch(/^hypercraft: --tier: "warm" is not one of /);
});

test("compiled code is printed side by side with what it was made from", async () => {
  const guest = ["--memory", "32M", "--append", "selftest", "--max-instructions", "1500K", "--deterministic"];
  // The loop that clears the guest's memory; a page that has no code.
  const traced = await hypercraft("run", ...guest, "--trace", "insn", "--max-instructions", "5000");
  const [, loop = ""] = /^(0x[0-9a-f]+): \S+ {2}sd zero, 0\(t0\)$/m.exec(traced.err) ?? [];
  const pcs = ["--dump-region", loop, "--dump-region", "0xdead0000,wat"];
  const { code, err } = await hypercraft("run", ...guest, ...pcs);
  expect(code).toBe(124);
  expect(err.match(/^region at /gm)).toHaveLength(1);
  expect(err).toMatch(
    new RegExp(`^${loop} .*sd zero, 0\\(t0\\) +\\| v0 = get x5 +\\| +local.get \\$x5$`, "m"),
  );
  expect(err).toContain("(local.set $x5");
  expect(err).toMatch(/^hypercraft: --dump-region: 0xdead0000 was never compiled: no code of its page/m);
  const file = path("regions");
  const quiet = await hypercraft("run", ...guest, "--dump-region", loop, "--dump-file", file);
  expect(quiet.err).not.toContain("region at");
  expect(err).toContain(readFileSync(file, "utf8"));
  const cold = await hypercraft("run", ...guest, "--tier", "cold", "--dump-region", loop);
  expect(cold.err).toMatch(/was never compiled: executed about \d\d+ times; with --tier cold nothing is$/m);
});

test("a guest that fails gives 1", async () => {
  expect(await runProgram("cli", ["run", "--memory", "32M"], "poweroff 5\n")).toMatchObject({
    code: 1,
    err: "hypercraft: the guest shut down with a failure, code 5\n",
  });
});

describe("a snapshot", () => {
  const guest = ["--deterministic", "--memory", "32M", "--append", "selftest"];

  test.each(["1234567", "^ok timer-interrupt"])(
    "at %s goes on byte for byte in a fresh process",
    async (at) => {
      const [file, stats] = [path("machine.snap"), "--stats=json"];
      const whole = await hypercraft("run", ...guest, stats);
      const saved = await hypercraft("snapshot", "save", file, "--at", at, ...guest, stats);
      expect(saved.code).toBe(0);
      const resumed = await hypercraft("snapshot", "resume", file, stats);
      expect(resumed.code).toBe(0);
      expect(saved.out + resumed.out).toBe(whole.out);
      expect(saved.out.length * resumed.out.length).toBeGreaterThan(0);
      const count = ({ err }: { err: string }): number =>
        JSON.parse(err.trimEnd().split("\n").at(-1)!).instructions;
      expect(count(saved) + count(resumed)).toBe(count(whole));
    },
  );

  test("does not disturb the machine, and tells what it holds", async () => {
    const at = ["--snapshot-at", "1M", "--snapshot-to", path("on.snap")];
    const [whole, saved] = [await hypercraft("run", ...guest), await hypercraft("run", ...guest, ...at)];
    expect(saved.out).toBe(whole.out);
    const { code, out } = await hypercraft("snapshot", "info", path("on.snap"));
    expect(code).toBe(0);
    expect(out).toMatch(/^machine +riscv64, riscv-virt, vm mode, 1 CPU$/m);
    expect(out).toMatch(/^memory +32 MiB, of which \d+ KiB are not zero$/m);
    expect(out).toMatch(/^instructions +1000000$/m);
    expect(out).toMatch(/^hash +[0-9a-f]{64}$/m);
  });
});

describe("bad input is one line that names the file, and nothing is written", () => {
  const elf = embeddedGuest("riscv64");
  writeFileSync(path("cut"), elf.subarray(0, 5000));
  writeFileSync(path("empty"), "");
  const other = elf.slice();
  new DataView(other.buffer).setUint16(18, 62, true);
  writeFileSync(path("x86"), other);
  writeFileSync(path("text"), "no device tree\n");

  test.each([
    [["--kernel", "cut"], /cut: .*truncated/],
    [["--kernel", "empty"], /empty: is empty/],
    [["--kernel", "x86"], /x86: ELF file is for x86-64, this machine is riscv64/],
    [["--dtb", "text"], /text: .*device tree/],
    [["--load", "x86@0x80200000", "--kernel", "x86"], /x86: /],
    [
      ["--load", "text@0x80300000", "--load", "cut@0x80300000", "--entry", "0x80300000"],
      /cut: .*overlaps .*text/,
    ],
    [["--load", "text@0x100", "--entry", "0x80300000"], /text: .*not inside RAM/],
    [["--arch", "arm64", "--kernel", "cut"], /cut: ELF file is for riscv64, this machine is aarch64/],
    [["--arch", "arm64", "--map", "hchyper"], /--map: the arm64 machine has no map "hchyper", only qemu/],
    [["--memory", "1M"], /memory of 1 MiB is outside 4 MiB to \d+ MiB/],
    [["--memory", "64G"], /memory of 64 GiB is outside 4 MiB to \d+ MiB/],
    [["--cpus", "1000"], /1 to \d+ CPUs, not 1000/],
  ])("%j", async (args, message) => {
    const named = args.map((arg) => arg.replace(/^(cut|empty|x86|text)/, (name) => path(name)));
    const process = new FakeProcess({ architectures: ARCHITECTURES });
    const code = await process.run("run", ...named, "--dump-dtb", path("out.dtb"));
    expect({ code, out: process.stdout.text }).toEqual({ code: 2, out: "" });
    expect(process.stderr.text).toMatch(/^hypercraft: [^\n]+\n$/);
    expect(process.stderr.text).toMatch(message);
    expect(() => readFileSync(path("out.dtb"))).toThrow("ENOENT");
  });
});
