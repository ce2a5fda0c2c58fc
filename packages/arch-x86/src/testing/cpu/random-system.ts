import type { Prng } from "@hypercraft/engine";
import type { SystemCase } from "./programs/case.js";
import { longProgram } from "./programs/long.js";
import { protectedProgram } from "./programs/protected.js";
import { atRing3, atRing3Of64 } from "./system-programs.js";

// Random sequences of what only systems do, at rings 0 and 3: registers of the system, segments, descriptor tables, far
// transfers, interrupts, flags, breakpoints, paging. They go wrong often, which ends a sequence and is written down.

/** Everything that a program's frame survives: not where its stack, code and tables are. */
const SELECTORS = [
  ...["0", "3", "CODE32", "DATA32", "CODE16", "DATA16", "USER_CODE32", "USER_DATA32", "LDT", "CONFORMING"],
  ...["DOWN", "ABSENT_DATA", "ABSENT_CODE", "READ_ONLY", "EXECUTE_ONLY", "GATE", "GATE_INNER", "SMALL"],
  ...[
    "RING1_CODE",
    "RING1_DATA",
    "USER_CONFORMING",
    "BEYOND",
    "4",
    "12",
    "DATA32+3",
    "USER_CODE64",
    "CODE64",
  ],
] as const;
/** Those that would be a stack of ring 0 with limits. */
const NO_STACKS: readonly string[] = ["SMALL", "DOWN", "DATA16"];
const STACKS = SELECTORS.filter((name) => !NO_STACKS.includes(name));
const NUMBERS = [
  "0",
  "1",
  "-1",
  "0x80000000",
  "0x7fffffff",
  "0xff",
  "0x1234",
  "data",
  "data + 0xffe",
  "stack",
];
const CR0_BITS = ["2", "4", "8", "0xe", "0x20", "0x10000", "0x40000", "0x20000000"];
const CR4_BITS = ["4", "8", "0x80", "0x200", "0x400", "0x600", "0x800", "0x100", "0x8000", "0x80000000"];
const FLAG_BITS = [
  "0x1",
  "0x40",
  "0x80",
  "0x100",
  "0x200",
  "0x400",
  "0x800",
  "0x3000",
  "0x4000",
  "0x40000",
  "0x200000",
];
const MSRS = ["0x174", "0x175", "0x176", "0x277", "0x1d9", "0xc0000084", "0xc0000103", "0x123", "0xc0000200"];
const SEGMENTS = ["ds", "es", "fs", "gs"];
const ROUTINES = ["0x30", "0x20", "3", "4", "0x31", "0x40"];
const CODES = ["o", "b", "z", "be", "s", "p", "l", "le"];

interface Words {
  /** Registers without the stack pointer, and the accumulator. */
  readonly registers: readonly string[];
  readonly a: string;
  readonly sp: string;
  readonly flags: readonly [push: string, pop: string];
  readonly long: boolean;
  /** Its tables: where the entries of 4 or 2 MiB are. */
  readonly paging?: { readonly entries: string; readonly size: 4 | 8; readonly page: number };
}
const NARROW: Words = {
  registers: ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"],
  a: "eax",
  sp: "esp",
  flags: ["pushf", "popf"],
  long: false,
};
const WIDE: Words = {
  registers: ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r11"],
  a: "rax",
  sp: "rsp",
  flags: ["pushfq", "popfq"],
  long: true,
  paging: { entries: "page_directory", size: 8, page: 0x20_0000 },
};
const PAGED: Words = { ...NARROW, paging: { entries: "directory", size: 4, page: 0x40_0000 } };

type Make = (r: Prng, w: Words) => string;

const selector = (r: Prng): string => r.pick(SELECTORS);
const number = (r: Prng): string => (r.oneIn(3) ? `0x${(r.bits() >>> 0).toString(16)}` : r.pick(NUMBERS));
const address = (r: Prng): string => `data + ${r.below(0x2000 - 64)}`;
const toggled = (control: string, bit: string, { a }: Words): string =>
  `mov %${control}, %${a}\nxor $${bit}, %eax\nmov %${a}, %${control}`;
const alu = (r: Prng): string => r.pick(["add", "sub", "xor", "and", "or", "cmp", "test", "adc", "sbb"]);

const SYSTEM: readonly Make[] = [
  (r, w) => toggled("cr0", r.pick(CR0_BITS), w),
  (r, w) => toggled("cr4", r.pick(CR4_BITS), w),
  (r, { a }) => `mov %cr${r.pick(["0", "2", "3", "4"])}, %${a}`,
  (_, { a }) => `mov %cr3, %${a}\nmov %${a}, %cr3`,
  (r, { a }) => `mov $${number(r)}, %eax\nmov %${a}, %cr2\nmov %cr2, %${a}`,
  (r, { a }) => `mov $${address(r)}, %eax\nmov %${a}, %dr${r.below(4)}`,
  // Reads and writes of the data, 1 to 4 bytes.
  (r, { a }) =>
    `mov $${`0x${((r.pick([1, 3, 0xd, 0xf]) << 16) | 0x400 | r.pick([1, 2, 3])).toString(16)}`}, %eax\nmov %${a}, %dr7`,
  (r, { a }) => `mov %dr${r.pick(["0", "3", "4", "6", "7"])}, %${a}`,
  (_, { long }) => (long ? "swapgs" : "clts"),
  (r) => `mov $${r.pick(["0", "0xe", "0x10", "0x2", "0xffff"])}, %eax\nlmsw %ax`,
  () => "clts",
  (r) => `${r.pick(["smsw", "str", "sldt"])} %eax`,
  (r) => `mov $${selector(r)}, %ecx\n${r.pick(["lar", "lsl"])} %cx, %eax`,
  (r) => `mov $${selector(r)}, %ecx\n${r.pick(["verr", "verw"])} %cx`,
  (r) => `mov $${selector(r)}, %eax\n${r.pick(["lldt", "ltr"])} %ax`,
  (r) => `${r.pick(["lgdt gdtr", "lidt idtr", "sgdt data + 64", "sidt data + 80"])}`,
  (r) => `invlpg ${address(r)}`,
  (r) => r.pick(["wbinvd", "invd", "cli", "sti", "rdpmc"]),
  (r, w) =>
    `mov $${r.pick(MSRS)}, %ecx\nmov $${number(r)}, %eax\nxor %edx, %edx\nwrmsr\nmov $0, %${w.a}\nrdmsr`,
  (r) => `mov $${r.pick(MSRS)}, %ecx\nrdmsr`,
  (r) => `mov $0xc0000080, %ecx\nrdmsr\nxor $${r.pick(["1", "0x800", "0x100", "2"])}, %eax\nwrmsr`,
  (r) => r.pick(["in $0x80, %al", "out %eax, $0x80", "mov $0x300, %dx\ninw %dx, %ax", "outb %al, $0x80"]),
];
const TRANSFERS: readonly Make[] = [
  (r) => `int $${r.pick(ROUTINES)}`,
  (r) => r.pick(["int3", "ud2", ".byte 0xf1"]),
  (r, { long }) =>
    long
      ? `movl $gate_entry, data\nmovw $${selector(r)}, data + 4\n${r.pick(["ljmp", "lcall"])} *data`
      : `${r.pick(["ljmp", "lcall"])} $${selector(r)}, $gate_entry`,
  (r, { long }) =>
    `push $USER_DATA32\npush $user_stack\npush $${selector(r)}\npush $gate_entry\nlret${long ? "q" : ""}`,
  (r, { long }) => {
    const frame = [
      selector(r),
      "user_stack",
      r.pick(["0x2", "0x202", "0x4002", "0x3246", "0x102"]),
      selector(r),
    ];
    return `${[...frame, "gate_entry"].map((value) => `push $${value}`).join("\n")}\niret${long ? "q" : ""}`;
  },
  (_, { a, sp, long }) => `push $7f\nret\n7: mov %${sp}, %${a}${long ? "\nmov %rax, %r8" : ""}`,
  (r) => `call 7f\n7: add $${r.below(64)}, %eax`,
];
const SEGMENTED: readonly Make[] = [
  (r) => `mov $${selector(r)}, %eax\nmov %ax, %${r.pick(SEGMENTS)}`,
  (r) => `mov $${r.pick(STACKS)}, %eax\nmov %ax, %ss`,
  (r, { a }) => `mov %${r.pick(SEGMENTS)}, %${a}`,
  (r) => `push $${selector(r)}\npop %${r.pick(["fs", "gs"])}`,
  (r) => `movl $${address(r)}, data\nmovw $${selector(r)}, data + 4\nl${r.pick(["fs", "gs"])} data, %esi`,
  (r) => `${r.pick(["fs", "gs", "es", "ss"])} mov ${address(r)}, %ebx`,
  (r) => `${r.pick(["fs", "gs", "es", "ds"])} incl ${address(r)}`,
];
const PLAIN: readonly Make[] = [
  (r, { registers }) => `mov $${number(r)}, %${r.pick(registers)}`,
  (r, { registers }) => `${alu(r)} %${r.pick(registers)}, %${r.pick(registers)}`,
  (r) => `${alu(r)}l $${number(r)}, ${address(r)}`,
  (r) => `lock ${r.pick(["inc", "dec", "not", "neg"])}l ${address(r)}`,
  (r) => `mov $${number(r)}, %eax\nlock cmpxchg %ebx, ${address(r)}`,
  (r) =>
    `mov $data + 0x800, %esi\nmov $data + ${0x800 + r.below(0x800)}, %edi\nmov $${r.below(300)}, %ecx\n${r.pick(["rep movsb", "rep stosl", "repe cmpsb", "lodsw"])}`,
  (r, { registers }) => `push %${r.pick(registers)}\npop %${r.pick(registers)}`,
  (r, { flags: [push, pop], sp, long }) =>
    `${push}\nxor${long ? "q" : "l"} $${r.pick(FLAG_BITS)}, (%${sp})\n${pop}`,
  (r) => `set${r.pick(CODES)} %al`,
  (r) => `mov $${1 + r.below(30)}, %edx\n7: ${alu(r)} $${r.below(9)}, %ebx\ndec %edx\njnz 7b`,
  (r) =>
    r.pick([
      "cld",
      "std",
      "clc",
      "stc",
      "cmc",
      "cpuid",
      "mul %ebx",
      "idivl data + 8",
      "xchg %eax, data + 12",
    ]),
  (r) =>
    r.pick([
      "movups data, %xmm1\naddps %xmm1, %xmm1",
      "fld1\nfadd %st, %st\nfstpl data + 32",
      "fninit",
      "ldmxcsr data",
    ]),
];

/** Present, writable, of users, accessed, dirty, global. */
const ENTRY_BITS = ["1", "2", "4", "0x20", "0x40", "0x60", "0x100", "6", "7"];
/** A page that nobody needs gets other rights, and is accessed with them. */
const remap: Make = (r, { paging, a }) => {
  if (paging === undefined) return "nop";
  const page = r.pick([12, 13, 14, 15]);
  const place = page * paging.page + r.below(paging.page / 4) * 4;
  const forget = r.oneIn(3) ? `mov %cr3, %${a}\nmov %${a}, %cr3` : `invlpg ${place}`;
  const access = () => `${r.pick(["incl", "notl", "movl %eax,", "mov %ebx,", "cmpl $3,"])} ${place}`;
  const entry = `${paging.entries} + ${page * paging.size}`;
  return `${access()}\nxorl $${r.pick(ENTRY_BITS)}, ${entry}\n${forget}\n${access()}\nmov ${entry}, %edx`;
};

/** In turn, as system instructions are rarely all of a program. */
const KINDS = [SYSTEM, PLAIN, SEGMENTED, PLAIN, SYSTEM, TRANSFERS, [remap]] as const;
/** `int $0x30` writes registers down. */
const SHOW = "int $0x30";

function sequence(r: Prng, words: Words): string {
  const lines: string[] = [];
  for (let i = 3 + r.below(7); i > 0; i--) {
    lines.push(r.pick(r.pick(KINDS))(r, words));
    if (r.oneIn(3)) lines.push(SHOW);
  }
  return lines.join("\n");
}

/** What a case before may have left: breakpoints, registers of control and of models. */
const mend = ({ a, long }: Words): string => `
  xor %eax, %eax
  mov %${a}, %dr7
  mov $0xffff0ff0, %eax
  mov %${a}, %dr6
  mov $${long ? "0x80010031" : "PROTECTED_CR0"}, %eax
  mov %${a}, %cr0
  mov $${long ? "0x620" : "0x610"}, %eax
  mov %${a}, %cr4
  mov $0xc0000080, %ecx
  mov $${long ? "0xd01" : "0x0"}, %eax
  xor %edx, %edx
  wrmsr
  call initial`;

function randomCases(r: Prng, count: number, words: Words): SystemCase[] {
  return Array.from({ length: count }, (_, i) => {
    const code = sequence(r, words);
    const outside = words.long ? atRing3Of64 : atRing3;
    return { name: `case ${i}`, code: `${mend(words)}\n${r.oneIn(3) ? outside(code) : code}` };
  });
}

/** Pages of 4 MiB, of everybody. */
const PAGING = `
  mov $0x610, %eax
  mov %eax, %cr4
  mov $0x87, %eax
  xor %ecx, %ecx
2: mov %eax, directory(,%ecx,4)
  add $0x400000, %eax
  inc %ecx
  cmp $16, %ecx
  jb 2b
  mov $directory, %eax
  mov %eax, %cr3
  mov $PROTECTED_CR0, %eax
  mov %eax, %cr0
  jmp 9f
  .align 4096
directory: .skip 4096
9:`;

export interface RandomSystemProgram {
  readonly list: readonly SystemCase[];
  readonly source: string;
}

/** Programs by what mode they are for, of so many sequences. */
export function randomSystemPrograms(
  make: () => Prng,
  count: number,
): Readonly<Record<string, RandomSystemProgram>> {
  const narrow = randomCases(make(), count, NARROW);
  const paged = randomCases(make(), count, PAGED);
  const wide = randomCases(make(), count, WIDE);
  const equal = (cr0: string) => `.equ PROTECTED_CR0, ${cr0}\n`;
  return {
    "protected mode": { list: narrow, source: equal("0x00000031") + protectedProgram(narrow) },
    "protected mode with paging": {
      list: paged,
      source: equal("0x80010031") + protectedProgram(paged, PAGING),
    },
    "64-bit mode": { list: wide, source: longProgram(wide) },
  };
}
