import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const examples = [...readme.matchAll(/```ts\n(.*?)```\n\n```text\n(.*?)```/gs)];

describe("README", () => {
  afterEach(() => vi.restoreAllMocks());

  it.each(["own-device", "loading"])("embeds the example %s and what it prints", async (name) => {
    const source = readFileSync(new URL(`./testing/examples/${name}.ts`, import.meta.url), "utf8");
    const example = examples.find(([, text]) => text === source);
    expect(example, `README has the text of ${name}.ts`).toBeDefined();
    const lines: string[] = [];
    vi.spyOn(console, "log").mockImplementation((...values) => void lines.push(values.map(String).join(" ")));
    await import(`./testing/examples/${name}.ts`);
    expect(lines.join("\n").trimEnd()).toBe(example![2]!.trimEnd());
  });
});
