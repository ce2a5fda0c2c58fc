import type { SystemCase } from "./programs/case.js";
import { one } from "./system-programs.js";

// Virtual-8086 and real mode.

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

export const virtuals = [0, 3].flatMap((iopl) =>
  SIXTEEN.filter((text) => !/\(%bx\), %al/.test(text)).map((text) => virtual(iopl, text, text)),
);

const bothModes = SIXTEEN.filter(
  (text) =>
    !/^(cli|sti|hlt|popf|iret|iretl|lgdt 0|lmsw|in |mov %cr0|rdmsr|sgdt|invlpg|clts|wbinvd)|71b|\(%bx\), %al|0x8000/.test(
      text,
    ),
).map((text) => one(`real: ${text}`, `${text}\nint $0x30`));

const onlyReal: readonly SystemCase[] = [
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

export const reals = [...bothModes, ...onlyReal];
