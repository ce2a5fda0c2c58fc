// The programs by their sources: what the tables name must be what the guest has.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { architectureNames, benchPath } from "../guests/build.mjs";
import { checksPath, readChecks } from "./checks.ts";
import { PROGRAMS } from "./programs.ts";
import { parseResult } from "./transcript.ts";

const folder = new URL("../guests/bench/", import.meta.url);
const names = PROGRAMS.map(({ name }) => name);

test("the list is that of programs.h, in its order", () => {
  const header = readFileSync(new URL("common/programs.h", folder), "utf8");
  expect(Array.from(header.matchAll(/^PROGRAM\((\w+)\)$/gm), ([, name]) => name)).toEqual(names);
});

test.each(PROGRAMS)("$name has a source of its own that says what it is about", ({ name, group }) => {
  const file = new URL(`${group}/${name}.c`, folder);
  expect(existsSync(file)).toBe(true);
  expect(readFileSync(file, "utf8")).toMatch(/^\/\/ about: .+\n#include/);
});

test.each(architectureNames)(
  "every program's result is known for %s, all of its work and a tenth",
  (arch) => {
    const checks = readChecks(checksPath(benchPath(arch)));
    expect(Object.keys(checks)).toEqual(["10", "100"]);
    for (const known of Object.values(checks)) {
      expect(Object.keys(known)).toEqual(names);
      for (const check of Object.values(known)) expect(check).toMatch(/^[0-9a-f]{16}$/);
    }
  },
);

/** Programs that multiply and add in one step where the processor can. */
const FUSED = ["saxpy", "matmul", "nbody", "mandelbrot"];

test.each(architectureNames)("%s computes what all others do, but for what it cannot fuse", (arch) => {
  const [checks, expected] = [arch, "riscv64"].map((name) => {
    const known = Object.entries(readChecks(checksPath(benchPath(name))));
    return known.flatMap(([percent, all]) =>
      Object.entries(all).map(([name, check]) => ({ percent, name, check })),
    );
  });
  const different = checks?.filter(({ check }, i) => check !== expected?.[i]?.check).map(({ name }) => name);
  expect(new Set(different)).toEqual(new Set(arch === "x86_64" ? FUSED : []));
});

const withQemu = architectureNames.filter((arch) => spawnSync(`qemu-${arch}`, ["--version"]).status === 0);

describe.each(withQemu)("under QEMU's user mode for %s", (arch) => {
  const work = mkdtempSync(join(tmpdir(), "hypercraft-bench-"));
  const program = join(work, "bench");
  copyFileSync(benchPath(arch), program);
  chmodSync(program, 0o755);
  afterAll(() => rmSync(work, { recursive: true, force: true }));
  const bench = (...args: string[]) => {
    const { stdout, status } = spawnSync(`qemu-${arch}`, [program, ...args], { encoding: "utf8" });
    return { stdout, status };
  };

  test("the program lists what it has", () => {
    expect(bench("list")).toEqual({ stdout: `${names.join("\n")}\n`, status: 0 });
  });

  // What a program starts would run on the host's own kernel, which cannot.
  test.each(names.filter((name) => name !== "exec"))("%s gives the known result", (name) => {
    const known = readChecks(checksPath(benchPath(arch)))["10"]?.[name];
    expect(parseResult(bench(name, "10").stdout, name).check).toBe(known);
  });

  test.each([[[]], [["nothing-like-this"]], [["fib", "101"]], [["fib", "0"]], [["fib", "x"]]])(
    "called wrongly with %j, it says so",
    (args) => {
      const { stdout, status } = bench(...args);
      expect(stdout).toMatch(/^BENCH-ERROR [^\n]+\n$/);
      expect(status).toBe(1);
    },
  );
});
