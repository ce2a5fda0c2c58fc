import { Prng } from "@hypercraft/engine";
import type { SystemCase } from "./programs/case.js";
import { longProgram } from "./programs/long.js";
import { protectedProgram } from "./programs/protected.js";

// Accesses through random page tables in the three paging modes. The frame's own memory is identity-mapped by large
// pages; a case sets the entries of one page elsewhere and accesses it. What it left in them, the next one shows.

export type PagingMode = "32-bit" | "PAE" | "4-level";

const P = 1;
const RW = 2;
const US = 4;
const ACCESSED = 0x20;
const LARGE = 0x80;
const GLOBAL = 0x100;
const [WP, SMEP, SMAP] = [0x1_0000, 1 << 20, 1 << 21];
const CR0 = 0x8000_0031;
/** The frame's memory that its code is in: for all, or for the supervisor. */
const [EVERYBODY, SUPERVISOR] = [0xe7, 0xe3];
/** 32 MiB: a large page that the frame does not use. */
const FAR = 32 << 20;

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

interface Levels {
  readonly cr4: number;
  /** Labels of the tables whose first entries lead to the page, the highest first; which of them may be large. */
  readonly tables: readonly (readonly [label: string, entry: number, large: boolean])[];
  /** Where the frame's first large page is mapped. */
  readonly own: string;
  readonly address: string;
}

const MODES: Readonly<Record<PagingMode, Levels>> = {
  "32-bit": {
    cr4: 0x610,
    tables: [
      ["directory", 256 * 4, true],
      ["last_table", 0, false],
    ],
    own: "directory",
    address: "0x40000000",
  },
  PAE: {
    cr4: 0x620,
    tables: [
      ["next_directory", 0, true],
      ["last_table", 0, false],
    ],
    own: "directory",
    address: "0x40000000",
  },
  "4-level": {
    cr4: 0x620,
    tables: [
      ["next_pointers", 0, true],
      ["next_directory", 0, true],
      ["last_table", 0, false],
    ],
    own: "page_directory",
    address: "0x8000000000",
  },
};

/** Random cases of a mode. */
export function pagingCases(mode: PagingMode, count: number, seed = 1): SystemCase[] {
  const prng = new Prng(seed);
  const pick = (below: number): number => prng.below(below);
  const { cr4, tables, own, address } = MODES[mode];
  const wide = mode !== "32-bit";
  const [pointer, a] = mode === "4-level" ? ["%rdi", "%rax"] : ["%edi", "%eax"];
  const flush = `mov %cr3, ${a}\nmov ${a}, %cr3`;
  const setControl = (which: string, value: string) => `mov $${value}, %eax\nmov ${a}, %${which}`;
  const efer = (nx: boolean) =>
    wide ? `mov $0xc0000080, %ecx\nrdmsr\nand $~0x800, %eax\n${nx ? "or $0x800, %eax" : ""}\nwrmsr` : "";
  // What the case before left in the entries: accessed and dirty bits.
  const show = tables
    .map(([label, at], i) => `mov ${label} + ${at}, %${["ebx", "ecx", "edx"][i]}`)
    .join("\n");
  return Array.from({ length: count }, (_, n) => {
    const flags = () =>
      (pick(12) > 0 ? P : 0) |
      (pick(3) > 0 ? RW : 0) |
      (pick(4) > 0 ? US : 0) |
      (pick(2) << 5) |
      (pick(2) << 6);
    let offset = 0;
    const entries: string[] = [];
    for (const [i, [label, at, mayBeLarge]] of tables.entries()) {
      const last = i === tables.length - 1;
      const large = mayBeLarge && pick(4) === 0;
      const gib = large && tables.length - i === 3;
      const target = last
        ? "data"
        : large
          ? hex(gib ? 0 : FAR)
          : (tables[i + 1] as (typeof tables)[number])[0];
      if (large) offset = gib ? FAR : 0;
      const reserved = large && pick(8) === 0 ? (wide ? 1 << 14 : 1 << 21) : 0;
      // QEMU marks entries that lead to a table, and pages of 1 GiB, as accessed before it looks at rights.
      const low =
        flags() |
        (gib || !(last || large) ? ACCESSED : 0) |
        (large ? LARGE : 0) |
        (last || large ? pick(2) * GLOBAL : 0) |
        reserved;
      const high = wide ? (pick(5) === 0 ? 0x8000_0000 : 0) | (pick(16) === 0 ? 1 << 13 : 0) : 0;
      entries.push(`movl $${target} + ${hex(low)}, ${label} + ${at}`);
      if (wide) entries.push(`movl $${hex(high)}, ${label} + ${at + 4}`);
      if (large) break;
    }
    const user = pick(2) === 0;
    const protection = user ? 0 : pick(4);
    const kind = ["read", "write", "fetch", "rmw"][pick(4)] as string;
    const access = {
      read: `mov (${pointer}), %ebx`,
      write: `mov %ebx, 4(${pointer})`,
      fetch: `call *${pointer}`,
      rmw: `incl 4(${pointer})`,
    }[kind];
    const move = mode === "4-level" ? "movabs" : "mov";
    const at = `${move} $${address} + ${offset}, ${pointer}`;
    const permit = (protection & 2) !== 0 ? (pick(2) === 0 ? "stac" : "clac") : "";
    const enabled = ((protection & 1) !== 0 ? SMEP : 0) | ((protection & 2) !== 0 ? SMAP : 0);
    const code = [
      ...[setControl("cr0", hex(CR0 | WP)), setControl("cr4", hex(cr4))],
      ...[`movl $${EVERYBODY}, ${own}`, flush, efer(true), show, "int $0x30"],
      // A RET is what is fetched.
      ...["movl $0xc3c3c3c3, data", `movl $0xc3c3c3c3, ${FAR}`],
      ...entries,
      `movl $${protection === 0 ? EVERYBODY : SUPERVISOR}, ${own}`,
      efer(pick(6) > 0),
      setControl("cr0", hex(pick(3) > 0 ? CR0 | WP : CR0)),
      flush,
      setControl("cr4", hex(cr4 | enabled)),
      ...(user ? [`mov $81f, %eax`, "jmp to_user", "81:"] : [permit]),
      ...[at, access, user ? "int $0x30\nint $0x31" : "int $0x30"],
    ].join("\n");
    return { name: `${n}: ${user ? "user" : `supervisor, ${protection}`}, ${kind}`, code };
  });
}

const identity = (entries: number, shift: number, size: number): string => `
  mov $${EVERYBODY}, %eax
  xor %ecx, %ecx
70: mov %eax, directory(,%ecx,${size})
  add $${hex(2 ** shift)}, %eax
  inc %ecx
  cmp $${entries}, %ecx
  jb 70b
`;
const TABLES = `
  jmp 79f
  .balign 4096
directory: .skip 4096
pointers: .skip 4096
next_pointers: .skip 4096
next_directory: .skip 4096
last_table: .skip 4096
79:
`;
const SETUP: Readonly<Record<PagingMode, string>> = {
  "32-bit": `${TABLES}${identity(16, 22, 4)}
    mov $0x610, %eax\nmov %eax, %cr4\nmov $directory, %eax\nmov %eax, %cr3
    mov $${hex(CR0 | WP)}, %eax\nmov %eax, %cr0`,
  PAE: `${TABLES}${identity(32, 21, 8)}
    movl $directory + 1, pointers\nmovl $next_directory + 1, pointers + 8
    mov $0xc0000080, %ecx\nmov $0x800, %eax\nxor %edx, %edx\nwrmsr
    mov $0x620, %eax\nmov %eax, %cr4\nmov $pointers, %eax\nmov %eax, %cr3
    mov $${hex(CR0 | WP)}, %eax\nmov %eax, %cr0`,
  "4-level": `${TABLES}movl $next_pointers + 7, page_map + 8`,
};

export const pagingProgram = (mode: PagingMode, list: readonly SystemCase[]): string =>
  (mode === "4-level" ? longProgram : protectedProgram)(list, SETUP[mode]);
