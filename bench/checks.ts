// The results that programs must have: what QEMU computed, committed beside the program.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** Check of each program, by the percentage of its work. */
export type Checks = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Of `bench-ARCH.elf`, where its checks are. */
export const checksPath = (benchPath: string): string => benchPath.replace(/\.elf$/, ".json");

export function readChecks(path: string): Checks {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Checks) : {};
}

export function writeChecks(path: string, percent: number, found: Readonly<Record<string, string>>): void {
  const all = readChecks(path);
  const merged = { ...all, [percent]: { ...all[percent], ...found } };
  writeFileSync(path, `${JSON.stringify(merged, null, 2)}\n`);
}
