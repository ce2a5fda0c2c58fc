import { type PagingMode, pagingCases, pagingProgram } from "./paging-cases.js";
import type { SystemCase } from "./programs/case.js";
import { longProgram } from "./programs/long.js";
import { protectedProgram } from "./programs/protected.js";
import { realProgram } from "./programs/real.js";

// Cases for `SystemProgram`s. What QEMU does not check (limits of segments, some reserved bits) is not among them.

export const one = (name: string, code: string): SystemCase => ({ name, code });
/** A selector loaded into a segment register. */
const load = (register: string, selector: string | number): SystemCase =>
  one(`mov ${register}, ${selector}`, `mov $${selector}, %eax\nmov %ax, %${register}\nint $0x30`);
/** Code at ring 3; the stack there is `user_stack`. */
export const user = (name: string, code: string): SystemCase =>
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

export const program = (list: readonly SystemCase[]): string => protectedProgram(list, EXTRA);

// --- Long mode -------------------------------------------------------------------------------

export const user64 = (name: string, code: string): SystemCase =>
  one(`user: ${name}`, `mov $8f, %eax\njmp to_user\n8: ${code}\nint $0x31`);
const compatible = (name: string, code: string): SystemCase =>
  one(`compatible: ${name}`, `mov $8f, %eax\njmp to_compatible\n.code32\n8: ${code}\nint $0x31\n.code64`);

const NOT_CANONICAL = "mov $0x8000000000000000, %rbx";
// Those through the stack segment are not here: QEMU tells no stack from other memory.
const addresses: readonly SystemCase[] = [
  ...["mov (%rbx), %eax", "mov %eax, (%rbx)", "lock incl (%rbx)", "invlpg (%rbx)", "lgdt (%rbx)"],
  ...["fs mov (%rbx), %eax", "movups (%rbx), %xmm0", "mov %rbx, %rsi\nlodsb", "mov %rbx, %rdi\nstosb"],
].flatMap((code) => [
  one(code, `${NOT_CANONICAL}\n${code}`),
  user64(code, `${NOT_CANONICAL}\n${code}`),
  one(`edge: ${code}`, `mov $0x7ffffffffffe, %rbx\n${code}`),
]);

const LONG_INSTRUCTIONS = [
  ...SYSTEM_INSTRUCTIONS.filter(
    (text) =>
      !/into|bound|ljmp|lmsw|iret|aam|pop %eax|popf|pushf|int \$0x20|sgdt|cr0|cr3|dr|swapgs|lgdt|lidt|lldt|ltr|rdmsr|wrmsr|div|mov \$0x7f/.test(
        text,
      ),
  ),
  ...[
    "mov %cr0, %rax",
    "mov %rax, %cr3",
    "mov %dr7, %rax",
    "mov %rax, %dr0",
    "swapgs",
    "rdmsr",
    "wrmsr",
    "sysretq",
  ],
  ...[
    "pushfq\nint $0x30",
    "sysenter",
    "sysexit",
    "div %rcx\nint $0x30",
    "xor %ecx, %ecx\ndiv %rcx",
    "rdfsbase %rax",
  ],
  ...[
    "mov $DATA32, %eax\nmov %ax, %ss",
    "mov $0, %eax\nmov %ax, %ss\nint $0x30",
    "mov $3, %eax\nmov %ax, %ss\nint $0x30",
  ],
  ...[
    "mov $1, %eax\nmov %ax, %ss\nint $0x30",
    "mov $USER_CODE64, %eax\nmov %ax, %ds\nint $0x30",
    "mov %cr5, %rax",
  ],
  ...[
    ".byte 0x06",
    ".byte 0x0e",
    ".byte 0x27",
    ".byte 0x60",
    ".byte 0x9a",
    ".byte 0xea",
    ".byte 0xce",
    ".byte 0xd6",
    ".byte 0xc4, 0xc0",
    ".byte 0x82, 0xc0, 0",
  ],
];

/** Model-specific registers that hold addresses; STAR, which holds anything; and PAT. QEMU checks no values. */
const ADDRESS_MSRS = [0x175, 0x176, 0xc000_0082, 0xc000_0083, 0xc000_0100, 0xc000_0101, 0xc000_0102];
const msrCase = (msr: number, value: string, before: string): SystemCase => {
  const write = (to: string) => `mov $${msr}, %ecx\nmov $${to}, %rax\nmov %rax, %rdx\nshr $32, %rdx\nwrmsr\n`;
  const read = "xor %eax, %eax\nxor %edx, %edx\nrdmsr\nint $0x30\n";
  return one(`wrmsr ${msr.toString(16)} ${value}`, write(value) + read + write(before));
};
const msrs: readonly SystemCase[] = [
  ...ADDRESS_MSRS.flatMap((msr) =>
    ["0x123", "0x7fffffffffff", "0xffff800000000000"].map((value) => msrCase(msr, value, "0")),
  ),
  msrCase(0xc000_0081, "0x8000400020001000", "0"),
  msrCase(0x174, "0x33", "0"),
  msrCase(0x277, "0x0001040600070506", "0x0007040600070406"),
];
const EFER_VALUES = ["0x501", "0xd01", "0xd00"];
const efer = EFER_VALUES.map((value) =>
  one(
    `efer ${value}`,
    `mov $0xc0000080, %ecx\nmov $${value}, %rax\nmov %rax, %rdx\nshr $32, %rdx\nwrmsr\nrdmsr\nint $0x30\nmov $0xc0000080, %ecx\nxor %edx, %edx\nmov $0xd01, %eax\nwrmsr`,
  ),
);
const CR0_VALUES = ["0x80010031", "0x80000031", "0xe0010031", "0x8001003b", "0x80050033", "0x80010021"];
const cr0 = CR0_VALUES.map((value) =>
  one(
    `cr0 ${value}`,
    `mov $${value}, %rax\nmov %rax, %cr0\nmov %cr0, %rax\nint $0x30\nmov $0x80010031, %eax\nmov %rax, %cr0`,
  ),
);
const CR4_VALUES = ["0x620", "0x6a0", "0x630"];
const cr4 = CR4_VALUES.map((value) =>
  one(
    `cr4 ${value}`,
    `mov $${value}, %rax\nmov %rax, %cr4\nmov %cr4, %rax\nmov $0x620, %ebx\nmov %rbx, %cr4\nint $0x30`,
  ),
);

const STAR = `mov $0xc0000081, %ecx\nmov $0, %eax\nmov $0x00330008, %edx\nwrmsr
  mov $0xc0000082, %ecx\nmov $gate_entry, %eax\nxor %edx, %edx\nwrmsr
  mov $0xc0000084, %ecx\nmov $0x4ed5, %eax\nwrmsr
  mov $0x174, %ecx\nmov $8, %eax\nwrmsr
  mov $0x175, %ecx\nmov $ring1_stack, %eax\nwrmsr
  mov $0x176, %ecx\nmov $gate_entry, %eax\nwrmsr\n`;
const fastCalls: readonly SystemCase[] = [
  one("syscall", `${STAR}\nmov $0x3333333333333333, %rcx\nsyscall`),
  one("user: syscall", `${STAR}\nmov $8f, %eax\njmp to_user\n8: push $0x4ed7\npopfq\nsyscall\nint $0x31`),
  one("sysretq", `${STAR}\nmov $gate_entry, %ecx\nmov $0x246, %r11d\nsysretq`),
  one("sysretq with all flags", `${STAR}\nmov $gate_entry, %ecx\nmov $0x247ed7, %r11d\nsysretq`),
  one("sysretl", `${STAR}\nmov $gate_entry, %ecx\nmov $0x246, %r11d\nsysretl`),
  user64("sysretq", "sysretq"),
  // Steps: what counts is TF as they leave it.
  one("sysretq, stepping", `${STAR}\nmov $gate_entry, %ecx\nmov $0x346, %r11d\nsysretq`),
  one("syscall, stepping", `${STAR}\nmov $8f, %eax\njmp to_user\n8: push $0x302\npopfq\nsyscall\nint $0x31`),
  one(
    "syscall, stepping masked",
    `${STAR}\nmov $0xc0000084, %ecx\nmov $0x4fd5, %eax\nxor %edx, %edx\nwrmsr
    mov $8f, %eax\njmp to_user\n8: push $0x302\npopfq\nsyscall\nint $0x31`,
  ),
  one(
    "compatible: syscall",
    `${STAR}\nmov $0xc0000083, %ecx\nmov $gate_entry, %eax\nxor %edx, %edx\nwrmsr
    mov $8f, %eax\njmp to_compatible\n.code32\n8: syscall\nint $0x31\n.code64`,
  ),
  // The frame's tables have 64-bit code behind 32-bit code and data, as SYSRET wants it; SYSEXIT's would be elsewhere.
];

const longTargets = [
  ...["0", "CODE32", "CODE64", "CODE16", "DATA32", "USER_CODE64", "USER_CODE32", "TSS", "LDT", "CONFORMING"],
  ...["GATE", "GATE_INNER", "ABSENT_CODE", "BEYOND", "RING1_CODE", "USER_CONFORMING"],
];
const farLong = [
  "ljmp *pointer",
  "lcall *pointer",
  ".byte 0x48; ljmp *pointer",
  ".byte 0x48; lcall *pointer",
].flatMap((text) =>
  longTargets.flatMap((target) => {
    // Where 16-bit code would go on, nothing is.
    if (
      target === "CODE16" ||
      target === "CODE32" ||
      target === "CONFORMING" ||
      target === "USER_CONFORMING" ||
      target === "USER_CODE32"
    )
      return [];
    const pointer = text.startsWith(".byte")
      ? `movq $gate_entry, pointer\nmovw $${target}, pointer + 8`
      : `movl $gate_entry, pointer\nmovw $${target}, pointer + 4`;
    return [
      one(`${text} ${target}`, `${pointer}\n${text}`),
      user64(`${text} ${target}`, `${pointer}\n${text}`),
    ];
  }),
);
const returnsLong = ["lretl", "lretq", "iretl", "iretq", "iretw"].flatMap((text) =>
  longTargets.flatMap((target) => {
    if (text === "iretw" && target !== "0") return [];
    const size = text.endsWith("q") ? 8 : text.endsWith("l") ? 4 : 2;
    const flags = text.startsWith("iret") ? ["0x246"] : [];
    const rights = target.startsWith("USER") ? "USER_DATA32" : "DATA32";
    const pushes = [rights, "user_stack", ...flags, target, "gate_entry"].map((value, i, all) => {
      const at = (all.length - 1 - i) * size;
      return size === 8
        ? `movq $${value}, ${at}(%rsp)`
        : `mov${size === 4 ? "l" : "w"} $${value}${size === 2 ? " - 0x100000" : ""}, ${at}(%rsp)`;
    });
    if (size === 2) return [];
    const code = `sub $64, %rsp\n${pushes.join("\n")}\n${text}`;
    return [one(`${text} ${target}`, code), user64(`${text} ${target}`, code)];
  }),
);
const nullStack = [0, 1, 3].map((rpl) =>
  one(
    `iretq with a null stack segment, RPL ${rpl}`,
    `push $${rpl}\npush $user_stack\npush $2\npush $CODE64\npush $gate_entry\niretq`,
  ),
);

const LONG_EXTRA = `
  jmp 9f
  .align 8
pointer: .quad 0, 0
user_bounds: .long 1, 2
user_selector: .word USER_DATA32
9:
`;
export const long = (list: readonly SystemCase[]): string => longProgram(list, LONG_EXTRA);
const compatibleCases = [
  ...[
    "int $0x30",
    "sysenter",
    "mov $0x12345678, %eax\npush %eax\npop %ebx\nint $0x30",
    "ljmp $USER_CODE64, $1f\n.code64\n1: int $0x30",
  ],
  ...[
    "lcall $GATE_INNER, $0",
    "lcall $GATE, $0",
    "mov 0x8000000, %eax",
    "inc %eax\nint $0x30",
    "ud2",
    "pusha\npopa\nint $0x30",
    "pushf\npop %eax\nint $0x30",
  ],
  ...[
    "mov $-1, %eax\nmov 4(%eax), %ebx",
    "les 0x100000, %eax\nint $0x30",
    "daa\nint $0x30",
    "retf",
    "iret",
    "lret",
    "mov %cr0, %eax",
  ],
]
  .filter(
    (text) =>
      !text.startsWith("retf") &&
      !text.startsWith("daa") &&
      !text.startsWith("les") &&
      !text.startsWith("mov $-1"),
  )
  .map((text) => compatible(text, text));

// --- Single steps, strings -------------------------------------------------------------------

const TRAP = "pushf\norl $0x100, (%esp)\npopf\n";
const NO_TRAP = "\npushf\nandl $~0x100, (%esp)\npopf\nnop";
const STEPPED = [
  ...[
    "nop",
    "inc %eax\ninc %ebx",
    "mov %ss, %eax\nmov %eax, %ss\nnop\nnop",
    "mov %ss, %eax\npush %eax\npop %ss\nnop",
  ],
  ...[
    "call 1f\n1: pop %eax",
    "jmp 1f\n1: nop",
    "mov $3, %ecx\n1: loop 1b",
    "int $0x30\nnop",
    "ud2",
    "int3",
    "push $2\npopf",
  ],
  ...[
    "mov $3, %ecx\nmov $data, %edi\nrep stosb\nnop",
    "mov $0, %ecx\nmov $data, %edi\nrep stosb\nnop",
    "xor %ecx, %ecx\ndiv %ecx",
  ],
  ...[
    "mov $2, %ecx\nmov $data, %esi\nmov $data, %edi\nrepe cmpsb\nnop",
    "pushf\npush $CODE32\npush $1f\niret\n1: nop",
    "lcall $CODE32, $1f\n1: nop",
  ],
  ...["mov %cr0, %eax\nmov %eax, %cr0\nnop", "cli\nnop"],
].map((text) => one(`step: ${text}`, TRAP + text + NO_TRAP));
const userSteps = ["inc %eax\ninc %ebx", "int $0x30\nnop", "mov $3, %ecx\n1: loop 1b", "ud2", "cli"].map(
  (text) => user(`step: ${text}`, TRAP + text + NO_TRAP),
);

const STRINGS = [
  "rep movsb",
  "rep movsw",
  "rep movsl",
  "movsb",
  "rep stosl",
  "rep lodsb",
  "lodsw",
  "repe cmpsb",
  "repne cmpsb",
  "repne scasb",
  "repe scasw",
  "cmpsl",
  "scasb",
  "stosw",
];
const prepared = (direction: string) =>
  `mov $data + 64, %esi\nmov $data + 96, %edi\nmov $5, %ecx\nmovl $0x04030201, data + 64\nmovl $0x04030200, data + 96\n${direction}\n`;
const strings = STRINGS.flatMap((text) =>
  ["cld", "std"].map((direction) =>
    one(
      `${direction}, ${text}`,
      `${prepared(direction)}${text}\nmov data + 96, %ebx\nmov data + 92, %edx\nint $0x30`,
    ),
  ),
);
const portStrings: readonly SystemCase[] = [
  one(
    "rep outsb",
    `mov $0x3f8, %dx\nmov $8, %ecx\nmov $1f, %esi\nrep outsb\nint $0x30\n.section .rodata\n1: .ascii "abcdefgh"\n.text`,
  ),
  one(
    "outsb",
    `mov $0x3f8, %dx\nmov $1f, %esi\noutsb\noutsb\noutsb\noutsb\nint $0x30\n.section .rodata\n1: .ascii "abcdefgh"\n.text`,
  ),
  one(
    "rep insb",
    `mov $0x300, %dx\nmov $3, %ecx\nmov $data, %edi\nmovl $0, data\nrep insb\nmov data, %eax\nint $0x30`,
  ),
  one("insl, backwards", `mov $0x300, %dx\nmov $data, %edi\nstd\ninsl\nint $0x30`),
  user("rep insb", `mov $0x70, %dx\nmov $3, %ecx\nmov $data, %edi\nrep insb\nint $0x30`),
];

/** In 64-bit mode: what reaches the end of memory stops there, and says how far it came. */
const END = 64 << 20;
const forwards = ["cld"];
const interrupted = [
  "rep movsb",
  "rep movsw",
  "rep stosl",
  "rep stosq",
  "rep lodsb",
  "repe cmpsb",
  "repne scasb",
  "rep movsq",
].flatMap((text) =>
  (text.includes("cmps") ? forwards : ["cld", "std"]).map((direction) => {
    const [from, to] = direction === "cld" ? [END - 37, END - 21] : [END + 8, END + 3];
    return one(
      `${direction}, ${text}`,
      `mov $${from}, %rsi\nmov $${to}, %rdi\nmov $64, %ecx\nmov $0, %al\n${direction}\n${text}`,
    );
  }),
);

// --- Virtual-8086 and real mode --------------------------------------------------------------

const virtual = (iopl: number, name: string, code: string): SystemCase =>
  one(
    `virtual-8086, IOPL ${iopl}: ${name}`,
    `cld
     mov $71f, %esi
     mov $0x7000, %edi
     mov $72f - 71f, %ecx
     rep movsb
     push $0x900
     push $0x900
     push $0x800
     push $0x900
     push $0x600
     push $0x1000
     push $0x20002 + ${iopl << 12}
     push $0x700
     push $0
     movl $0, 0x8000
     mov $0x33333333, %ecx
     mov $0x55555555, %esi
     mov $0x66666666, %edi
     iret
     .code16
     71: ${code}
     int $0x31
     72:
     .code32`,
  );
const SIXTEEN = [
  ...[
    "cli",
    "sti",
    "hlt",
    "pushf",
    "pushf\npopf\nint $0x30",
    "pushf\npush $0x700\npush $(73f - 71b)\niret\n73: int $0x30",
    "int $0x30",
    "int3",
    "into",
    "pushfl",
    "in $0x10, %al",
    "mov $0x300, %dx\nin %dx, %al\nint $0x30",
  ],
  ...[
    "mov %ds, %ax\nmov %ax, %es\nint $0x30",
    "push $0x123\npop %ds\nint $0x30",
    "lgdt 0",
    "sgdt 0\nint $0x30",
    "smsw %ax\nint $0x30",
    "lldt %ax",
    "str %ax",
    "verr %ax",
  ],
  ...[
    "lar %ax, %bx",
    "arpl %ax, %bx",
    "mov %cr0, %eax",
    "mov %ax, 0\nmov 0, %bx\nint $0x30",
    "lds 0, %bx\nint $0x30",
    "ljmp $0x700, $(73f - 71b)\n73: int $0x30",
  ],
  ...[
    "lcall $0x700, $(73f - 71b)\n73: pop %ax\npop %bx\nint $0x30",
    "push $0x700\npush $(73f - 71b)\nlret\n73: int $0x30",
    "ud2",
    "call 73f\n73: pop %ax\nint $0x30",
  ],
  ...[
    "mov $0xffff, %bx\nmov (%bx), %al\nint $0x30",
    "pusha\npopa\nint $0x30",
    "mov %sp, %ax\nint $0x30",
    "clts",
    "invlpg 0",
    "mov %ax, %cs",
    "enter $4, $2\nleave\nint $0x30",
  ],
  ...[
    "xor %cx, %cx\ndiv %cx",
    "pushf\npop %ax\nint $0x30",
    "lmsw %ax",
    "rdmsr",
    "wbinvd",
    "mov $0x8000, %eax\nmov (%eax), %ebx\nint $0x30",
    "mov $3, %cx\n1: loop 1b\nint $0x30",
  ],
  ...[
    "pushf\norw $0x7000, (%esp)\npopf\npushf\npop %ax\nint $0x30",
    "push %es\npop %ss\nmov %ss, %ax\nint $0x30",
    "daa\naas\naam\nint $0x30",
    "mov $0x3, %cx\nxor %di, %di\nrep stosw\nint $0x30",
  ],
];
const virtuals = [0, 3].flatMap((iopl) =>
  SIXTEEN.filter((text) => !/\(%bx\), %al/.test(text)).map((text) => virtual(iopl, text, text)),
);

const reals = SIXTEEN.filter(
  (text) =>
    !/^(cli|sti|hlt|popf|iret|iretl|lgdt 0|lmsw|in |mov %cr0|rdmsr|sgdt|invlpg|clts|wbinvd)|71b|\(%bx\), %al|0x8000/.test(
      text,
    ),
).map((text) => one(`real: ${text}`, `${text}\nint $0x30`));
const moreReals: readonly SystemCase[] = [
  one("real: far jump", "ljmp $0x700, $(73f - real)\n73: int $0x30"),
  one("real: far call", "lcall $0x700, $(73f - real)\n73: pop %ax\npop %bx\nint $0x30"),
  one("real: far return", "push $0x700\npush $(73f - real)\nlret\n73: int $0x30"),
  one("real: interrupt return", "pushw $0xed7\npush $0x700\npush $(73f - real)\niretw\n73: int $0x30"),
  one(
    "real: wide interrupt return",
    "pushl $0x200ed7\npushl $0x700\npushl $(73f - real)\niretl\n73: int $0x30",
  ),
  one("real: step", "pushf\norw $0x100, (%esp)\npopf\nnop\nnop"),
  one("real: stack wraps", "mov $0, %sp\npush %ax\nmov %sp, %bx\nmov $0x4000, %sp\nint $0x30"),
  one(
    "real: 32-bit stack pointer keeps its upper half",
    "mov $0x12344000, %esp\npush %ax\nmov %esp, %ebx\nint $0x30",
  ),
  one("real: unreal segments", "cli\nmov %ds, %cx\nmov $0x1234, %ax\nmov %ax, %ds\nint $0x30"),
];
const real = (list: readonly SystemCase[]): string => realProgram(list);

const paging = (mode: PagingMode, count: number) => ({
  list: pagingCases(mode, count),
  program: (list: readonly SystemCase[]) => pagingProgram(mode, list),
});

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
  "32-bit paging": paging("32-bit", 200),
  "PAE paging": paging("PAE", 200),
  "4-level paging": paging("4-level", 300),
  steps: { list: [...STEPPED, ...userSteps], program },
  strings: { list: [...strings, ...portStrings], program },
  "virtual-8086 mode": { list: virtuals, program },
  "real mode": { list: [...reals, ...moreReals], program: real },
  "long: repeated strings": { list: interrupted, program: long },
  "long: addresses": { list: addresses, program: long },
  "long: instructions": {
    list: LONG_INSTRUCTIONS.flatMap((text) => [user64(text, text)]),
    program: long,
  },
  "long: registers": { list: [...msrs, ...efer, ...cr0, ...cr4], program: long },
  "long: fast calls": { list: fastCalls, program: long },
  "long: far transfers": { list: [...farLong, ...returnsLong, ...nullStack], program: long },
  "long: compatibility mode": { list: compatibleCases, program: long },
};

/** Exceptions with a selector as error code; its bit 0, EXT, QEMU sets for interrupts only. */
const SELECTOR_ERRORS = ["a", "b", "c", "d"];

/** What of a case's words is compared with QEMU's: not EXT, nor P with RSVD. */
export function comparable(words: readonly string[] | undefined): string[] {
  if (words === undefined) return ["missing"];
  // Vectors and error codes of long mode are quads.
  const width = words[1] === "0" && words[3] === "0" ? 2 : 1;
  return words.map((text, i) => {
    if (i === width && SELECTOR_ERRORS.includes(words[0] as string)) return without(text, 1);
    // A reserved bit is in an entry that is present.
    const faulted = words[i - width] === "e" && words[i - 2 * width] !== "e";
    const reserved = faulted && (Number.parseInt(text, 16) & 8) !== 0;
    if (reserved) return hex(Number.parseInt(text, 16) | 1);
    return text;
  });
}

const without = (text: string, bits: number): string => hex((Number.parseInt(text, 16) & ~bits) >>> 0);
const hex = (value: number): string => value.toString(16);
