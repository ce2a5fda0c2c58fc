import { protectedProgram, RESUME, type SystemCase } from "./system-program.js";

// Cases for `SystemProgram`s. What QEMU does not check (limits of segments, some reserved bits) is not among them.

const one = (name: string, code: string): SystemCase => ({ name, code });
/** A selector loaded into a segment register. */
const load = (register: string, selector: string | number): SystemCase =>
  one(`mov ${register}, ${selector}`, `mov $${selector}, %eax\nmov %ax, %${register}\nint $0x30`);
/** Code at ring 3; the stack there is `user_stack`. */
const user = (name: string, code: string): SystemCase =>
  one(
    `user: ${name}`,
    `mov $8f, %eax
     mov %esp, kept
     mov $user_stack, %esp
     jmp user_from_esp
     8: ${code}
     int $0x31`,
  );

const selectors = [
  ...["0", "3", "CODE32", "DATA32", "CODE64", "CODE16", "DATA16", "USER_CODE32", "USER_DATA32", "TSS", "LDT"],
  ...["CONFORMING", "DOWN", "ABSENT_DATA", "ABSENT_CODE", "READ_ONLY", "EXECUTE_ONLY", "GATE", "SMALL"],
  ...["RING1_DATA", "BEYOND", "DATA32+1", "DATA32+3", "4", "12", "0xfff8"],
];

const segmentLoads = ["ds", "es", "ss", "fs"].flatMap((register) =>
  selectors
    .filter((selector) => register !== "ss" || !["DATA16", "SMALL", "DOWN"].includes(selector))
    .map((selector) => load(register, selector)),
);

const SYSTEM_INSTRUCTIONS = [
  ...["cli", "sti", "hlt", "clts", "invd", "wbinvd", "lgdt gdtr", "lidt idtr", "rdmsr", "wrmsr"],
  ...["mov %cr0, %eax", "mov %eax, %cr3", "mov %dr7, %eax", "mov %eax, %dr0", "invlpg data", "lmsw %ax"],
  ...["lldt %ax", "ltr %ax", "rdpmc", "iret", "swapgs", "monitor", "stac", "clac"],
  ...["sgdt data\nint $0x30", "smsw %eax\nint $0x30", "str %eax\nint $0x30", "sldt %eax\nint $0x30"],
  ...["cpuid\nmov $0, %eax\nmov $0, %ebx\nmov $0, %ecx\nmov $0, %edx\nint $0x30", "int3", "ud2", "int $0x20"],
  ...["xor %ecx, %ecx\ndiv %ecx", "mov $0x80000000, %eax\nmov $0xffffffff, %ecx\ncdq\nidiv %ecx", "aam $0"],
  ...["mov $0x7f, %al\nadd $1, %al\ninto", "bound %eax, user_bounds", "int $0x30", "pushf\nint $0x30"],
  ...["pushf\norl $0x3200, (%esp)\npopf\npushf\npop %eax\nint $0x30", "in $0x10, %al\nint $0x30"],
  ...[
    "mov $0x300, %dx\nin %dx, %al",
    "in $0x6, %eax",
    "out %al, $0x18",
    "mov $0x7, %dx\ninw %dx, %ax",
    "mov $0x400, %dx\nin %dx, %al",
  ],
  ...["lar user_selector, %eax\nint $0x30", "verr user_selector\nint $0x30", "ljmp $CODE32, $0"],
  ...["mov %ds, %eax\nint $0x30", "mov $DATA32, %eax\nmov %ax, %ds", "mov $0, %eax\nmov %ax, %ss"],
];

const visible = (instruction: string) =>
  selectors.map((selector) =>
    one(`${instruction} ${selector}`, `mov $${selector}, %ecx\n${instruction}\nint $0x30`),
  );
const userVisible = (instruction: string) =>
  selectors.map((selector) =>
    user(`${instruction} ${selector}`, `mov $${selector}, %ecx\n${instruction}\nint $0x30`),
  );

const inspections = ["lar %cx, %eax", "lsl %cx, %eax", "verr %cx", "verw %cx"].flatMap((text) => [
  ...visible(text),
  ...userVisible(text),
]);

const targets = [
  ...["0", "CODE32", "DATA32", "CODE16", "USER_CODE32", "USER_CODE32-3", "TSS", "LDT", "CONFORMING"],
  ...[
    "ABSENT_CODE",
    "EXECUTE_ONLY",
    "GATE",
    "GATE_INNER",
    "GATE_RING1",
    "BEYOND",
    "RING1_CODE",
    "RING1_CODE-1",
  ],
  ...["USER_CONFORMING", "CODE32+3", "CONFORMING+3", "GATE+3"],
];
const jumps = (wrap: typeof one, kinds: readonly string[]) =>
  kinds.flatMap((kind) =>
    targets
      .filter((target) => !(kind === "lcall" && target === "CODE16"))
      .map((target) =>
        wrap(`${kind} ${target}`, `push $0x1234\npush $0x5678\n${kind} $${target}, $gate_entry`),
      ),
  );
const returns = (wrap: typeof one) =>
  targets.flatMap((target) => [
    wrap(`lret ${target}`, `push $USER_DATA32\npush $user_stack\npush $${target}\npush $gate_entry\nlret`),
    wrap(
      `lret $8 ${target}`,
      `push $USER_DATA32\npush $user_stack\npush $1\npush $2\npush $${target}\npush $gate_entry\nlret $8`,
    ),
    wrap(
      `iret ${target}`,
      `push $USER_DATA32\npush $user_stack\npush $0x246\npush $${target}\npush $gate_entry\niret`,
    ),
  ]);

/** Gates of the IDT that are no good, by what is wrong. */
const brokenGates: readonly SystemCase[] = [
  ["absent", 0x6e, "CODE32"],
  ["of no type", 0x88, "CODE32"],
  ["call gate", 0x8c, "CODE32"],
  ["trap gate", 0x8f, "CODE32"],
  ["to data", 0x8e, "DATA32"],
  ["to nothing", 0x8e, "0"],
  ["beyond", 0x8e, "BEYOND"],
  ["to absent code", 0x8e, "ABSENT_CODE"],
  ["to outer code", 0x8e, "USER_CODE32"],
  ["to conforming code", 0x8e, "CONFORMING"],
]
  .flatMap(([name, rights, selector]) => [
    one(
      `INT through a gate that is ${name}`,
      `movw $${selector}, idt + 0x20 * 8 + 2\nmovb $${rights}, idt + 0x20 * 8 + 5\nint $0x20`,
    ),
    user(`INT through a gate that is ${name}`, `int $0x20`),
    one(
      `a fault through a gate that is ${name}`,
      `movw $${selector}, idt + 6 * 8 + 2\nmovb $${rights}, idt + 6 * 8 + 5\nud2`,
    ),
    one(`(mend)`, `movw $CODE32, idt + 6 * 8 + 2\nmovb $0x8e, idt + 6 * 8 + 5`),
  ])
  .map((each, i) => ({ ...each, name: `${each.name} ${i}` }));

const privileged = SYSTEM_INSTRUCTIONS.map((text) => user(text, text));
const kernel = SYSTEM_INSTRUCTIONS.filter(
  (text) =>
    !/hlt|iret|lgdt|lidt|cr0|cr3|ltr|lmsw|monitor|sti|swapgs|wrmsr|rdmsr|dr|str|sgdt|ljmp|popf|data|rdpmc|in |out |inw/.test(
      text,
    ),
).map((text) => one(`kernel: ${text}`, text));

const EXTRA = `
  jmp 9f
  .align 4
kept: .long 0
user_bounds: .long 1, 2
user_selector: .word USER_DATA32
user_from_esp:
  push $USER_DATA32
  push $user_stack
  pushf
  push $USER_CODE32
  push %eax
  mov $USER_DATA32, %eax
  mov %ax, %ds
  mov %ax, %es
  mov $0x11111111, %eax
  iret
9:
`;

const program = (list: readonly SystemCase[]): string => protectedProgram(list, EXTRA);

/** Groups of cases, each a program. */
export const groups: Readonly<
  Record<string, { readonly list: readonly SystemCase[]; program(list: readonly SystemCase[]): string }>
> = {
  segments: { list: segmentLoads, program },
  privileges: { list: [...privileged, ...kernel], program },
  inspections: { list: inspections, program },
  "far jumps": { list: [...jumps(one, ["ljmp", "lcall"]), ...jumps(user, ["ljmp", "lcall"])], program },
  "far returns": { list: [...returns(one), ...returns(user)], program },
  gates: { list: brokenGates, program },
};

/** Exceptions with a selector as error code; its bit 0, EXT, QEMU sets for interrupts only. */
const SELECTOR_ERRORS = ["a", "b", "c", "d"];

/** What of a case's words is compared with QEMU's: not RF, which it does not push, nor EXT. */
export function comparable(words: readonly string[] | undefined): string[] {
  if (words === undefined) return ["missing"];
  return words.map((text, i) => {
    if (i === 1 && SELECTOR_ERRORS.includes(words[0] as string))
      return `${text.slice(0, -1)}${hex(digit(text) & ~1)}`;
    return i === 4 ? hex(Number.parseInt(text, 16) & ~RESUME) : text;
  });
}

const hex = (value: number): string => value.toString(16);
const digit = (text: string): number => Number.parseInt(text.slice(-1), 16);
