// The examples run, and every README that shows one shows it as it is, with what it prints. After a change of an example,
// `npm test -- tests/examples.test.ts -u` writes it into the READMEs.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { format } from "node:util";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { type EmbeddedExample, embed, embeddedNames } from "./readme.js";
import { packages, root } from "./workspace.js";

const folder = join(root, "examples");
const names = readdirSync(folder)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replace(".ts", ""));

const readmes = [root, folder, ...packages.map(({ path }) => path)]
  .map((path) => join(path, "README.md"))
  .filter((file) => existsSync(file) && embeddedNames(readFileSync(file, "utf8")).length > 0);

const examples: EmbeddedExample[] = [];

/** Runs a program and gives what it printed. */
async function outputOf(name: string): Promise<string> {
  let output = "";
  const log = vi.spyOn(console, "log").mockImplementation((...values) => {
    output += `${format(...values)}\n`;
  });
  try {
    await import(`../examples/${name}.ts`);
  } finally {
    log.mockRestore();
  }
  return output;
}

beforeAll(async () => {
  for (const name of names) {
    const code = readFileSync(join(folder, `${name}.ts`), "utf8");
    examples.push({ name, code, output: await outputOf(name) });
  }
});

const example = (name: string) => examples.find((other) => other.name === name)!;

test("page-tables: names the bit that denies a write, in two formats", () => {
  expect(example("page-tables").output).toMatch(/W \(bit 2\) = 0.*R\/W \(bit 1\) = 0/s);
});

test("own-device: the guest sees what the device computes", () => {
  expect(example("own-device").output).toContain("guest: Q");
});

test("exits: shows the guest's first exits and counts all of them", () => {
  const { output } = example("exits");
  expect(output.match(/^mmio(?:Read|Write) 0x/gm)).toHaveLength(20);
  expect(output).toMatch(/^systemShutdown 1$/m);
});

test("two-guests: the guests take turns", () => {
  const letters = example("two-guests").output.match(/(?<=^guest \w: )\w$/gm)!;
  expect([...letters].sort().join("")).toBe("AAABBB");
  expect(letters.join("")).not.toBe("AAABBB");
});

test("side-by-side: each guest answers to what was typed at it", () => {
  const { output } = example("side-by-side");
  for (const name of ["riscv64", "aarch64"]) {
    expect(output).toContain(`[${name}] hypercraft embedded guest, ${name}`);
    expect(output).toContain(`[${name}] Hello from user mode!`);
  }
  expect(output.match(/kind: 'shutdown'/g)).toHaveLength(2);
});

test("boot: the guest answers at its shell and powers off", () => {
  expect(example("boot").output).toMatch(/hc> run hello\nHello from user mode!.*kind: 'shutdown'/s);
});

test("every example is shown in examples/README.md", () => {
  expect(embeddedNames(readFileSync(join(folder, "README.md"), "utf8")).sort()).toEqual(names.sort());
});

describe("READMEs show the examples as they are", () => {
  test.each(readmes.map((file) => [file.slice(root.length), file]))("%s", async (_, file) => {
    await expect(embed(readFileSync(file, "utf8"), examples)).toMatchFileSnapshot(file);
  });
});
