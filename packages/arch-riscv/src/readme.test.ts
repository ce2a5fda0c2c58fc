import { readFileSync } from "node:fs";
import * as engine from "@hypercraft/engine";
import { supportMarkdown } from "@hypercraft/engine";
import * as table from "@hypercraft/guest-page-table";
import * as hypercraft from "@hypercraft/hypercraft";
import { expect, test, vi } from "vitest";
import { Eid } from "./hypervisor/sbi/constants.js";
import * as riscv from "./index.js";
import { riscvSupport } from "./isa/table.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const modules: Record<string, unknown> = {
  "@hypercraft/arch-riscv": riscv,
  "@hypercraft/engine": engine,
  "@hypercraft/guest-page-table": table,
  "@hypercraft/hypercraft": hypercraft,
};

test("the example prints what the README says", async () => {
  const [, source = "", output = ""] = /```ts\n(.*?)```\n\n```text\n(.*?)```/s.exec(readme) ?? [];
  // As the body of a function: imports become look-ups, the little type syntax in it goes.
  const body = source
    .replace(/^import (\{.*?\}) from (".*?");$/gm, "const $1 = modules[$2];")
    .replace(/: number\)/g, ")")
    .replace(/ as const/g, "")
    .replace(/new VmCpus<.*?>\(1\)/g, "new VmCpus(1)")
    .replace(/\)!/g, ")");
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line) => void lines.push(line));
  await (new AsyncFunction("modules", body) as (modules: object) => Promise<void>)(modules);
  log.mockRestore();
  expect(lines.join("\n").trimEnd()).toBe(output.trimEnd());
});

test("the table of instructions is that of the decoder", () => {
  expect(readme).toContain(supportMarkdown(riscvSupport));
});

test("the SBI extensions are those that are probed", () => {
  for (const [name, eid] of Object.entries(Eid)) {
    if (name.startsWith("legacy")) expect(eid).toBeLessThanOrEqual(8);
    else expect(readme.toLowerCase()).toContain(`| ${name}`);
  }
});
