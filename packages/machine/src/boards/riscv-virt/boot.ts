import type { DeviceTree } from "../../fdt/tree.js";
import { RISCV64 } from "../../loaders/architecture.js";
import { type KernelImage, placeKernel, readKernel } from "../../loaders/kernel.js";
import { LoadPlan, type RamRange } from "../../loaders/plan.js";
import type { TreeBoot } from "../common/assemble.js";
import { AT_START, firstLoad, HIGH, placeDeviceTree, placeInitrd } from "../common/boot.js";
import { type AddressMap, QEMU_MAP } from "./address-map.js";
import type { RiscvVirtOptions } from "./options.js";

/** Where a boot begins. */
export interface BootPlan extends TreeBoot {
  /** OpenSBI's fw_dynamic takes the next stage from a structure that a2 points to. */
  readonly nextStage: number | undefined;
}

/** The kernel goes to RAM + 2 MiB, which leaves its first 2 MiB to firmware. */
const FIRMWARE_SPACE = 0x20_0000;
/** Where QEMU puts an initrd in a large RAM. */
const INITRD_OFFSET = 512 << 20;

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
  const initrdPlace = initrd && placeInitrd(plan, initrd, ram, usedTo, INITRD_OFFSET);

  const device = placeDeviceTree(
    plan,
    tree,
    ram,
    options,
    initrdPlace,
    map.deviceTree === "high" ? HIGH : AT_START,
  );
  const entry = options.entry ?? firmwarePlace?.entry ?? mainPlace?.entry ?? firstLoad(options.loads);
  return {
    plan,
    dtb: device.bytes,
    dtbAddress: device.address,
    entry,
    nextStage: firmware === undefined ? undefined : mainPlace?.entry,
    elf: main?.format === "elf" ? main.elf : first?.format === "elf" ? first.elf : undefined,
  };
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
