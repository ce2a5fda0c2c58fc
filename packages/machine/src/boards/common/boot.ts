import { SeededEntropy } from "../../devices/seeded-entropy.js";
import { MachineError } from "../../errors.js";
import { patchChosen, patchMemory } from "../../fdt/patch.js";
import { readFdt } from "../../fdt/reader.js";
import type { DeviceTree } from "../../fdt/tree.js";
import { writeFdt } from "../../fdt/writer.js";
import type { FitRequest, LoadPlan, RamRange } from "../../loaders/plan.js";
import type { BoardOptions, NamedBytes } from "./options.js";

// Where a boot's images go, as far as that is the same on all boards.

const RNG_SEED_BYTES = 32;
/** Kept free at the end of RAM for the device tree. */
const DTB_SPACE = 4 << 20;
/** Room for what firmware adds to a device tree. */
const DTB_SLACK = 0x2000;

/** Where in RAM a device tree goes. */
export type TreePlace = Pick<FitRequest, "alignment" | "prefer" | "above">;
/** The lowest place that is free. */
export const AT_START: TreePlace = { prefer: "low" };
/** As high as it fits. */
export const HIGH: TreePlace = { prefer: "high", alignment: 2 << 20 };

/** The board's device tree, or the one given instead, with command line, initrd and seed in it, put into RAM. */
export function placeDeviceTree(
  plan: LoadPlan,
  tree: DeviceTree,
  ram: RamRange,
  options: BoardOptions,
  initrd: { readonly address: number; readonly size: number } | undefined,
  where: TreePlace,
): { readonly bytes: Uint8Array; readonly address: number } {
  const finished = options.dtb === undefined ? tree : readFdt(options.dtb.bytes, options.dtb.name);
  if (options.dtb !== undefined) patchMemory(finished, [ram]);
  patchChosen(finished, {
    bootargs: options.append ?? (options.dtb === undefined ? "" : undefined),
    // Without it a kernel has no entropy to start with, and makes up for that with every random number it needs.
    rngSeed: rngSeed(options.seed ?? 1),
    initrd: initrd && { address: initrd.address, size: initrd.size },
  });
  const bytes = writeFdt(finished);
  const { address } = plan.fit({
    name: "the device tree",
    bytes,
    memorySize: bytes.length + DTB_SLACK,
    ...where,
    above: where.above ?? ram.base,
    // The kernel's linear map must reach it while it still uses its first page table.
    below: Math.min(ram.base + ram.size, ram.base + 0x4000_0000),
  });
  return { bytes, address };
}

/** What a kernel's random numbers start from. */
export function rngSeed(seed: number): Uint8Array {
  const bytes = new Uint8Array(RNG_SEED_BYTES);
  new SeededEntropy(seed).fill(bytes);
  return bytes;
}

/**
 * Where QEMU puts it: in the middle of RAM or `farthest` bytes from its start, which is clear of what firmware
 * copies behind the kernel (fw_jump: the device tree); in a small RAM, wherever there is room.
 */
export function placeInitrd(
  plan: LoadPlan,
  initrd: NamedBytes,
  ram: RamRange,
  usedTo: number,
  farthest: number,
) {
  const request = { name: initrd.name, bytes: initrd.bytes, prefer: "low", alignment: 1 << 21 } as const;
  const above = Math.max(usedTo, ram.base + Math.min(ram.size / 2, farthest));
  const fits = above + initrd.bytes.length + DTB_SPACE <= ram.base + ram.size;
  return plan.fit({ ...request, above: fits ? above : usedTo });
}

/** Where to start when there is only an image without a meaning of its own. Throws MachineError without any. */
export function firstLoad(loads: BoardOptions["loads"]): number {
  const [first] = loads ?? [];
  if (first === undefined)
    throw new MachineError("InvalidParam", "nothing to run: no kernel, firmware or image is given");
  return first.address;
}
