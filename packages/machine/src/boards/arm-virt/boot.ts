import type { DeviceTree } from "../../fdt/tree.js";
import { AARCH64 } from "../../loaders/architecture.js";
import { type KernelImage, placeKernel, readKernel } from "../../loaders/kernel.js";
import { LoadPlan, type RamRange } from "../../loaders/plan.js";
import type { TreeBoot } from "../common/assemble.js";
import { AT_START, firstLoad, placeDeviceTree, placeInitrd, type TreePlace } from "../common/boot.js";
import type { ArmAddressMap } from "./address-map.js";
import type { ArmVirtOptions } from "./options.js";

/** QEMU has boot code of its own at the start of RAM, and moves a kernel that would be in its way. */
const BOOT_CODE = 0x1000;
const KERNEL_ALIGNMENT = 2 << 20;
/** Where QEMU puts an initrd and a device tree in a large RAM. */
const INITRD_OFFSET = 128 << 20;

/** Place firmware, kernel, initrd and device tree in memory, as QEMU does. Throws MachineError naming what does not fit. */
export async function planBoot(
  options: ArmVirtOptions,
  main: KernelImage | undefined,
  map: ArmAddressMap,
  memory: number,
  tree: DeviceTree,
): Promise<TreeBoot> {
  const { firmware, initrd, flash = needsFlash(options, map.flash) } = options;
  const ram = { base: map.ram.base, size: memory };
  const plan = new LoadPlan(flash ? [ram, map.flash] : [ram]);
  for (const { name, address, bytes } of options.loads ?? []) plan.place({ name, address, bytes });
  const first = firmware && (await readKernel(firmware.bytes, firmware.name, AARCH64));
  const firmwarePlace =
    first && placeKernel(plan, first, first.format === "elf" ? {} : { address: map.flash.base });
  const mainPlace = main && placeKernel(plan, main, kernelAddress(main, map));
  const initrdPlace = initrd && placeInitrd(plan, initrd, ram, mainPlace?.end ?? ram.base, INITRD_OFFSET);
  const initrdEnd = initrdPlace && initrdPlace.address + initrdPlace.size;
  const startedAsLinux = firmware === undefined && main !== undefined && main.format !== "elf";
  const device = placeDeviceTree(
    plan,
    tree,
    ram,
    options,
    initrdPlace,
    startedAsLinux ? behindInitrd(ram, initrdEnd) : AT_START,
  );
  return {
    plan,
    dtb: device.bytes,
    dtbAddress: device.address,
    entry: options.entry ?? firmwarePlace?.entry ?? mainPlace?.entry ?? firstLoad(options.loads),
    elf: main?.format === "elf" ? main.elf : first?.format === "elf" ? first.elf : undefined,
  };
}

/** Whether something is to be in flash: firmware, or an image loaded there, as hypervisors find their guests. */
export function needsFlash({ mode, firmware, loads = [] }: ArmVirtOptions, flash: RamRange): boolean {
  // A guest of our hypervisor has nothing there.
  if (mode !== "bare") return false;
  return firmware !== undefined || loads.some(({ address }) => address < flash.base + flash.size);
}

/** Linux maps the 2 MiB that the device tree is in. */
function behindInitrd(ram: RamRange, initrdEnd: number | undefined): TreePlace {
  const above = initrdEnd ?? ram.base + Math.min(ram.size / 2, INITRD_OFFSET);
  return { prefer: "low", alignment: KERNEL_ALIGNMENT, above };
}

/** An ELF file has addresses of its own. */
function kernelAddress(kernel: KernelImage, { ram, kernelOffset }: ArmAddressMap): { address?: number } {
  if (kernel.format === "elf") return {};
  if (kernel.format === "flat") return { address: ram.base + kernelOffset };
  const { textOffset } = kernel.image;
  return { address: ram.base + textOffset + (textOffset < BOOT_CODE ? KERNEL_ALIGNMENT : 0) };
}
