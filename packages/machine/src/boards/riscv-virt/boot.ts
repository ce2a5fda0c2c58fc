import { SeededEntropy } from "../../devices/seeded-entropy.js";
import { MachineError } from "../../errors.js";
import { patchChosen, patchMemory } from "../../fdt/patch.js";
import { readFdt } from "../../fdt/reader.js";
import type { DeviceTree } from "../../fdt/tree.js";
import { writeFdt } from "../../fdt/writer.js";
import { RISCV64 } from "../../loaders/architecture.js";
import type { ElfFile } from "../../loaders/elf.js";
import { type KernelImage, placeKernel, readKernel } from "../../loaders/kernel.js";
import { LoadPlan, type RamRange } from "../../loaders/plan.js";
import type { NamedBytes } from "../virt/options.js";
import { type AddressMap, QEMU_MAP } from "./address-map.js";
import type { RiscvVirtOptions } from "./options.js";

/** Where a boot begins. */
export interface BootPlan {
  readonly plan: LoadPlan;
  readonly dtb: Uint8Array;
  readonly dtbAddress: number;
  /** First pc of every hart. */
  readonly entry: number;
  /** OpenSBI's fw_dynamic takes the next stage from a structure that a2 points to. */
  readonly nextStage: number | undefined;
  /** The ELF file that symbols (tohost, begin_signature) are looked up in. */
  readonly elf: ElfFile | undefined;
}

const RNG_SEED_BYTES = 32;
/** Kept free at the end of RAM for the device tree. */
const DTB_SPACE = 4 << 20;
/** Room for what firmware adds to a device tree. */
const DTB_SLACK = 0x2000;
/** The kernel goes to RAM + 2 MiB, which leaves its first 2 MiB to firmware. */
const FIRMWARE_SPACE = 0x20_0000;

/** Place firmware, kernel, initrd and device tree in RAM. Throws MachineError naming what does not fit. */
export async function planBoot(
  options: RiscvVirtOptions,
  main: KernelImage | undefined,
  map: AddressMap,
  memory: number,
  tree: DeviceTree,
): Promise<BootPlan> {
  const { firmware, initrd } = options;
  const ram = { base: map.ram.base, size: memory };
  const plan = new LoadPlan([ram, map.mrom]);
  for (const { name, address, bytes } of options.loads ?? []) plan.place({ name, address, bytes });
  const first = firmware && (await image(firmware));
  const firmwarePlace =
    first && placeKernel(plan, first, first.format === "flat" ? { address: ram.base } : {});
  const mainPlace = main && placeKernel(plan, main, kernelAddress(main, map, ram));
  const usedTo = Math.max(mainPlace?.end ?? 0, firmwarePlace?.end ?? 0, ram.base + FIRMWARE_SPACE);
  const initrdPlace = initrd && placeInitrd(plan, initrd, ram, usedTo);

  const finished = options.dtb === undefined ? tree : readFdt(options.dtb.bytes, options.dtb.name);
  if (options.dtb !== undefined) patchMemory(finished, [ram]);
  patchChosen(finished, {
    bootargs: options.append ?? (options.dtb === undefined ? "" : undefined),
    // Without it a kernel has no entropy to start with, and makes up for that with every random number it needs.
    rngSeed: rngSeed(options.seed ?? 1),
    initrd: initrdPlace && { address: initrdPlace.address, size: initrdPlace.size },
  });
  const dtb = writeFdt(finished);
  const dtbPlace = plan.fit({
    name: "the device tree",
    bytes: dtb,
    memorySize: dtb.length + DTB_SLACK,
    above: ram.base,
    alignment: map.deviceTree === "high" ? 1 << 21 : 4096,
    prefer: map.deviceTree === "high" ? "high" : "low",
    // The kernel's linear map must reach it while it still uses its first page table.
    below: Math.min(ram.base + memory, ram.base + 0x4000_0000),
  });
  const entry = options.entry ?? firmwarePlace?.entry ?? mainPlace?.entry ?? firstLoad(options);
  return {
    plan,
    dtb,
    dtbAddress: dtbPlace.address,
    entry,
    nextStage: firmware === undefined ? undefined : mainPlace?.entry,
    elf: main?.format === "elf" ? main.elf : first?.format === "elf" ? first.elf : undefined,
  };
}

function rngSeed(seed: number): Uint8Array {
  const bytes = new Uint8Array(RNG_SEED_BYTES);
  new SeededEntropy(seed).fill(bytes);
  return bytes;
}

/**
 * Where QEMU puts it, which is clear of what firmware copies behind the kernel (fw_jump: the device tree);
 * in a small RAM, wherever there is room.
 */
function placeInitrd(plan: LoadPlan, initrd: NamedBytes, ram: RamRange, usedTo: number) {
  const request = { name: initrd.name, bytes: initrd.bytes, prefer: "low", alignment: 1 << 21 } as const;
  const above = Math.max(usedTo, ram.base + Math.min(ram.size / 2, 512 << 20));
  const fits = above + initrd.bytes.length + DTB_SPACE <= ram.base + ram.size;
  return plan.fit({ ...request, above: fits ? above : usedTo });
}

function image(file: { readonly name: string; readonly bytes: Uint8Array }) {
  return readKernel(file.bytes, file.name, RISCV64);
}

/** An ELF file has its own addresses; one made for QEMU's map, as the embedded guest, moves with RAM. */
function kernelAddress(kernel: KernelImage, map: AddressMap, ram: RamRange): { address?: number } {
  if (kernel.format !== "elf") return { address: map.ram.base + map.kernelOffset };
  const inRam = kernel.elf.segments.every((segment) => segment.physicalAddress >= ram.base);
  return { address: inRam ? 0 : map.ram.base - QEMU_MAP.ram.base };
}

function firstLoad({ loads }: RiscvVirtOptions): number {
  const [first] = loads ?? [];
  if (first === undefined)
    throw new MachineError("InvalidParam", "nothing to run: no kernel, firmware or image is given");
  return first.address;
}
