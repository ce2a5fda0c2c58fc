import type { KernelImage } from "../../loaders/kernel.js";
import type { BoardOptions } from "./options.js";

/** What of the board depends on what it is for. */
export type BoardVariant = Required<
  Pick<BoardOptions, "graphics" | "virtio" | "virtioVersion" | "virtioSlots" | "testConsole">
>;

/**
 * The options, or else their defaults; `version` is the map's. A flat image has been made for one machine and looks at no device
 * tree; it finds its devices where command lines for QEMU put them: on legacy transports, at one end or the other.
 */
export function boardVariant(
  options: BoardOptions,
  version: 1 | 2,
  kernel: KernelImage | undefined,
): BoardVariant {
  const flat = kernel?.format === "flat";
  return {
    graphics: options.graphics ?? flat,
    virtio: options.virtio ?? "mmio",
    virtioVersion: options.virtioVersion ?? (flat ? 1 : version),
    virtioSlots: options.virtioSlots ?? (flat ? "both" : "first"),
    testConsole: options.testConsole ?? false,
  };
}
