// How long a fresh process takes to a guest's shell, how much memory it needs, and where the time goes.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GuestConsole } from "./guest-console.ts";
import { PATIENCE, PROMPT } from "./guest-programs.ts";
import { type CpuProfile, classifyProfile, type ProfileEntry } from "./profile.ts";

export interface BootSubject {
  readonly name: string;
  readonly command: readonly string[];
}

export interface BootMeasurement {
  readonly name: string;
  /** Milliseconds from the start of the process to the prompt, of each round. */
  readonly samples: readonly number[];
  /** Bytes in memory at the highest, of all rounds; undefined where the system does not tell. */
  readonly peakMemory: number | undefined;
}

/** Boots each subject in a process of its own, in turns. */
export async function measureBoots(
  subjects: readonly BootSubject[],
  rounds: number,
  progress: (line: string) => void,
): Promise<BootMeasurement[]> {
  const samples = subjects.map((): number[] => []);
  const memory = subjects.map((): number[] => []);
  for (let round = 1; round <= rounds; round++) {
    for (const [i, { name, command }] of subjects.entries()) {
      const start = performance.now();
      const console = new GuestConsole(name, command);
      try {
        await console.until(PROMPT, PATIENCE);
        const milliseconds = performance.now() - start;
        samples[i]?.push(milliseconds);
        memory[i]?.push(console.peakMemory() ?? Number.NaN);
        progress(`round ${round} of ${rounds}: boot, ${name} ${(milliseconds / 1000).toFixed(2)} s`);
      } finally {
        await console.close();
      }
    }
  }
  return subjects.map(({ name }, i) => {
    const peak = Math.max(...(memory[i] ?? []));
    return { name, samples: samples[i] ?? [], peakMemory: Number.isNaN(peak) ? undefined : peak };
  });
}

/** Microseconds between samples of the profile. */
const INTERVAL_US = 500;

/**
 * Boots once more under the profiler and tells where the time went.
 * @param command our command line with these options for Node and for the run
 */
export async function profileBoot(
  command: (nodeOptions: readonly string[]) => readonly string[],
): Promise<ProfileEntry[]> {
  const folder = mkdtempSync(join(tmpdir(), "hypercraft-profile-"));
  const profiler = ["--cpu-prof", `--cpu-prof-dir=${folder}`, "--cpu-prof-name=boot.cpuprofile"];
  const options = [...profiler, `--cpu-prof-interval=${INTERVAL_US}`];
  const console = new GuestConsole("the profiled boot", [...command(options), "--until", PROMPT.source]);
  try {
    await console.until(PROMPT, PATIENCE);
    // The profile is written when the process ends, as --until makes it do.
    await console.ended(PATIENCE);
    const text = readFileSync(join(folder, "boot.cpuprofile"), "utf8");
    return classifyProfile(JSON.parse(text) as CpuProfile);
  } finally {
    await console.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
