import { MachineError } from "../../errors.js";
import { decompress } from "../../loaders/decompress.js";
import { looksLikeElf } from "../../loaders/elf.js";
import type { PcEntry } from "../../loaders/pc/entry.js";
import { type PcKernel, placePcKernel } from "../../loaders/pc/kernel.js";
import type { MemoryMapEntry } from "../../loaders/pc/memory-map.js";
import { placeRealMode, placeRom } from "../../loaders/pc/rom.js";
import { LoadPlan, type RamRange } from "../../loaders/plan.js";
import type { BoardBoot } from "../common/assemble.js";
import { firstLoad, rngSeed } from "../common/boot.js";
import type { NamedBytes } from "../common/options.js";
import { ACPI_TABLES } from "./acpi.js";
import { placeBios } from "./bios.js";
import { MP_TABLE } from "./mp-table.js";
import type { PcOptions } from "./options.js";

export interface PcStart extends BoardBoot {
  readonly state: PcEntry;
  /** The code counts on what a BIOS leaves in memory, and on its interrupts. */
  readonly afterBios?: boolean;
}

const MIB = 1 << 20;
const BOOT_SECTOR = { size: 512, address: 0x7c00, signature: [0x55, 0xaa] } as const;
const REAL_MODE_ADDRESS = 0x8000;
/** Where a guest BIOS finds the kernel. */
const FLAT_KERNEL = 0x20_0000;

/** What a boot finds on the board. */
export interface BootSurroundings {
  readonly memory: readonly RamRange[];
  readonly map: readonly MemoryMapEntry[];
  /** The ACPI tables for kernels, which firmware would write. */
  readonly acpi: Uint8Array;
  /** The same for those that do not know ACPI. */
  readonly mp: Uint8Array;
}

/** Place what a PC starts with: `kernel` is the one of the options, read. Throws MachineError naming what does not fit. */
export async function planBoot(
  options: PcOptions,
  kernel: PcKernel | undefined,
  { memory, map: memoryMap, acpi, mp }: BootSurroundings,
): Promise<PcStart> {
  const { firmware, initrd, modules = [], append, loads = [], entry } = options;
  const plan = new LoadPlan(memory);
  for (const { name, address, bytes } of loads) plan.place({ name, address, bytes });
  if (firmware !== undefined)
    return { plan, state: placeRom(plan, firmware.name, firmware.bytes).entry, elf: undefined };
  if (options.guestBios !== undefined) return planGuestBios(plan, options.guestBios, options);
  if (kernel === undefined) return { plan, state: stateAt(entry ?? firstLoad(loads)), elf: undefined };
  plan.place({ name: "the ACPI tables", address: ACPI_TABLES, bytes: acpi });
  plan.place({ name: "the MP table", address: MP_TABLE, bytes: mp });
  const afterBios = kernel.format === "multiboot" || kernel.format === "flat";
  if (afterBios) placeBios(plan);
  const placed = placePcKernel(plan, kernel, {
    memoryMap,
    rsdp: ACPI_TABLES,
    commandLine: append,
    modules: initrd === undefined ? modules : [initrd, ...modules],
    address: kernel.format === "flat" ? flatAddress(kernel.bytes) : undefined,
    seed: rngSeed(options.seed ?? 1),
  });
  const state = entry === undefined ? placed.entry : stateAt(entry);
  return { plan, state, afterBios, elf: elfOf(kernel) };
}

/** The BIOS and a flat kernel, if that is not among what is loaded besides. */
async function planGuestBios(plan: LoadPlan, bios: NamedBytes, options: PcOptions): Promise<PcStart> {
  const { kernel, loads = [] } = options;
  // There is no way to tell the kernel of these.
  for (const [option, what] of [
    ["initrd", "an initrd"],
    ["modules", "modules"],
    ["append", "a command line"],
    ["entry", "an entry"],
  ] as const)
    if (options[option] !== undefined)
      throw new MachineError("InvalidParam", `${bios.name}: a guest BIOS takes no kernel with ${what}`);
  if (kernel === undefined && loads.length === 0)
    throw new MachineError("InvalidParam", `${bios.name}: a guest BIOS needs a kernel`);
  if (kernel !== undefined) {
    const bytes = await decompress(kernel.bytes, kernel.name);
    if (looksLikeElf(bytes))
      throw new MachineError("BadImage", `${kernel.name}: a guest BIOS enters flat images, no ELF files`);
    plan.place({ name: kernel.name, address: FLAT_KERNEL, bytes });
  }
  const { entry: state } = placeRealMode(plan, bios.name, bios.bytes, REAL_MODE_ADDRESS);
  return { plan, state, elf: undefined };
}

/** Real mode where it reaches, else protected mode. */
function stateAt(entry: number): PcEntry {
  if (entry >= MIB) return { kind: "protected", pc: entry, code: 0x08, data: 0x10 };
  return { kind: "real", cs: Math.floor(entry / 0x1_0000) << 12, ip: entry % 0x1_0000, data: 0 };
}

function flatAddress(bytes: Uint8Array): number {
  const { size, address, signature } = BOOT_SECTOR;
  const isBootSector = bytes.length === size && signature.every((byte, i) => bytes[size - 2 + i] === byte);
  return isBootSector ? address : REAL_MODE_ADDRESS;
}

function elfOf(kernel: PcKernel) {
  if (kernel.format === "multiboot") return kernel.kernel.elf;
  return "elf" in kernel ? kernel.elf : undefined;
}
