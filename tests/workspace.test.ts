import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { shippedSources } from "../scripts/sources.mjs";
import { dependenciesOf, packages, root } from "./workspace.js";

const read = (...path: string[]) => readFileSync(join(...path), "utf8");

/** `a --> b & c` lines (and lone names) of the mermaid graph in ARCHITECTURE.md. */
function documentedGraph(): Record<string, string[]> {
  const [, graph] = /```mermaid\ngraph TD\n(.*?)```/s.exec(read(root, "ARCHITECTURE.md"))!;
  const lines = graph!.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const [from, to = ""] = line.trim().split(" --> ");
      return [from!, to.split(" & ").filter(Boolean).sort()];
    }),
  );
}

/** Specifiers of static and dynamic imports and re-exports. */
function importsOf(path: string): string[] {
  const pattern =
    /^\s*(?:import|export)\b[^;"']*?from\s+["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/gm;
  return Array.from(read(path).matchAll(pattern), ([, from, bare]) => (from ?? bare)!);
}

/** Everything that importing a source file loads: other packages by name, through relative imports. */
function loadedPackages(entry: string, seen = new Set<string>()): Set<string> {
  const loaded = new Set<string>();
  if (seen.has(entry)) return loaded;
  seen.add(entry);
  for (const specifier of importsOf(entry)) {
    if (!specifier.startsWith(".")) loaded.add(specifier);
    else {
      const target = join(dirname(entry), specifier).replace(/\.js$/, ".ts");
      for (const name of loadedPackages(target, seen)) loaded.add(name);
    }
  }
  return loaded;
}

test("the dependency graph is the one in ARCHITECTURE.md", () => {
  const actual = packages.map(({ folder, dependencies }) => [folder, [...dependencies].sort()]);
  expect(Object.fromEntries(actual)).toEqual(documentedGraph());
});

test("the lock file names no registry", () => {
  expect(read(root, "pnpm-lock.yaml")).not.toMatch(/https?:\/\/|tarball:/);
});

test("machine loads an architecture only through its boards", () => {
  const loaded = [...loadedPackages(join(root, "packages/machine/src/index.ts"))];
  expect(loaded.filter((name) => name.startsWith("@hypercraft/arch-"))).toEqual([]);
});

describe.each(packages)("$folder", ({ folder, path, manifest, dependencies }) => {
  const isApp = manifest.bin !== undefined;
  const shipped = shippedSources(path);

  test("its manifest says what every package's says", () => {
    expect(manifest).toMatchObject({
      name: isApp ? "hypercraft" : `@hypercraft/${folder}`,
      license: "Apache-2.0",
      type: "module",
      sideEffects: false,
      engines: { node: ">=24" },
      publishConfig: { access: "public" },
    });
    expect(manifest.files).toEqual(expect.arrayContaining(["dist", "README.md", "CHANGELOG.md", "LICENSE"]));
    for (const conditions of Object.values(manifest.exports)) {
      expect(Object.keys(conditions)).toEqual(["types", "default"]);
    }
    for (const file of ["README.md", "CHANGELOG.md", "LICENSE"])
      expect(existsSync(join(path, file))).toBe(true);
  });

  test("its README says what it owns and what it does not", () => {
    expect(read(path, "README.md")).toMatch(/\*\*Owns\*\*[\s\S]*\*\*Does not\b/);
  });

  test("its TypeScript references are its dependencies", () => {
    const { references = [] } = JSON.parse(read(path, "tsconfig.json"));
    const folders = references.map((reference: { path: string }) => reference.path.split("/").at(-1));
    expect(folders.sort()).toEqual([...dependencies].sort());
  });

  test("its sources import only what it depends on", () => {
    const allowed = new Set([manifest.name, ...dependenciesOf(manifest)]);
    const undeclared = shipped.flatMap((file) =>
      importsOf(join(path, "src", file))
        .filter((specifier) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
        .filter((specifier) => !allowed.has(specifier.match(/^(@[^/]+\/)?[^/]+/)![0]))
        .map((specifier) => `${file}: ${specifier}`),
    );
    expect(undeclared).toEqual([]);
  });

  if (isApp) return;

  test("a browser could load it: no import of Node's modules outside ./node", () => {
    const offenders = shipped
      .filter((file) => file !== "node.ts" && !file.startsWith("node/"))
      .filter((file) =>
        importsOf(join(path, "src", file)).some((specifier) => specifier.startsWith("node:")),
      );
    expect(offenders).toEqual([]);
  });
});
