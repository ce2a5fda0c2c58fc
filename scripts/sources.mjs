// Which sources of a package are compiled into its dist, and which files of a dist no source stands for any more.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * Every file below a folder, as sorted paths relative to it.
 * @param {string} folder
 * @returns {string[]}
 */
export function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  const walk = (/** @type {string} */ path) =>
    readdirSync(join(folder, path), { withFileTypes: true }).flatMap((entry) => {
      const below = path === "" ? entry.name : `${path}/${entry.name}`;
      return entry.isDirectory() ? walk(below) : [below];
    });
  return walk("").sort();
}

/** A tsconfig pattern as a regular expression; a folder stands for everything in it. */
function globPattern(/** @type {string} */ glob) {
  const parts = glob.split(/(\*\*\/|\*\*|\*)/).map((part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    return part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}(?:/.*)?$`);
}

/**
 * The TypeScript sources of a package that its build compiles, as paths relative to `src`.
 * @param {string} path
 * @returns {string[]}
 */
export function shippedSources(path) {
  const { exclude = [] } = JSON.parse(readFileSync(join(path, "tsconfig.json"), "utf8"));
  const patterns = exclude.map(globPattern);
  return filesBelow(join(path, "src")).filter(
    (file) => file.endsWith(".ts") && !patterns.some((/** @type {RegExp} */ p) => p.test(`src/${file}`)),
  );
}

/** Removes from a package's dist what was compiled from sources that are gone. */
export function pruneDist(/** @type {string} */ path) {
  const sources = new Set(shippedSources(path));
  for (const file of filesBelow(join(path, "dist"))) {
    if (!/\.(d\.ts|js)$/.test(file)) continue;
    if (!sources.has(file.replace(/\.(d\.ts|js)$/, ".ts"))) rmSync(join(path, "dist", file));
  }
}
