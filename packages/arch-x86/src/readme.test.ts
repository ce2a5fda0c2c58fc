import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { disassemble, encode, x86Instructions } from "./index.js";
import { x86Support } from "./isa/table.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test("the table of instructions is that of the decoder", () => {
  const rows = x86Support.map(({ extension, instructions }) => `| ${extension} | ${instructions.length} |`);
  expect(readme).toContain(["| feature | opcodes |", "|---|---|", ...rows, ""].join("\n"));
});

test("an instruction is assembled as it says", () => {
  const row = x86Instructions.find(({ name }) => name === "add Ev, Gv")!;
  const bytes = encode(row, { operandSize: 8, rm: { base: 3, displacement: 16 }, reg: 1 });
  const mode = { bits: 64, protectedMode: true, virtual8086: false } as const;
  expect(disassemble((at) => bytes[at] ?? -1, 0n, mode).text).toBe("add qword ptr [rbx + 0x10], rcx");
});
