// The packages' own benchmarks, packages/*/bench/*.bench.ts: programs that print what they measured.
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { packageFolders } from "../scripts/workspace.mjs";
import { root } from "./built.ts";

/** Paths relative to the root. */
export function packageBenches(): string[] {
  return packageFolders().flatMap((folder) => {
    const path = join(root, folder, "bench");
    const files = existsSync(path) ? readdirSync(path).filter((file) => file.endsWith(".bench.ts")) : [];
    return files.sort().map((file) => `${folder}/bench/${file}`);
  });
}

/** Runs one in a process of its own, on this terminal; gives its exit code. */
export function runPackageBench(path: string): Promise<number> {
  console.log(`\n${path}`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path], { cwd: root, stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
