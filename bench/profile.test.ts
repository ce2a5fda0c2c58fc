import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type CpuProfile, classifyProfile } from "./profile.ts";
import { categoryOf, ROWS, repositoryPath } from "./profile-categories.ts";

const DIST = "file:///any/where";
let scripts = 0;
const frame = (functionName: string, url = "", scriptId = String(++scripts)) => ({
  functionName,
  url,
  scriptId,
});
const core = (name: string) => frame(name, `${DIST}/packages/engine/dist/core/core.js`);
const wasm = (name: string, scriptId: string) => frame(name, `wasm://wasm/${scriptId}`, scriptId);

/** A tree as [frame, self milliseconds, children]. */
type Tree = [frame: CpuProfile["nodes"][number]["callFrame"], ms: number, ...children: Tree[]];

function profileOf(tree: Tree): CpuProfile {
  const nodes: { id: number; callFrame: Tree[0]; children: number[] }[] = [];
  const [samples, timeDeltas]: [number[], number[]] = [[], []];
  const add = ([callFrame, ms, ...children]: Tree): number => {
    const id = nodes.length + 1;
    const node = { id, callFrame, children: [] as number[] };
    nodes.push(node);
    samples.push(id, id);
    timeDeltas.push(ms * 400, ms * 600);
    for (const child of children) node.children.push(add(child));
    return id;
  };
  add(tree);
  return { nodes, samples, timeDeltas };
}

test("time is sorted by the file of the innermost function that says something", () => {
  const profile = profileOf([
    frame("(root)"),
    0,
    [frame("(garbage collector)"), 5],
    [frame("(idle)"), 6],
    [frame("(program)"), 7],
    [
      frame("compileSourceTextModule", "node:internal/modules/esm/utils"),
      10,
      [
        core("run"),
        20,
        [
          wasm("wasm-function[3]", "900"),
          100,
          [wasm("wasm-function[7]", "1000"), 200],
          [frame("wasm-to-js"), 1, [frame("firstStage", `${DIST}/packages/arch-riscv/dist/cpu/mmu.js`), 30]],
        ],
        [
          frame("lift", `${DIST}/packages/engine/dist/code/translator.js`),
          2,
          // A helper without a category of its own.
          [frame("emit", `${DIST}/packages/engine/dist/ir/builder.js`), 40],
        ],
        [
          frame("compile", `${DIST}/packages/engine/dist/hot/hot-tier.js`),
          3,
          [frame("Module"), 50],
          // Lifting again, for a region.
          [frame("lift", `${DIST}/packages/engine/dist/code/translator.js`), 60],
        ],
      ],
    ],
  ]);
  const found = Object.fromEntries(
    classifyProfile(profile).map(({ category, milliseconds }) => [category, milliseconds]),
  );
  expect(found).toEqual({
    "start-up and images": 10,
    "garbage collection": 5,
    waiting: 6,
    "the rest": 7,
    "finding blocks to go on with": 20,
    "guest code, interpreted": 101,
    "guest code, compiled": 200,
    "page walks and TLB fills": 30,
    "translating blocks": 42,
    "compiling regions": 113,
  });
});

test("paths", () => {
  expect(repositoryPath("file:///x/packages/engine/dist/hot/emit.js")).toBe("engine/hot/emit");
  expect(repositoryPath("file:///x/apps/runner/src/run/session.ts")).toBe("runner/run/session");
  expect(repositoryPath("node:fs")).toBeUndefined();
  expect(categoryOf("engine/code/store", "add")).toBe("translating blocks");
  expect(categoryOf("engine/code/store", "find")).toBe("finding blocks to go on with");
  expect(categoryOf("engine/ir/builder", "emit")).toBeUndefined();
});

test.each(ROWS)("the table's row $path $functions is about something that exists", ({ path, functions }) => {
  const [folder = "", ...rest] = path.split("/");
  const home = folder === "runner" ? "../apps/runner" : `../packages/${folder}`;
  const isFolder = path.endsWith("/");
  const file = fileURLToPath(
    new URL(`${home}/src/${rest.join("/")}${isFolder ? "" : ".ts"}`, import.meta.url),
  );
  expect(existsSync(file)).toBe(true);
  for (const name of functions ?? []) expect(readFileSync(file, "utf8")).toMatch(new RegExp(`\\b${name}\\(`));
});
