// What a user of the registry gets: every package is built, packed, installed with plain npm into an empty folder,
// loaded, type-checked and, as far as its README shows programs, run.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { filesBelow, shippedSources } from "../scripts/sources.mjs";
import { readmeExamples } from "./readme.js";
import { build, type Manifest, packages, root, tool } from "./workspace.js";

const temporary = mkdtempSync(join(tmpdir(), "hypercraft-pack-"));
const tarballs = join(temporary, "tarballs");
const consumer = join(temporary, "consumer");
const installed = (name: string) => join(consumer, "node_modules", name);
const tarballOf = ({ name, version }: Manifest) =>
  join(tarballs, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);

const examples = packages.flatMap(({ folder, path }) =>
  readmeExamples(readFileSync(join(path, "README.md"), "utf8")).map((example, index) => ({
    ...example,
    title: `${folder} ${index + 1}`,
    file: `${folder}-${index + 1}.ts`,
  })),
);

/** What a package exports, with wildcards filled in from the files that it has. */
function entryPoints({ name, exports }: Manifest): string[] {
  return Object.entries(exports).flatMap(([subpath, { default: target }]) => {
    const specifier = join(name, subpath);
    if (!subpath.includes("*")) return [specifier];
    const [before, after] = target!.replace("./", "").split("*") as [string, string];
    return filesBelow(installed(name))
      .filter((file) => file.startsWith(before) && file.endsWith(after))
      .map((file) => specifier.replace("*", file.slice(before.length, -after.length)));
  });
}

beforeAll(async () => {
  await build();
  mkdirSync(tarballs);
  const filters = ["--filter", "./packages/*", "--filter", "./apps/*"];
  await tool("pnpm", ["--recursive", ...filters, "pack", "--pack-destination", tarballs]);
  mkdirSync(consumer);
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const files = packages.map(({ manifest }) => tarballOf(manifest));
  await tool("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...files], consumer);
  for (const { file, code } of examples) writeFileSync(join(consumer, file), code);
});

afterAll(() => rmSync(temporary, { recursive: true, force: true }));

test("every package is packed, once", () => {
  const expected = packages.map(({ manifest }) => tarballOf(manifest)).sort();
  expect(
    readdirSync(tarballs)
      .map((file) => join(tarballs, file))
      .sort(),
  ).toEqual(expected);
});

describe.each(packages)("$folder", ({ path, manifest }) => {
  const contents = () => filesBelow(installed(manifest.name));

  test("holds what it needs and nothing that no source made", () => {
    const files = contents();
    expect(files).toEqual(expect.arrayContaining(["README.md", "CHANGELOG.md", "LICENSE", "dist/index.js"]));
    const sources = new Set(shippedSources(path));
    const sourceOf = (file: string) => file.replace("dist/", "").replace(/(\.d\.ts|\.js)$/, ".ts");
    expect(files.filter((file) => file.startsWith("dist/") && !sources.has(sourceOf(file)))).toEqual([]);
  });

  test("publint finds nothing", async () => {
    const tarball = readFileSync(tarballOf(manifest));
    const pack = {
      tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength),
    };
    const { messages, pkg } = await publint({ pack, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test("are-the-types-wrong finds nothing", async () => {
    await tool("attw", [tarballOf(manifest), "--profile", "esm-only", "--quiet"]);
  });

  // Loading the CLI would run it.
  if (manifest.bin !== undefined) return;

  test("every export loads", async () => {
    const specifiers = entryPoints(manifest);
    expect(specifiers.length).toBeGreaterThan(0);
    const program = specifiers.map((specifier) => `await import(${JSON.stringify(specifier)});`).join("\n");
    writeFileSync(join(consumer, "load.mjs"), program);
    await tool("node", ["load.mjs"], consumer);
  });
});

test("README examples pass the type check of a user's project", async () => {
  const options = {
    compilerOptions: {
      target: "es2024",
      lib: ["es2024", "dom"],
      module: "nodenext",
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: ["node"],
      typeRoots: [join(root, "node_modules", "@types")],
    },
    files: examples.map(({ file }) => file),
  };
  writeFileSync(join(consumer, "tsconfig.json"), JSON.stringify(options));
  await tool("tsc", ["-p", "tsconfig.json"], consumer);
});

test.each(examples)("README example $title runs and prints what it says", async ({ file, output }) => {
  const printed = await tool("node", [file], consumer);
  if (output !== undefined) expect(printed.trimEnd()).toBe(output.trimEnd());
});
