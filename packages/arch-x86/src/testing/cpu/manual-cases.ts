import type { SystemCase } from "./programs/case.js";
import { long, one, program, user, user64 } from "./system-programs.js";
import { taskFaults } from "./task-cases.js";

// What QEMU's processor does not check, with what the manual says comes of it.

/** An exception's vector and error code, -1 without one; or nothing: the case runs to its `int $0x30`. */
type Outcome = readonly [vector: number, errorCode: number] | "nothing";
export interface ManualCase extends SystemCase {
  readonly outcome: Outcome;
}

const [SS, GP, UD, AC] = [12, 13, 6, 17];
const as = ({ name, code }: SystemCase, outcome: Outcome): ManualCase => ({
  name,
  code: `${code}\nint $0x30`,
  outcome,
});
/** A case whose name is its code. */
const kernel = (code: string, outcome: Outcome) => as(one(code, code), outcome);

const STACK_ACCESSES = [
  ...[
    "mov %rbx, %rsp\npush %rax",
    "mov %rbx, %rsp\npop %rax",
    "mov %rbx, %rsp\nret",
    "mov %rbx, %rsp\nmov (%rsp), %eax",
  ],
  ...["mov %rbx, %rbp\nmov 8(%rbp), %eax", "mov %rbx, %rbp\nds mov (%rbp), %eax", "mov %rbx, %rbp\nleave"],
  ...["mov %rbx, %rsp\niretq", "mov %rbx, %rsp\nlretq", "mov %rbx, %rsp\npushfq", "mov %rbx, %rsp\npopfq"],
  ...["mov %rbx, %rsp\ncall gate_entry", "mov %rbx, %rsp\npush data", "mov %rbx, %rsp\nincl 4(%rsp,%rcx,2)"],
];
const OTHER_ACCESSES = [
  "push (%rbx)",
  "pop (%rbx)",
  "call *(%rbx)",
  "mov %rbx, %rbp\nfs mov (%rbp), %eax",
  "xlat",
];
const FAR = "mov $0x8000000000000000, %rbx\nmov $0, %ecx\n";

/** `wrmsr` of a value, from RAX. */
const msr = (number: number, value: string): string =>
  `mov $${number}, %ecx\nmov $${value}, %rax\nmov %rax, %rdx\nshr $32, %rdx\nwrmsr`;

const longCases: readonly ManualCase[] = [
  ...STACK_ACCESSES.flatMap((code) => [
    as(one(code, FAR + code), [SS, 0]),
    as(user64(code, FAR + code), [SS, 0]),
  ]),
  ...OTHER_ACCESSES.map((code) => as(one(code, FAR + code), [GP, 0])),
  ...[0x175, 0x176, 0xc000_0082, 0xc000_0083, 0xc000_0100, 0xc000_0101, 0xc000_0102].map((number) =>
    kernel(msr(number, "0x800000000000"), [GP, 0]),
  ),
  kernel(msr(0x277, "0x0007040600070206"), [GP, 0]),
  kernel(msr(0xc000_0084, "0x100000000"), [GP, 0]),
  kernel(msr(0xc000_0103, "0x100000000"), [GP, 0]),
  kernel(msr(0xc000_0080, "0x1d01"), [GP, 0]),
  // LME cannot change while there is paging.
  kernel(msr(0xc000_0080, "0xc01"), [GP, 0]),
  kernel(msr(0x1234, "0"), [GP, 0]),
  kernel("mov $0x1234, %ecx\nrdmsr", [GP, 0]),
  // Paging without protection, without PAE, or off in 64-bit mode; NW without CD; upper halves.
  ...["0x80010030", "0x00010031", "0xa0010031", "0x180010031"].map((value) =>
    kernel(`mov $${value}, %rax\nmov %rax, %cr0`, [GP, 0]),
  ),
  ...["0x600", "0x8000000000000620", "0x40000620", "0x1620"].map((value) =>
    kernel(`mov $${value}, %rax\nmov %rax, %cr4`, [GP, 0]),
  ),
  kernel("mov $0x10000000000, %rax\nmov %rax, %cr3", [GP, 0]),
  kernel("mov $16, %eax\nmov %rax, %cr8", [GP, 0]),
  kernel("mov $0x100000000, %rax\nmov %rax, %dr7", [GP, 0]),
  kernel("mov $0x100000000, %rax\nmov %rax, %dr6", [GP, 0]),
  kernel("mov $0x628, %eax\nmov %rax, %cr4\nmov %dr4, %rax", [UD, -1]),
  kernel("mov $0x620, %eax\nmov %rax, %cr4\nmov %dr4, %rax", "nothing"),
  kernel("xgetbv", [UD, -1]),
  // ModRM.mod counts for nothing: mov %cr0, %rax; mov %dr0, %rax; mov %rax, %dr0.
  kernel(".byte 0x0f, 0x20, 0x00, 0x0f, 0x21, 0x40, 0x0f, 0x23, 0x84", "nothing"),
  // Addresses that are not canonical: of the descriptor of INVPCID, in descriptors of tasks and tables.
  kernel(`${FAR}xor %eax, %eax\ninvpcid (%rbx), %rax`, [GP, 0]),
  kernel("movl $0x8000, gdt_tss + 8\nmovb $0x89, gdt_tss + 5\nmov $TSS, %eax\nltr %ax", [GP, 0x48]),
  kernel("movl $0x8000, gdt_ldt + 8\nmov $LDT, %eax\nlldt %ax", [GP, 0x58]),
  // LOCK where it is not allowed.
  ...["lock; mov %eax, data", "lock; nop", "lock; add %eax, %ebx", "lock; cmp %eax, data"].map((code) =>
    kernel(code, [UD, -1]),
  ),
  ...["lock; add %eax, data", "lock; btsl $3, data", "lock; xchg %eax, data"].map((code) =>
    kernel(code, "nothing"),
  ),
];

/** With CR0.AM and RFLAGS.AC set. */
const checked = (name: string, code: string, outcome: Outcome): ManualCase => {
  const on = "mov $0x80050031, %eax\nmov %rax, %cr0\n";
  const { code: body } = user64(name, `pushfq\norq $0x40000, (%rsp)\npopfq\n${code}\nint $0x30`);
  return as({ name: `alignment: ${name}`, code: on + body }, outcome);
};
const alignment: readonly ManualCase[] = [
  checked("a word", "mov data + 1, %ax", [AC, 0]),
  checked("an aligned word", "mov data + 2, %ax", "nothing"),
  checked("a store", "mov %eax, data + 2", [AC, 0]),
  checked("an aligned store, then not", "mov %eax, data + 4\nmov %rax, data + 4", [AC, 0]),
  checked("a byte", "mov %al, data + 1", "nothing"),
  checked("a push", "sub $1, %rsp\npush %rax", [AC, 0]),
  checked("read-modify-write", "incl data + 3", [AC, 0]),
  checked("over pages", "mov data + 4094, %eax", [AC, 0]),
  as(
    one(
      "alignment: not in ring 0",
      "mov $0x80050031, %eax\nmov %rax, %cr0\npushfq\norq $0x40000, (%rsp)\npopfq\nmov data + 1, %eax\npushfq\nandq $~0x40000, (%rsp)\npopfq",
    ),
    "nothing",
  ),
];

/** Through FS, with a descriptor of the frame. */
const through = (selector: string, code: string): string => `mov $${selector}, %eax\nmov %ax, %fs\n${code}`;
const limits: readonly ManualCase[] = [
  kernel(through("SMALL", "mov %fs:0xfc, %eax"), "nothing"),
  kernel(through("SMALL", "mov %fs:0xfd, %eax"), [GP, 0]),
  kernel(through("SMALL", "mov %eax, %fs:0xfd"), [GP, 0]),
  kernel(through("SMALL", "movb $1, %fs:0xff"), "nothing"),
  kernel(through("SMALL", "movb $1, %fs:0x100"), [GP, 0]),
  kernel(through("SMALL", "mov %fs:-1, %ax"), [GP, 0]),
  kernel(through("DOWN", "mov %fs:0x10000, %eax"), "nothing"),
  kernel(through("DOWN", "mov %fs:0xffff, %eax"), [GP, 0]),
  kernel(through("READ_ONLY", "mov %fs:0x100000, %eax"), "nothing"),
  kernel(through("READ_ONLY", "mov %eax, %fs:0x100000"), [GP, 0]),
  kernel("mov %eax, %cs:0x100000", [GP, 0]),
  kernel("mov %cs:0x100000, %eax", "nothing"),
  kernel(through("0", "mov %fs:0, %eax"), [GP, 0]),
  kernel("mov $DATA32, %eax\nmov $SMALL, %ebx\nmov %bx, %es\nmov $0x100, %edi\nstosb", [GP, 0]),
  kernel("mov $SMALL, %ebx\nmov %bx, %es\nmov $0xfe, %edi\nmov $4, %ecx\nrep stosb", [GP, 0]),
  kernel("lcall $CODE32, $0xffffffff", "nothing"),
].filter(({ code }) => !code.includes("0xffffffff"));

const legacy: readonly ManualCase[] = [
  // Nothing is stored where nothing changes.
  kernel(through("READ_ONLY", "movw $1, data\nmov $1, %ebx\narpl %bx, %fs:data"), "nothing"),
  kernel(through("READ_ONLY", "movw $1, data\nmov $2, %ebx\narpl %bx, %fs:data"), [GP, 0]),
  kernel(
    "movw $0x51, data\nmov $2, %ebx\narpl %bx, data\njnz 1f\ncmpw $0x52, data\nje 2f\n1: ud2\n2:",
    "nothing",
  ),
  // A frame pointer of 32 bits is all of ESP, also on a stack of 16.
  as(
    one(
      "ENTER on a stack of 16 bits",
      `mov $DATA16, %eax\nmov %ax, %ss\nmov $0x12347000, %esp\nmov $0x87654321, %ebp\nenter $8, $1
      mov %esp, %ebx\nmov $DATA32, %eax\nmov %ax, %ss\nmov $stack, %esp
      cmp $0x12346ff0, %ebx\njne 1f\ncmp $0x12346ffc, %ebp\njne 1f\ncmp %ebp, 0x6ff8\nje 2f\n1: ud2\n2:`,
    ),
    "nothing",
  ),
];

/** Faults while an exception is delivered have EXT set, those of INT have not. */
const nested: readonly ManualCase[] = [
  kernel("movb $0x0e, idt + 6 * 8 + 5\nud2", [11, (6 << 3) | 3]),
  kernel("movb $0x8e, idt + 6 * 8 + 5\nmovb $0x0e, idt + 0x20 * 8 + 5\nint $0x20", [11, (0x20 << 3) | 2]),
  as(user("INT of a gate for ring 0", "int $0x20"), [GP, (0x20 << 3) | 2]),
  kernel(".byte 0xf1", [1, -1]),
  as(user("STAC", "stac"), [UD, -1]),
  as(user("XSETBV without OSXSAVE", "xsetbv"), [UD, -1]),
];

/** Groups of cases, each a program. */
export const manualGroups: Readonly<
  Record<string, { readonly list: readonly ManualCase[]; program(list: readonly SystemCase[]): string }>
> = {
  "long mode": { list: longCases, program: long },
  alignment: { list: alignment, program: long },
  "limits of segments": { list: limits, program },
  "faults of task switches": { list: taskFaults, program },
  "legacy instructions": { list: legacy, program },
  "nested exceptions": { list: nested, program },
};
