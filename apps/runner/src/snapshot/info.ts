import { bytesText, readSnapshot, snapshotHash } from "@hypercraft/machine";
import type { CliIo } from "../io.js";
import { readSnapshotFile } from "./read.js";

/** Prints what a snapshot file holds. The hash is that of the machine's state: equal states have equal hashes. */
export async function printSnapshotInfo(name: string, io: CliIo): Promise<void> {
  const { machine, instructions, state } = await readSnapshotFile(name);
  const snapshot = await readSnapshot(state, name);
  const saved = snapshot.ram.flatMap(({ pages }) => pages).reduce((sum, { length }) => sum + length, 0);
  const { arch, mode, cpus, memory, deterministic } = machine;
  const { bios, guestBios, kernel, initrd, modules = [], dtb } = machine;
  const ownBios = guestBios === "own" ? { name: "the guest BIOS" } : guestBios;
  const images = [bios, ownBios, kernel, initrd, ...modules.map(({ file }) => file), dtb].flatMap(
    (file) => file?.name ?? [],
  );
  const lines: readonly (readonly [string, string])[] = [
    ["machine", `${arch}, ${snapshot.machine}, ${mode} mode, ${cpus} CPU${cpus === 1 ? "" : "s"}`],
    ["memory", `${bytesText(memory)}, of which ${bytesText(saved)} are not zero`],
    ["time", deterministic ? "deterministic" : "real"],
    ["instructions", String(instructions)],
    ["images", images.length === 0 ? "the embedded guest" : images.join(", ")],
    ...machine.disks.map(({ file, mode: how }) => ["disk", `${file.name}, ${how}`] as const),
    ["hash", snapshotHash(snapshot)],
  ];
  for (const [label, text] of lines) io.stdout.write(`${label.padEnd(13)} ${text}\n`);
}
