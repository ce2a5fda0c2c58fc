import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { armSupport } from "./isa/table.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test("the table of instructions is that of the decoder", () => {
  const rows = armSupport.map(({ extension, instructions }) => `| ${extension} | ${instructions.length} |`);
  expect(readme).toContain(["| feature | encodings |", "|---|---|", ...rows, ""].join("\n"));
});
