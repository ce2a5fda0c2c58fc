import type { LoadPlan } from "../plan.js";
import type { MemoryMapEntry } from "./memory-map.js";

/** General registers that have a value at entry; the others are 0. */
export type EntryRegisters = Partial<
  Record<"rax" | "rbx" | "rcx" | "rdx" | "rsi" | "rdi" | "rsp" | "rbp", number>
>;

interface FlatEntry {
  /** Address of the first instruction. */
  readonly pc: number;
  /** Selectors of code and of data, in a table at `gdt` where the protocol promises one. */
  readonly code: number;
  readonly data: number;
  readonly gdt?: { readonly base: number; readonly limit: number };
  readonly registers?: EntryRegisters;
}

/** The state in which a boot protocol has a processor enter what was loaded. */
export type PcEntry =
  /** 32-bit protected mode without paging, flat segments, interrupts off. */
  | ({ readonly kind: "protected" } & FlatEntry)
  /** 64-bit mode with page tables. */
  | ({ readonly kind: "long"; readonly pageTable: number } & FlatEntry)
  /** Real mode; `data` is in all segment registers but CS. */
  | {
      readonly kind: "real";
      readonly cs: number;
      readonly ip: number;
      readonly data: number;
      readonly registers?: EntryRegisters;
    }
  /** The reset vector, 0xffff_fff0. */
  | { readonly kind: "reset" };

/** What of a PC kernel's boot is known once it has its place. */
export interface PcBoot {
  readonly entry: PcEntry;
  /** Range of memory that the kernel takes. */
  readonly start: number;
  readonly end: number;
}

/** A file that goes along. */
export interface BootModule {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What the kernel is told about it. */
  readonly arguments?: string;
}

/** What boot protocols tell a kernel. */
export interface PcBootOptions {
  readonly memoryMap: readonly MemoryMapEntry[];
  readonly commandLine?: string | undefined;
  /** The first one is Linux's initrd. */
  readonly modules?: readonly BootModule[] | undefined;
  /** Address of ACPI's root pointer. */
  readonly rsdp?: number | undefined;
  /** Entropy to start with. */
  readonly seed?: Uint8Array | undefined;
}

/** What loaders leave for the kernel lies between the BIOS' data and its extended data. */
const LOW = { above: 0x1000, below: 0x9_fc00, prefer: "low" } as const;

/** A place below 640 KiB for what a boot protocol hands over. */
export function placeLow(plan: LoadPlan, name: string, bytes: Uint8Array, alignment = 4096): number {
  return plan.fit({ name, bytes, alignment, ...LOW }).address;
}

/** A command line as GRUB makes it: it begins with the file's name. */
export function lineOf(name: string, rest = ""): string {
  return rest === "" ? name : `${name} ${rest}`;
}

/** A zero-terminated string. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** Selectors that Linux's boot protocol has for flat segments, and the table with both. */
export const BOOT_CODE = 0x10;
export const BOOT_DATA = 0x18;

/** Descriptors 0 and 1 null, 2 code of 32 or 64 bits, 3 data. */
export function placeBootGdt(
  plan: LoadPlan,
  bits: 32 | 64,
): { readonly base: number; readonly limit: number } {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(BOOT_CODE, bits === 64 ? 0x00af_9b00_0000_ffffn : 0x00cf_9b00_0000_ffffn, true);
  view.setBigUint64(BOOT_DATA, 0x00cf_9300_0000_ffffn, true);
  return { base: placeLow(plan, "the boot descriptor table", bytes, 8), limit: bytes.length - 1 };
}

const PAGE = 4096;
const TABLES = 6;

/** Tables that map the first 4 GiB to themselves by pages of 2 MiB. Gives the address of the level-4 table. */
export function placeIdentityMap(plan: LoadPlan): number {
  const bytes = new Uint8Array(TABLES * PAGE);
  const base = placeLow(plan, "the boot page tables", bytes);
  const view = new DataView(bytes.buffer);
  const entry = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  const PRESENT_WRITABLE = 3;
  const LARGE = 0x80;
  entry(0, base + PAGE + PRESENT_WRITABLE);
  for (let i = 0; i < 4; i++) entry(PAGE + 8 * i, base + (2 + i) * PAGE + PRESENT_WRITABLE);
  for (let i = 0; i < 4 * 512; i++) entry(2 * PAGE + 8 * i, i * 0x20_0000 + LARGE + PRESENT_WRITABLE);
  return base;
}
