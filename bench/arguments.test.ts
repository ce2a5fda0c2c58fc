import { expect, test } from "vitest";
import { parseArguments, UsageError } from "./arguments.ts";
import { PROGRAMS } from "./programs.ts";

const PATHS = [
  "packages/engine/bench/softfloat.bench.ts",
  "packages/guest-page-table/bench/page-table.bench.ts",
];
const names = PROGRAMS.map(({ name }) => name);
const parse = (line: string, environment = {}) =>
  parseArguments(line.split(" ").filter(Boolean), PATHS, environment);

test("without words, everything is measured", () => {
  expect(parse("")).toEqual({
    architecture: expect.objectContaining({ name: "riscv64" }),
    help: false,
    list: false,
    programs: names,
    boot: true,
    packageBenches: PATHS,
    rounds: 3,
    percent: 100,
    mode: undefined,
    tier: "auto",
    memory: 512,
    qemu: ["qemu-system-riscv64"],
    firmware: undefined,
    json: undefined,
    markdown: undefined,
    acceptChecks: false,
  });
});

test.each([
  ["guests", { programs: names, boot: false, packageBenches: [] }],
  ["boot", { programs: [], boot: true, packageBenches: [] }],
  ["packages", { programs: [], boot: false, packageBenches: PATHS }],
  ["page-table", { programs: [], boot: false, packageBenches: [PATHS[1]] }],
  ["pipe boot fib fib", { programs: ["fib", "pipe"], boot: true, packageBenches: [] }],
  ["softfloat xorshift", { programs: ["xorshift"], boot: false, packageBenches: [PATHS[0]] }],
])("%s", (line, expected) => {
  expect(parse(line)).toMatchObject(expected);
});

test("a group is its programs", () => {
  const [compute, system] = [parse("compute").programs, parse("system").programs];
  expect([...compute, ...system]).toEqual(names);
  expect([compute.includes("fib"), system.includes("fork")]).toEqual([true, true]);
});

test("options", () => {
  const line =
    "guests --rounds 7 --quick --mode bare --tier cold --memory 256 --json a --markdown=b --firmware f";
  expect(parse(line)).toMatchObject({
    rounds: 7,
    percent: 10,
    mode: "bare",
    tier: "cold",
    memory: 256,
    json: "a",
    markdown: "b",
    firmware: "f",
  });
  expect(parse("--list --help")).toMatchObject({ list: true, help: true });
});

test("QEMU by option, by environment, and not at all", () => {
  const environment = { HYPERCRAFT_QEMU: "ssh host qemu" };
  expect(parse("", environment).qemu).toEqual(["ssh", "host", "qemu"]);
  expect(parse("--qemu my-qemu", environment).qemu).toEqual(["my-qemu"]);
  expect(parse("--qemu none", environment).qemu).toEqual([]);
  expect(parse("--arch arm64")).toMatchObject({
    architecture: { guest: "debian-arm64", program: "aarch64" },
    qemu: ["qemu-system-aarch64"],
  });
  expect(parse("--arch x86-64")).toMatchObject({
    architecture: { guest: "debian-amd64", program: "x86_64" },
    qemu: ["qemu-system-x86_64"],
  });
});

test.each([
  ["nonsense", /^nothing is called "nonsense"; --list shows/],
  ["--rounds 0", /^--rounds is a number from 1 to 1000, not "0"$/],
  ["--rounds two", /^--rounds is a number/],
  ["--memory 64", /^--memory is a number from 128/],
  ["--mode both", /^--mode is vm, bare, not "both"$/],
  ["--tier warm", /^--tier is auto, cold, hot/],
  ["--arch vax", /^--arch is riscv64, arm64, x86-64, not "vax"$/],
  ["--fast", /^Unknown option '--fast'$/],
])("%s is one line", (line, message) => {
  const wrong = () => parse(line);
  expect(wrong).toThrow(UsageError);
  expect(wrong).toThrow(message);
});
