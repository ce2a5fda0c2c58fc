import { randomInt } from "node:crypto";
import type { MachineConfig } from "../config/run-config.js";
import type { FileRef } from "../config/setting-reader.js";
import { readImage } from "../files/input-file.js";
import type { MachineHost, MachineParts } from "./contract.js";

/** The contents of all files that are loaded into a machine. */
export type MachineImages = Pick<
  MachineParts,
  "kernel" | "initrd" | "modules" | "firmware" | "guestBios" | "dtb" | "loads"
>;

/**
 * Reads the images of a configuration. Where it names nothing to run, that is the embedded guest.
 * @throws CliError naming the file that cannot be read.
 */
export async function readImages(
  config: MachineConfig,
  embeddedGuest: () => Uint8Array,
): Promise<MachineImages> {
  const read = async (file: FileRef | undefined) => (file === undefined ? undefined : await readImage(file));
  const nothing = config.kernel === undefined && config.bios === undefined && config.loads.length === 0;
  const kernel = nothing ? { name: "embedded guest", bytes: embeddedGuest() } : await read(config.kernel);
  const initrd = await read(config.initrd);
  const modules = [];
  for (const { file, text } of config.modules ?? [])
    modules.push({ ...(await readImage(file)), ...(text !== undefined && { arguments: text }) });
  const firmware = await read(config.bios);
  const guestBios =
    config.guestBios === "own"
      ? { name: "the guest BIOS", bytes: (await import("@hypercraft/embedded-guest")).guestBios() }
      : await read(config.guestBios);
  const dtb = await read(config.dtb);
  const loads = [];
  for (const { file, address } of config.loads) loads.push({ ...(await readImage(file)), address });
  return {
    ...(kernel && { kernel }),
    ...(initrd && { initrd }),
    ...(config.modules && { modules }),
    ...(firmware && { firmware }),
    ...(guestBios && { guestBios }),
    ...(dtb && { dtb }),
    loads,
  };
}

/** Everything a board asks for. The date of a machine in real time is today's, its seed a fresh one. */
export function machineParts(config: MachineConfig, images: MachineImages, host: MachineHost): MachineParts {
  const { mode, memory, cpus, map, append, entry, deterministic } = config;
  const { graphics, virtio, virtioVersion, virtioSlots, gic, semihosting, testConsole } = config;
  return {
    ...host,
    ...images,
    ...{ mode, memory, cpus, map },
    ...(graphics !== undefined && { graphics }),
    ...(virtio !== undefined && { virtio }),
    ...(virtioSlots !== undefined && { virtioSlots }),
    ...(virtioVersion !== undefined && { virtioVersion }),
    ...(gic !== undefined && { gic }),
    ...(semihosting && { semihosting }),
    testConsole,
    ...(append !== undefined && { append }),
    ...(entry !== undefined && { entry }),
    ...(!deterministic && { epochNs: BigInt(Date.now()) * 1_000_000n }),
    seed: config.seed ?? (deterministic ? 1 : randomInt(2 ** 47)),
  };
}
