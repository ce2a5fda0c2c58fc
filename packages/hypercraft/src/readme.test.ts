import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { EXIT_ANSWERS, VM_EXIT_KINDS } from "./exit.js";
import * as hypercraft from "./index.js";
import * as testing from "./testing.js";
import { VCPU_TRANSITIONS } from "./vcpu-state.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const modules: Record<string, unknown> = {
  "@hypercraft/hypercraft": hypercraft,
  "@hypercraft/hypercraft/testing": testing,
};
const examples = [...readme.matchAll(/```ts\n(.*?)```\n\n```text\n(.*?)```/gs)];

/** The example as the body of a function: imports become lookups, the little type syntax in it goes. */
function asFunction(source: string): (modules: object) => Promise<void> {
  const body = source
    .replace(/type \w+, /g, "")
    .replace(/^import (\{.*?\}) from (".*?");$/gm, "const $1 = modules[$2];")
    .replace(/\((\S+) as \w+\)/g, "($1)")
    .replace(/\]!/g, "]");
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  return new AsyncFunction("modules", body) as (modules: object) => Promise<void>;
}

describe("README", () => {
  afterEach(() => vi.restoreAllMocks());

  it("has its examples", () => {
    expect(examples).toHaveLength(2);
  });

  it.each(examples.map(([, source, output]) => [source!, output!]))(
    "shows what example prints: %#",
    async (source, output) => {
      const lines: string[] = [];
      const show = (value: unknown) => (typeof value === "bigint" ? `${value}n` : String(value));
      vi.spyOn(console, "log").mockImplementation((...values) => void lines.push(values.map(show).join(" ")));
      await asFunction(source)(modules);
      expect(lines.join("\n").trimEnd()).toBe(output.trimEnd());
    },
  );

  it("has every exit and its answers in the table", () => {
    const rows = [...readme.matchAll(/^\| `(\w+)` +\| ([\w, -]+?) +\|/gm)].map(([, kind, answers]) => [
      kind,
      answers,
    ]);
    const expected = VM_EXIT_KINDS.map((kind) => [kind, EXIT_ANSWERS[kind].join(", ") || "-"]);
    expect(rows).toEqual(expected);
  });

  it("has every transition in the table", () => {
    const found = new Set<string>();
    for (const [, from, targets] of readme.matchAll(/^\| `(\w+)` +\| ((?:`\w+`,? ?)+) +\|/gm))
      for (const [, to] of targets!.matchAll(/`(\w+)`/g)) found.add(`${from} -> ${to}`);
    const expected = Object.entries(VCPU_TRANSITIONS).flatMap(([from, all]) =>
      all.map((to) => `${from} -> ${to}`),
    );
    expect([...found].sort()).toEqual(expected.sort());
  });
});
