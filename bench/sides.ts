// The two machines that are compared: how each is started with a Linux guest.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BenchArchitecture } from "./architectures.ts";
import type { Mode, Tier } from "./arguments.ts";

/** A Linux guest with an initramfs. */
export interface LinuxGuest {
  readonly architecture: BenchArchitecture;
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /** MiB. */
  readonly memory: number;
}

export interface HypercraftChoice {
  readonly mode: Mode;
  readonly tier: Tier;
  /** For bare mode. */
  readonly firmware: string | undefined;
}

/** Where OpenSBI's dynamic firmware is installed: by its own package, or with QEMU. */
const FIRMWARE_PATHS: readonly string[] = [
  "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
  "/usr/share/opensbi/lp64/generic/firmware/fw_dynamic.bin",
  "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
  "/usr/local/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
  "/opt/homebrew/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
];

export const findFirmware = (): string | undefined => FIRMWARE_PATHS.find((path) => existsSync(path));

/** Our command line, under the Node that runs this. */
export function hypercraftCommand(
  root: string,
  guest: LinuxGuest,
  { mode, tier, firmware }: HypercraftChoice,
  nodeOptions: readonly string[] = [],
): string[] {
  const cli = join(root, "apps/runner/bin/hypercraft.js");
  const memory = ["--memory", `${guest.memory}M`];
  const arch = ["--arch", guest.architecture.name];
  const images = ["--kernel", guest.kernel, "--initrd", guest.initrd, "--append", guest.append];
  const { needsFirmware } = guest.architecture;
  const bios = mode === "bare" && needsFirmware && firmware !== undefined ? ["--bios", firmware] : [];
  const how = ["--mode", mode, "--tier", tier];
  return [process.execPath, ...nodeOptions, cli, "run", ...arch, ...memory, ...images, ...bios, ...how];
}

/** QEMU's translator on the board that ours is made after, with one processor; its firmware is its own. */
export function qemuCommand(qemu: readonly string[], guest: LinuxGuest): string[] {
  const machine = ["-accel", "tcg", "-smp", "1", "-m", `${guest.memory}M`, "-nographic", "-no-reboot"];
  const board = [...guest.architecture.board, ...machine];
  return [...qemu, ...board, "-kernel", guest.kernel, "-initrd", guest.initrd, "-append", guest.append];
}
