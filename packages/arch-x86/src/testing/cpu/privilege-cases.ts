import { one, user, user64 } from "./system-programs.js";

// Instructions that a privilege level may or may not execute, and exceptions.

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

export const privileged = SYSTEM_INSTRUCTIONS.map((text) => user(text, text));
export const kernel = SYSTEM_INSTRUCTIONS.filter(
  (text) =>
    !/hlt|iret|lgdt|lidt|cr0|cr3|ltr|lmsw|monitor|sti|swapgs|wrmsr|rdmsr|dr|str|sgdt|ljmp|popf|data|rdpmc|in |out |inw/.test(
      text,
    ),
).map((text) => one(`kernel: ${text}`, text));

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

export const privilegedLong = LONG_INSTRUCTIONS.map((text) => user64(text, text));
