import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { FormatName, SoftFloatName } from "./index.js";
import { instantiate } from "./testing/harness.js";
import { corners, operands } from "./testing/patterns.js";

// The x86 policy against the processor the tests run on: results with their NaN bits, all six exceptions, all
// four rounding modes, and the two flush modes.

const DAZ = 1;
const FTZ = 2;
const MASKED = 0x1f80;
/** MXCSR's rounding control for our modes 0 to 3. */
const RC = [0, 3, 1, 2];
const COUNT = Number(process.env.SOFTFLOAT_RUNS ?? 40) * 10;

let folder: string | undefined;

/** Compiles the C program; a reason where that cannot be. */
function build(): { program: string } | { reason: string } {
  if (arch() !== "x64") return { reason: `the processor is ${arch()}, not x64` };
  try {
    execFileSync("gcc", ["--version"], { stdio: "ignore" });
  } catch {
    return { reason: "there is no gcc" };
  }
  folder = mkdtempSync(join(tmpdir(), "softfloat-"));
  const program = join(folder, "native");
  execFileSync("gcc", [
    "-O1",
    fileURLToPath(new URL("testing/native-x86.c", import.meta.url)),
    "-o",
    program,
  ]);
  return { program };
}

const native = build();
const reason = "reason" in native ? native.reason : undefined;
const program = "program" in native ? native.program : "";
const names = reason ? [] : execFileSync(program, { encoding: "utf8" }).trim().split("\n");

afterAll(() => {
  if (folder) rmSync(folder, { recursive: true });
});

interface Case {
  readonly operation: number;
  readonly args: readonly bigint[];
  readonly rm: number;
  readonly modes: number;
}

function ask(cases: readonly Case[]): { bits: bigint; flags: number }[] {
  const input = Buffer.alloc(cases.length * 32);
  cases.forEach(({ operation, args, rm, modes }, i) => {
    input.writeUInt32LE(operation, i * 32);
    const flush = (modes & DAZ ? 0x40 : 0) | (modes & FTZ ? 0x8000 : 0);
    input.writeUInt32LE(MASKED | flush | ((RC[rm] as number) << 13), i * 32 + 4);
    args.forEach((v, k) => {
      input.writeBigUInt64LE(v, i * 32 + 8 + k * 8);
    });
  });
  const output = execFileSync(program, ["run"], { input, maxBuffer: 1 << 30 });
  return cases.map((_, i) => {
    const x = output.readUInt32LE(i * 16 + 8);
    // MXCSR: invalid, denormal, divide by zero, overflow, underflow, precision.
    const flags = [16, 32, 8, 4, 2, 1].reduce((sum, flag, bit) => sum | (x & (1 << bit) ? flag : 0), 0);
    return { bits: output.readBigUInt64LE(i * 16), flags };
  });
}

/** Format the operands are of, how many there are, whether the result depends on the rounding mode. */
function shapeOf(name: string): {
  from: FormatName | "i32" | "i64";
  count: 1 | 2 | 3;
  rounds: boolean;
  exact: boolean;
} {
  const [to, operation] = name.split(".") as [FormatName, string];
  const format = /^from([FI]\d\d)$/.exec(operation)?.[1]?.toLowerCase() as FormatName | "i32" | undefined;
  const count = operation === "fma" ? 3 : format || /^(to|sqrt|round)/.test(operation) ? 1 : 2;
  const rounds =
    /^(add|sub|mul|div|sqrt|fma|to|roundToIntegral|fromI)/.test(operation) || /^f(32.fromF64|16)/.test(name);
  return { from: format ?? to, count, rounds, exact: operation === "roundToIntegral" };
}

function argumentsFor(from: FormatName | "i32" | "i64", count: 1 | 2 | 3): bigint[][] {
  if (from === "i32" || from === "i64") {
    const width = from === "i32" ? 32 : 64;
    const some = fc.tuple(
      fc.bigInt({ min: 0n, max: (1n << BigInt(width)) - 1n }),
      fc.integer({ min: 0, max: width - 1 }),
    );
    const values = fc.sample(some, COUNT).map(([v, by]) => [v >> BigInt(by)]);
    return [...values, ...values.map(([v]) => [BigInt.asUintN(width, -(v as bigint))])];
  }
  const ends = corners(from);
  const few = ends.filter((_, i) => i % 5 === 0);
  const fixed =
    count === 1
      ? ends.map((a) => [a])
      : count === 2
        ? ends.flatMap((a) => ends.map((b) => [a, b]))
        : few.flatMap((a) => few.flatMap((b) => few.map((c) => [a, b, c])));
  return [...fixed, ...fc.sample(operands(from, count), COUNT)];
}

describe.skipIf(reason)(`against this processor${reason ? ` (skipped: ${reason})` : ""}`, () => {
  const instance = instantiate({ nan: "propagate-x86", tininess: "after" });
  test.each(names.filter((name) => name !== "-"))("%s", (label) => {
    const name = label.replace(/ .*/, "");
    const { from, count, rounds, exact } = shapeOf(name);
    const operation = names.indexOf(label);
    const cases = argumentsFor(from, count).flatMap((args) =>
      (rounds ? [0, 1, 2, 3] : [0]).flatMap((rm) =>
        [0, DAZ, FTZ, DAZ | FTZ].map((modes) => ({
          operation,
          args: exact ? [...args, 0n, BigInt(rm & 1)] : args,
          rm,
          modes,
        })),
      ),
    );
    const hex = (v: bigint) => `0x${v.toString(16)}`;
    const answers = ask(cases);
    const wrong = cases.flatMap(({ args, rm, modes }, i) => {
      const want = answers[i] as { bits: bigint; flags: number };
      const call = exact
        ? [args[0] as bigint, args[2] as bigint, BigInt(rm)]
        : rounds
          ? [...args, BigInt(rm)]
          : args;
      const got = instance.run(name as SoftFloatName, call, 0, modes);
      if (got.bits === want.bits && got.flags === want.flags) return [];
      return [
        `(${args.map(hex).join(", ")}) rm ${rm} modes ${modes}: got ${hex(got.bits)} ${got.flags}, want ${hex(want.bits)} ${want.flags}`,
      ];
    });
    expect(wrong.slice(0, 10), `${wrong.length} of ${cases.length}`).toEqual([]);
  });
});
