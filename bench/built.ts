// The repository's own build, which the benchmarks run: types come from the sources, code from dist.
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

const runner = (path: string): Promise<unknown> =>
  import(new URL(`../apps/runner/dist/${path}`, import.meta.url).href);

export const { findGuest, pullGuest, streamProgress, FileTree } = (await runner(
  "guests/index.js",
)) as typeof import("../apps/runner/src/guests/index.ts");

export const { writeCpio } = (await runner(
  "guests/archive/cpio.js",
)) as typeof import("../apps/runner/src/guests/archive/cpio.ts");
