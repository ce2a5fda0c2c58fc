import type { GuestChoice, MachineConfig } from "../config/run-config.js";
import { CliError } from "../errors.js";
import { findGuest, GuestError, guestCatalog, pullGuest, streamProgress } from "../guests/index.js";
import type { CliIo } from "../io.js";
import type { ReadyArchitecture } from "../machine/architectures.js";

/**
 * The machine of a pulled guest: its kernel, initrd and command line, and its disk as an overlay where that is
 * asked for. Pulls it when it is not in the cache.
 * @throws CliError for a guest of another architecture; GuestError when there is none or it cannot be pulled.
 */
export async function withGuest(
  machine: MachineConfig,
  { name, disk }: GuestChoice,
  architecture: ReadyArchitecture,
  io: Pick<CliIo, "env" | "stderr">,
): Promise<MachineConfig> {
  const recipe = guestCatalog.find((one) => one.name === name);
  if (recipe !== undefined && recipe.architecture !== architecture.debianName)
    throw new CliError(
      `--guest: ${name} is for ${recipe.architecture}, and the machine is ${architecture.name}`,
    );
  const guest = await cachedOrPulled(name, io);
  const { commandLines } = guest.manifest;
  const file = (path: string) => ({ name: path, path });
  return {
    ...machine,
    kernel: file(guest.kernel),
    initrd: file(guest.initrd),
    append: machine.append ?? (disk ? commandLines.disk : commandLines.initramfs),
    disks: disk ? [{ file: file(guest.disk), mode: "overlay" }, ...machine.disks] : machine.disks,
  };
}

async function cachedOrPulled(name: string, { env, stderr }: Pick<CliIo, "env" | "stderr">) {
  try {
    return await findGuest(name, { env });
  } catch (error) {
    if (!(error instanceof GuestError) || error.code !== "NotPulled") throw error;
    return pullGuest(name, { env, progress: streamProgress(stderr) });
  }
}
