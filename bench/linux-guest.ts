// The Linux guest that programs run in: Debian's kernel, and the initramfs with the benchmark program added.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchArchitecture } from "./architectures.ts";
import { FileTree, pullGuest, streamProgress, writeCpio } from "./built.ts";
import { BENCH_PATH } from "./guest-programs.ts";
import { appendArchive } from "./initrd.ts";
import type { LinuxGuest } from "./sides.ts";

export interface PreparedGuest {
  /** As it was pulled. */
  readonly plain: LinuxGuest;
  /** With the benchmark program at /bench. */
  readonly withPrograms: LinuxGuest;
  /** Kernel and distribution. */
  readonly description: string;
  /** Removes the files that were made. */
  readonly dispose: () => void;
}

/**
 * Pulls the guest if it is not in the cache.
 * @param memory MiB
 */
export async function prepareGuest(
  architecture: BenchArchitecture,
  memory: number,
  program: Uint8Array,
): Promise<PreparedGuest> {
  const { kernel, initrd, manifest } = await pullGuest(architecture.guest, {
    progress: streamProgress(process.stderr),
  });
  const tree = new FileTree().file(BENCH_PATH, program, 0o755);
  const folder = mkdtempSync(join(tmpdir(), "hypercraft-bench-"));
  const dispose = (): void => rmSync(folder, { recursive: true, force: true });
  // Also when a signal ends us.
  process.on("exit", dispose);
  const extended = join(folder, "initrd.cpio");
  writeFileSync(extended, appendArchive(readFileSync(initrd), writeCpio(tree, 0)));
  const plain = { architecture, kernel, initrd, append: manifest.commandLines.initramfs, memory };
  return {
    plain,
    withPrograms: { ...plain, initrd: extended },
    description: `Debian ${manifest.suiteVersion}, Linux ${manifest.kernelRelease}, ${memory} MiB`,
    dispose,
  };
}
