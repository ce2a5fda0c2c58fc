import type { EntryState } from "@hypercraft/arch-x86";
import { MachineError } from "../../errors.js";
import type { ElfFile } from "../../loaders/elf.js";
import { placeKernel } from "../../loaders/kernel.js";
import { LoadPlan } from "../../loaders/plan.js";
import { cString, viewOf } from "../../loaders/x86/bytes.js";
import { type BzImage, bootParameters, entryOf } from "../../loaders/x86/bzimage.js";
import { readX86Image, type X86Image } from "../../loaders/x86/image.js";
import type { MemoryRange } from "../../loaders/x86/memory-map.js";
import { MULTIBOOT_LOADED, multibootInformation, placeByAddresses } from "../../loaders/x86/multiboot.js";
import { pvhStartInformation } from "../../loaders/x86/pvh.js";
import type { VirtBoot } from "../virt/assemble.js";
import { firstLoad } from "../virt/boot.js";
import type { RamPiece } from "../virt/memory.js";
import type { NamedBytes } from "../virt/options.js";
import { CONVENTIONAL_END, LOW_RAM_END } from "./address-map.js";
import type { PcOptions } from "./options.js";
import type { Rom } from "./rom.js";

export interface PcBoot extends VirtBoot {
  readonly state: EntryState;
}

/** Where loaders have their structures: clear of the interrupt vectors and the BIOS data area. */
const STRUCTURES = { above: 0x9000, below: CONVENTIONAL_END } as const;
const MIB = 1 << 20;
const BOOT_SECTOR = { size: 512, address: 0x7c00, signature: 0xaa55 } as const;
const REAL_MODE_ADDRESS = 0x8000;
/** Multiboot and PVH promise flat segments and no table of them. */
const FLAT = { code: 0x10, data: 0x18 } as const;
const GDT_FLAT_CODE_64 = 0x00af_9b00_0000_ffffn;
const GDT_FLAT_DATA = 0x00cf_9300_0000_ffffn;
/** Entries of page tables: present, writable; a large page. */
const TABLE = 3n;
const LARGE = 0x83n;
const PAGE_SIZE = 4096;

/** What a boot finds on the board. */
export interface BootSurroundings {
  readonly ram: readonly RamPiece[];
  /** Firmware, which is entered instead of the kernel. */
  readonly rom: Rom | undefined;
  readonly map: readonly MemoryRange[];
  /** Address of the ACPI tables' root pointer; 0: there are none. */
  readonly rsdp: number;
}

interface Placing {
  readonly plan: LoadPlan;
  readonly options: PcOptions;
  readonly map: readonly MemoryRange[];
  readonly rsdp: number;
}

/** Place what a PC starts with. Throws MachineError naming what does not fit. */
export function planBoot(options: PcOptions, { ram, rom, map, rsdp }: BootSurroundings): PcBoot {
  const { kernel, loads = [], entry } = options;
  const plan = new LoadPlan(rom === undefined ? ram : [...ram, rom]);
  for (const { name, address, bytes } of loads) plan.place({ name, address, bytes });
  if (rom !== undefined) {
    rom.place(plan);
    return { plan, state: { kind: "reset" }, elf: undefined };
  }
  if (kernel === undefined) return { plan, state: stateAt(entry ?? firstLoad(loads)), elf: undefined };
  const image = readX86Image(kernel.bytes, kernel.name);
  const state = placeImage({ plan, options, map, rsdp }, image);
  return {
    plan,
    state: entry === undefined ? state : stateAt(entry),
    elf: "elf" in image ? image.elf : undefined,
  };
}

/** Real mode where it reaches, else protected mode. */
function stateAt(entry: number): EntryState {
  if (entry >= MIB) return { kind: "protected", pc: entry, ...FLAT };
  return { kind: "real", cs: Math.floor(entry / 0x1_0000) << 12, ip: entry % 0x1_0000, data: 0 };
}

function placeImage(placing: Placing, image: X86Image): EntryState {
  switch (image.format) {
    case "bzImage":
      return placeBzImage(placing, image.image);
    case "multiboot":
      return placeMultiboot(placing, image);
    case "pvh":
      return placePvh(placing, image.elf, image.entry);
    case "real": {
      const { bytes, name } = image;
      const address = isBootSector(bytes) ? BOOT_SECTOR.address : REAL_MODE_ADDRESS;
      placing.plan.place({ name, address, bytes });
      return stateAt(address);
    }
  }
}

function isBootSector(bytes: Uint8Array): boolean {
  const { size, signature } = BOOT_SECTOR;
  return bytes.length === size && viewOf(bytes).getUint16(size - 2, true) === signature;
}

function commandLine({ kernel, append = "" }: PcOptions): string {
  return append === "" ? kernel!.name : `${kernel!.name} ${append}`;
}

function structure({ plan }: Placing, name: string, bytes: Uint8Array, alignment = 16): number {
  return plan.fit({ name, bytes, alignment, ...STRUCTURES }).address;
}

/** A structure whose contents depend on its address. */
function selfNaming(placing: Placing, name: string, make: (address: number) => Uint8Array): number {
  const { length } = make(0);
  const bytes = new Uint8Array(length);
  const address = structure(placing, name, bytes);
  bytes.set(make(address));
  return address;
}

function placeInitrd({ plan }: Placing, initrd: NamedBytes | undefined, above: number, last: number) {
  if (initrd === undefined) return undefined;
  const { name, bytes } = initrd;
  const below = Math.min(last + 1, LOW_RAM_END);
  return plan.fit({ name, bytes, alignment: PAGE_SIZE, above, below, prefer: "high" });
}

function placeMultiboot(placing: Placing, image: Extract<X86Image, { format: "multiboot" }>): EntryState {
  const { plan, options, map } = placing;
  const { header, bytes, name, elf } = image;
  const { addresses } = header;
  const { entry, end } =
    addresses !== undefined
      ? placeByAddresses(plan, name, bytes, { ...header, addresses })
      : placeKernel(plan, { format: "elf", name, elf: elf! });
  const initrd =
    options.initrd && plan.fit({ ...options.initrd, alignment: PAGE_SIZE, above: Math.max(MIB, end) });
  const modules = initrd === undefined ? [] : [{ ...initrd, text: initrd.name }];
  const rbx = selfNaming(placing, "the multiboot information", (address) =>
    multibootInformation(address, commandLine(options), modules, map),
  );
  return { kind: "protected", pc: entry, ...FLAT, registers: { rax: MULTIBOOT_LOADED, rbx } };
}

function placePvh(placing: Placing, elf: ElfFile, entry: number): EntryState {
  const { plan, options, map, rsdp } = placing;
  const { end } = placeKernel(plan, { format: "elf", name: elf.name, elf });
  const initrd = placeInitrd(placing, options.initrd, Math.max(MIB, end), LOW_RAM_END);
  const rbx = selfNaming(placing, "the PVH start information", (address) =>
    pvhStartInformation(address, options.append ?? "", initrd, rsdp, map),
  );
  return { kind: "protected", pc: entry, ...FLAT, registers: { rbx } };
}

function placeBzImage(placing: Placing, image: BzImage): EntryState {
  const { plan, options, map, rsdp } = placing;
  const { name, code, memorySize, preferredAddress } = image;
  const text = cString(options.append ?? "");
  if (text.length - 1 > image.commandLineMax)
    throw new MachineError("OutOfRange", `${name}: takes a command line of ${image.commandLineMax} bytes`);
  const { address: load, size } = plan.place({ name, address: preferredAddress, bytes: code, memorySize });
  const initrd = placeInitrd(placing, options.initrd, load + size, image.initrdMax);
  const parameters = { commandLine: structure(placing, "the command line", text), initrd, rsdp, map, load };
  const rsi = structure(placing, "boot_params", bootParameters(image, parameters), PAGE_SIZE);
  const gdt = new BigUint64Array([0n, 0n, GDT_FLAT_CODE_64, GDT_FLAT_DATA]);
  const base = structure(placing, "the descriptor table", new Uint8Array(gdt.buffer));
  return {
    kind: "long",
    pc: entryOf(load),
    ...FLAT,
    gdt: { base, limit: gdt.byteLength - 1 },
    pageTable: identityMap(placing),
    registers: { rsi },
  };
}

/** Page tables that map the first 4 GiB to themselves by pages of 2 MiB; the address of the first. */
function identityMap(placing: Placing): number {
  const tables = new BigUint64Array((6 * PAGE_SIZE) / 8);
  const bytes = new Uint8Array(tables.buffer);
  const address = structure(placing, "the page tables", bytes, PAGE_SIZE);
  const table = (number: number) => BigInt(address + number * PAGE_SIZE) | TABLE;
  tables[0] = table(1);
  for (let i = 0; i < 4; i++) tables[512 + i] = table(2 + i);
  for (let i = 0; i < 2048; i++) tables[1024 + i] = (BigInt(i) << 21n) | LARGE;
  return address;
}
