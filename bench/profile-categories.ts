// What a function of the repository works at, by the file it is in. A profile's time is sorted with this table.

export const CATEGORIES = [
  "guest code, interpreted",
  "guest code, compiled",
  "translating blocks",
  "compiling regions",
  "finding blocks to go on with",
  "page walks and TLB fills",
  "traps, CSRs, fences",
  "exits, hypervisor, run loop",
  "devices and console",
  "start-up and images",
  "garbage collection",
  "waiting",
  "the rest",
] as const;
export type Category = (typeof CATEGORIES)[number];

export interface Row {
  /** A file, or a folder with a slash behind it, as `package/path` below `src` or `dist`, without extension. */
  readonly path: string;
  /** Only these functions of the file. */
  readonly functions?: readonly string[];
  readonly category: Category;
}

const row = (category: Category, path: string, ...functions: string[]): Row =>
  functions.length === 0 ? { path, category } : { path, functions, category };

/**
 * The first row that fits counts. What fits none (helpers that everybody uses: WebAssembly emitter, IR, builtins)
 * works at what its caller works at.
 */
export const ROWS: readonly Row[] = [
  row("compiling regions", "engine/hot/"),
  row("finding blocks to go on with", "engine/tlb/lookup-tables"),
  row("page walks and TLB fills", "engine/tlb/"),
  row("page walks and TLB fills", "engine/core/slow-path"),
  row("page walks and TLB fills", "arch-riscv/cpu/mmu"),
  row("page walks and TLB fills", "arch-riscv/cpu/g-stage"),
  row("page walks and TLB fills", "arch-riscv/cpu/paging"),
  row("page walks and TLB fills", "arch-riscv/cpu/pmp"),
  row("page walks and TLB fills", "arch-arm/cpu/mmu"),
  row("page walks and TLB fills", "arch-arm/cpu/stage2"),
  row("page walks and TLB fills", "arch-arm/cpu/table-walk"),
  row("page walks and TLB fills", "arch-x86/cpu/mmu"),
  row("page walks and TLB fills", "arch-x86/cpu/vmx/ept"),
  row("translating blocks", "engine/code/translator"),
  row("translating blocks", "engine/passes/"),
  row("translating blocks", "engine/cold/lower"),
  row("translating blocks", "engine/cold/fuse"),
  row("translating blocks", "engine/code/store", "add"),
  row("translating blocks", "arch-riscv/isa/"),
  row("translating blocks", "arch-arm/isa/"),
  row("translating blocks", "arch-x86/isa/"),
  row("finding blocks to go on with", "engine/code/"),
  row("finding blocks to go on with", "engine/core/"),
  row("start-up and images", "engine/cold/interpreter"),
  row("start-up and images", "engine/cold/interpreter/"),
  row("start-up and images", "machine/loaders/"),
  row("start-up and images", "machine/fdt/"),
  row("start-up and images", "machine/boards/"),
  row("start-up and images", "machine/machine/builder"),
  row("devices and console", "machine/devices/"),
  row("devices and console", "machine/io/"),
  row("devices and console", "machine/console/"),
  row("devices and console", "machine/disk/"),
  row("devices and console", "arch-riscv/interrupts/"),
  row("devices and console", "arch-x86/interrupts/"),
  row("devices and console", "runner/console/"),
  row("exits, hypervisor, run loop", "machine/"),
  row("exits, hypervisor, run loop", "arch-riscv/hypervisor/"),
  row("exits, hypervisor, run loop", "arch-arm/hypervisor/"),
  row("exits, hypervisor, run loop", "arch-x86/hypervisor/"),
  row("exits, hypervisor, run loop", "hypercraft/"),
  row("exits, hypervisor, run loop", "runner/run/session"),
  row("traps, CSRs, fences", "arch-riscv/cpu/"),
  row("traps, CSRs, fences", "arch-arm/cpu/"),
  row("traps, CSRs, fences", "arch-x86/cpu/"),
  row("start-up and images", "runner/"),
];

/** `package/path` of a file of the repository's build or sources; undefined for others. */
export function repositoryPath(url: string): string | undefined {
  const match = /\/(?:packages|apps)\/([^/]+)\/(?:src|dist)\/(.+)\.[jt]s$/.exec(url);
  return match === null ? undefined : `${match[1]}/${match[2]}`;
}

/** What a function works at; undefined: at what its caller does. */
export function categoryOf(path: string, functionName: string): Category | undefined {
  const fits = (row: Row) =>
    (row.path.endsWith("/") ? path.startsWith(row.path) : path === row.path) &&
    (row.functions?.includes(functionName) ?? true);
  return ROWS.find(fits)?.category;
}
