// Programs for a whole processor: a frame of assembly around short cases. Every exception and every `int $0x30` of a
// case writes down the registers and the frame that the processor pushed; an exception then goes on with the next case.

/** A piece of assembly that runs at ring 0 with known registers and may end in an exception. */
export interface SystemCase {
  readonly name: string;
  readonly code: string;
}

/** What the dumps of a case begin with, the case's number in the low half. */
const MARK = 0xc0de;

/** Selectors of the frame's descriptor table. */
export const SELECTORS = `
  .equ CODE32, 0x08
  .equ DATA32, 0x10
  .equ CODE64, 0x18
  .equ CODE16, 0x20
  .equ DATA16, 0x28
  .equ USER_CODE32, 0x33
  .equ USER_DATA32, 0x3b
  .equ USER_CODE64, 0x43
  .equ TSS, 0x48
  .equ TSS_HIGH, 0x50
  .equ LDT, 0x58
  .equ LDT_HIGH, 0x60
  .equ CONFORMING, 0x68
  .equ DOWN, 0x70
  .equ ABSENT_DATA, 0x78
  .equ ABSENT_CODE, 0x80
  .equ READ_ONLY, 0x88
  .equ EXECUTE_ONLY, 0x90
  .equ GATE, 0x98
  .equ GATE_HIGH, 0xa0
  .equ GATE_INNER, 0xab
  .equ GATE_INNER_HIGH, 0xb0
  .equ GATE16, 0xb8
  .equ SMALL, 0xc0
  .equ RING1_CODE, 0xc9
  .equ RING1_DATA, 0xd1
  .equ GATE_RING1, 0xdb
  .equ TSS16, 0xe0
  .equ USER_CONFORMING, 0xeb
  .equ RING1_LIKE, 0xf0
  .equ TASK_GATE, 0xf8
  .equ TSS2, 0x100
  .equ BEYOND, 0x200
`;

const word = (low: number, high: number): string =>
  `.long 0x${(low >>> 0).toString(16)}, 0x${(high >>> 0).toString(16)}`;
const flat = (rights: number): string => word(0xffff, 0x00cf_0000 | (rights << 8));

/** The descriptors behind the selectors; gates and system segments are filled in by the frame. */
const DESCRIPTORS = [
  ...["gdt:", word(0, 0), flat(0x9b), flat(0x93)],
  // Flat code of 64 bits, and segments of 16.
  ...[word(0xffff, 0x00af_9b00), word(0xffff, 0x008f_9b00), word(0xffff, 0x000f_9300)],
  ...[flat(0xfb), flat(0xf3), word(0xffff, 0x00af_fb00)],
  ...["gdt_tss:", word(0, 0), word(0, 0), "gdt_ldt:", word(0, 0), word(0, 0)],
  // Conforming code; data that grows down from 4 GiB to 64 KiB; absent data and code; what cannot be written or read.
  ...[flat(0x9f), word(0x000f, 0x00c0_9700), flat(0x13), flat(0x1b), flat(0x91), flat(0x99)],
  ...["gdt_gate:", word(0, 0), word(0, 0), "gdt_gate_inner:", word(0, 0), word(0, 0)],
  ...["gdt_gate16:", word(0, 0)],
  // 256 bytes; ring 1; a gate to it.
  ...[word(0x00ff, 0x0040_9300), flat(0xbb), flat(0xb3), "gdt_gate_ring1:", word(0, 0)],
  ...["gdt_tss16:", word(0, 0), flat(0xff), flat(0xb3), "gdt_task_gate:", word(0, 0)],
  ...["gdt_tss2:", word(0, 0), word(0, 0), "gdt_end:"],
].join("\n");

/** Put the base of `label` in a system descriptor at `at`. Changes EAX. */
const systemDescriptor = (at: string, label: string, limit: number | string, rights: number): string => `
  mov $${label}, %eax
  movw $${limit}, ${at}
  mov %ax, ${at} + 2
  shr $16, %eax
  mov %al, ${at} + 4
  movb $${rights}, ${at} + 5
  movb $0, ${at} + 6
  mov %ah, ${at} + 7
`;

/** A gate at `at`. Changes EAX. */
const gateDescriptor = (
  at: string,
  label: string,
  selector: string,
  rights: number,
  parameters = 0,
): string => `
  mov $${label}, %eax
  mov %ax, ${at}
  movw $${selector}, ${at} + 2
  movb $${parameters}, ${at} + 4
  movb $${rights}, ${at} + 5
  shr $16, %eax
  mov %ax, ${at} + 6
`;

const hasErrorCode = (vector: number): boolean =>
  vector === 8 || (vector >= 10 && vector <= 14) || vector === 17 || vector === 21;

const VECTORS = 0x32;
/** User code may call these. */
const OPEN_VECTORS = [3, 4, 0x30, 0x31];

const stubs = (bits: 32 | 64): string =>
  Array.from({ length: VECTORS }, (_, vector) => {
    const placeholder = hasErrorCode(vector) ? "" : "push $0x7777\n";
    return `.align 16\nstub_${bits}_${vector}:\n${placeholder}push $${vector}\njmp common_${bits}`;
  }).join("\n");

/** Fill the table of handlers. */
const fillIdt = (bits: 32 | 64): string =>
  Array.from({ length: VECTORS }, (_, vector) => {
    const rights = OPEN_VECTORS.includes(vector) ? 0xee : 0x8e;
    const at = `idt + ${vector * (bits / 4)}`;
    return gateDescriptor(at, `stub_${bits}_${vector}`, bits === 32 ? "CODE32" : "CODE64", rights);
  }).join("");

/** Let a gate of long mode use an entry of the interrupt stack table. */
const gateIst = (vector: number, entry: number): string => `movb $${entry}, idt + ${vector * 16} + 4\n`;

const cases = (list: readonly SystemCase[], between: string): string =>
  list
    .map(
      ({ code }, i) => `
  ${between}
  mov $0x${(MARK * 0x1_0000 + i).toString(16)}, %eax
  call emit
  movl $case_${i}, resume
  call initial
  ${code}
case_${i}:`,
    )
    .join("\n");

/** A program in 32-bit protected mode; `paging`: assembly that turns it on. */
export function protectedProgram(list: readonly SystemCase[], setup = ""): string {
  return `
${SELECTORS}
_start:
  mov $stack, %esp
  # No timer of the firmware's.
  mov $0xff, %al
  out %al, $0x21
  out %al, $0xa1
  lgdt gdtr
  ljmp $CODE32, $1f
1: call data_segments
  ${fillIdt(32)}
  ${systemDescriptor("gdt_tss", "tss", "tss_end - tss - 1", 0x89)}
  ${systemDescriptor("gdt_tss2", "tss2", 103, 0x89)}
  ${systemDescriptor("gdt_tss16", "tss16", 43, 0x81)}
  ${systemDescriptor("gdt_ldt", "ldt", 15, 0x82)}
  ${gateDescriptor("gdt_gate", "gate_entry", "CODE32", 0x8c)}
  ${gateDescriptor("gdt_gate_inner", "gate_entry", "CODE32", 0xec, 2)}
  ${gateDescriptor("gdt_gate16", "gate_entry", "CODE16", 0x84)}
  ${gateDescriptor("gdt_gate_ring1", "gate_entry", "RING1_CODE", 0xec, 1)}
  ${gateDescriptor("gdt_task_gate", "0", "TSS2", 0xe5)}
  lidt idtr
  mov $TSS, %eax
  ltr %ax
  mov $LDT, %eax
  lldt %ax
  ${setup}
  ${cases(list, "mov $stack, %esp\ncall data_segments\ncall first_task")}
  stop

data_segments:
  mov $DATA32, %eax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  mov %ax, %fs
  mov %ax, %gs
  ret
# Whatever task this is, it is the first one now.
first_task:
  movb $0x89, gdt_tss + 5
  movb $0x89, gdt_tss2 + 5
  movb $0x81, gdt_tss16 + 5
  mov $TSS, %eax
  ltr %ax
  mov $LDT, %eax
  lldt %ax
  clts
  ret
# Known registers and flags.
initial:
  mov $0x11111111, %eax
  mov $0x22222222, %ebx
  mov $0x33333333, %ecx
  mov $0x44444444, %edx
  mov $0x55555555, %esi
  mov $0x66666666, %edi
  mov $0x77777777, %ebp
  push $2
  popf
  ret
# Write EAX.
emit:
  push %edx
  push %ecx
  mov $0x3f8, %dx
  mov $4, %ecx
1: outb %al, %dx
  shr $8, %eax
  loop 1b
  pop %ecx
  pop %edx
  ret
# Where gates and user code lead: writes the registers and goes on with the next case.
gate_entry:
  int $0x30
  int $0x31
  # To ring 3 at EAX.
to_user:
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
${stubs(32)}
common_32:
  cld
  push %gs
  push %fs
  push %es
  push %ds
  pusha
  call data_segments_but_stack
  mov %esp, %ebp
  # QEMU's processor pushes no RF.
  andl $0xfffeffff, 64(%ebp)
  # Vector, error code, EIP, CS, EFLAGS.
  lea 48(%ebp), %esi
  mov $5, %ecx
  testl $0x20000, 64(%ebp)
  jz 1f
  mov $11, %ecx
  jmp 2f
1: testl $3, 60(%ebp)
  jz 2f
  mov $7, %ecx
2: mov (%esi), %eax
  add $4, %esi
  call emit
  loop 2b
  # EDI to EAX; DS, ES, FS and GS; SS, and CR2 if it is a page fault.
  mov %ebp, %esi
  mov $12, %ecx
3: mov (%esi), %eax
  add $4, %esi
  cmp $9, %ecx
  jne 4f
  # ESP as PUSHA saves it: only where it says nothing of what was pushed.
  xor %eax, %eax
4: cmp $5, %ecx
  jae 5f
  movzwl %ax, %eax
5: call emit
  loop 3b
  xor %eax, %eax
  mov %ss, %eax
  call emit
  cmpl $14, 48(%ebp)
  jne 6f
  mov %cr2, %eax
  call emit
6: cmpl $1, 48(%ebp)
  jne 9f
  # The debug status; a single step goes on.
  mov %dr6, %eax
  call emit
  mov $0xffff0ff0, %eax
  mov %eax, %dr6
  jmp 8f
9: cmpl $0x30, 48(%ebp)
  jne 7f
8: popa
  pop %ds
  pop %es
  pop %fs
  pop %gs
  add $8, %esp
  iret
7: jmp *resume
data_segments_but_stack:
  mov $DATA32, %eax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %fs
  mov %ax, %gs
  ret

  .align 16
${DESCRIPTORS}
gdtr: .word gdt_end - gdt - 1
  .long gdt
idtr: .word ${VECTORS * 8 - 1}
  .long idt
resume: .long 0
  .align 16
ldt: ${flat(0x93)}
  ${flat(0x9b)}
tss:
  .long 0, stack, DATA32, ring1_stack, RING1_DATA, 0, 0
  .skip 0x66 - 28
  .word io_map - tss
  # User code may use ports 0 to 7 and 16 on, but not the serial port's neighbours.
io_map: .byte 0, 0xff
  .skip 126
  .byte 0xff
tss_end:
tss2: .skip 104
tss16: .skip 44
  .align 16
idt: .skip ${VECTORS * 8}
  .skip 4096
user_stack: .skip 64
  .skip 4096
ring1_stack: .skip 64
  .skip 8192
stack: .skip 64
  .align 4096
data: .skip 8192
`;
}

/** A program in 64-bit mode, with all memory that there is mapped by 2 MiB pages for everybody. */
export function longProgram(list: readonly SystemCase[], setup = ""): string {
  return `
${SELECTORS}
_start:
  mov $stack, %esp
  mov $0xff, %al
  out %al, $0x21
  out %al, $0xa1
  lgdt gdtr
  ljmp $CODE32, $1f
1: mov $DATA32, %eax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  ${fillIdt(64)}
  ${[2, 8, 12, 13].map((vector) => gateIst(vector, 1)).join("")}
  ${systemDescriptor("gdt_tss", "tss", "tss_end - tss - 1", 0x89)}
  ${systemDescriptor("gdt_ldt", "ldt", 15, 0x82)}
  ${gateDescriptor("gdt_gate", "gate_entry", "CODE64", 0x8c)}
  ${gateDescriptor("gdt_gate_inner", "gate_entry", "CODE64", 0xec)}
  lidt idtr
  # Tables: one entry, one entry, 32 pages of 2 MiB.
  movl $page_directory_pointers + 7, page_map
  movl $page_directory + 7, page_directory_pointers
  mov $0xe7, %eax
  xor %edx, %edx
  xor %ecx, %ecx
2: mov %eax, page_directory(,%ecx,8)
  mov %edx, page_directory + 4(,%ecx,8)
  add $0x200000, %eax
  inc %ecx
  cmp $32, %ecx
  jb 2b
  mov $page_map, %eax
  mov %eax, %cr3
  mov $0x620, %eax
  mov %eax, %cr4
  mov $0xc0000080, %ecx
  mov $0x901, %eax
  xor %edx, %edx
  wrmsr
  mov $0x80010031, %eax
  mov %eax, %cr0
  ljmp $CODE64, $3f
  .code64
3: mov $TSS, %eax
  ltr %ax
  mov $LDT, %eax
  lldt %ax
  lidt idtr
  ${setup}
  ${cases(list, "mov $stack, %rsp\ncall data_segments")}
  stop

data_segments:
  mov $DATA32, %eax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  mov %ax, %fs
  mov %ax, %gs
  ret
initial:
  mov $0x1111111111111111, %rax
  mov $0x2222222222222222, %rbx
  mov $0x3333333333333333, %rcx
  mov $0x4444444444444444, %rdx
  mov $0x5555555555555555, %rsi
  mov $0x6666666666666666, %rdi
  mov $0x7777777777777777, %rbp
  mov $0x8888888888888888, %r8
  mov $0x1111111111111111, %r11
  push $2
  popfq
  ret
emit:
  push %rdx
  push %rcx
  mov $0x3f8, %dx
  mov $4, %ecx
1: outb %al, %dx
  shr $8, %eax
  loop 1b
  pop %rcx
  pop %rdx
  ret
gate_entry:
  int $0x30
  int $0x31
  # To ring 3 at RAX.
to_user:
  push $USER_DATA32
  push $user_stack
  pushfq
  push $USER_CODE64
  push %rax
  mov $USER_DATA32, %eax
  mov %ax, %ds
  mov %ax, %es
  mov $0x1111111111111111, %rax
  iretq
  # To compatibility mode at EAX, ring 3.
to_compatible:
  push $USER_DATA32
  push $user_stack
  pushfq
  push $USER_CODE32
  push %rax
  mov $USER_DATA32, %eax
  mov %ax, %ds
  mov %ax, %es
  mov $0x1111111111111111, %rax
  iretq
${stubs(64)}
common_64:
  cld
  push %r11
  push %r8
  push %rdi
  push %rsi
  push %rbp
  push %rbx
  push %rdx
  push %rcx
  push %rax
  # RAX, RCX, RDX, RBX, RBP, RSI, RDI, R8, R11; vector, error code, RIP, CS, RFLAGS, RSP, SS.
  mov %rsp, %rbp
  andl $0xfffeffff, 104(%rbp)
  lea 72(%rbp), %rsi
  mov $7, %ecx
  call emit_quads
  mov %rbp, %rsi
  mov $9, %ecx
  call emit_quads
  mov %ds, %eax
  call emit
  mov %es, %eax
  call emit
  mov %fs, %eax
  call emit
  mov %gs, %eax
  call emit
  # SS where the privilege changed: with the stack table and without that, QEMU loads 0, too.
  xor %eax, %eax
  testl $3, 96(%rbp)
  jz 5f
  mov %ss, %eax
5: call emit
  mov %esp, %eax
  call emit
  cmpl $14, 72(%rbp)
  jne 6f
  mov %cr2, %rax
  call emit
  mov %cr2, %rax
  shr $32, %rax
  call emit
6: cmpl $1, 72(%rbp)
  jne 9f
  mov %dr6, %rax
  call emit
  mov $0xffff0ff0, %eax
  mov %rax, %dr6
  jmp 8f
9: cmpl $0x30, 72(%rbp)
  jne 7f
8: pop %rax
  pop %rcx
  pop %rdx
  pop %rbx
  pop %rbp
  pop %rsi
  pop %rdi
  pop %r8
  pop %r11
  add $16, %rsp
  iretq
7: mov resume, %eax
  jmp *%rax
emit_quads:
1: mov (%rsi), %eax
  call emit
  mov 4(%rsi), %eax
  call emit
  add $8, %rsi
  loop 1b
  ret

  .align 16
${DESCRIPTORS}
gdtr: .word gdt_end - gdt - 1
  .quad gdt
idtr: .word ${VECTORS * 16 - 1}
  .quad idt
resume: .quad 0
  .align 16
ldt: ${flat(0x93)}
  ${flat(0x9b)}
tss: .long 0
  .quad stack, ring1_stack, 0, 0, ist_stack, 0, 0, 0, 0, 0, 0, 0
  .word 0
  .word io_map - tss
io_map: .byte 0, 0xff
  .skip 126
  .byte 0xff
tss_end:
  .align 16
idt: .skip ${VECTORS * 16}
  .skip 4096
user_stack: .skip 64
  .skip 4096
ring1_stack: .skip 64
  .skip 4096
ist_stack: .skip 64
  .skip 8192
stack: .skip 64
  .align 4096
page_map: .skip 4096
page_directory_pointers: .skip 4096
page_directory: .skip 4096
data: .skip 8192
`;
}

/** Where real-mode programs are: their labels are offsets from `real` there. */
const REAL = 0x7000;
/** Where the exceptions of real mode lead. */
const REAL_VECTORS = 0x5000;

/** A program in real mode; `at` of a label is its offset in the code segment. */
export function realProgram(list: readonly SystemCase[]): string {
  return `
${SELECTORS}
_start:
  mov $stack, %esp
  mov $0xff, %al
  out %al, $0x21
  out %al, $0xa1
  lgdt gdtr
  cld
  mov $real, %esi
  mov $${REAL}, %edi
  mov $real_end - real, %ecx
  rep movsb
  ljmp $CODE16, $${REAL}

  .code16
  .macro at register, label
    mov $(\\label - real), \\register
  .endm
real:
  mov $DATA16, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  mov %ax, %fs
  mov %ax, %gs
  mov %cr0, %eax
  and $0xfe, %al
  mov %eax, %cr0
  ljmp $${REAL >> 4}, $(1f - real)
1: xor %ax, %ax
  mov %ax, %ds
  mov $${REAL_VECTORS}, %di
  mov $(real_stubs - real), %ax
  mov $${VECTORS}, %cx
2: mov %ax, (%di)
  movw $${REAL >> 4}, 2(%di)
  add $8, %ax
  add $4, %di
  loop 2b
  lidtl %cs:(real_idtr - real)
  ${list
    .map(
      ({ code }, i) => `
  xor %ax, %ax
  mov %ax, %ss
  mov $0x4000, %esp
  mov $0x${(MARK * 0x1_0000 + i).toString(16)}, %eax
  call real_emit
  movw $(real_case_${i} - real), %cs:(real_resume - real)
  call real_initial
  ${code}
real_case_${i}:`,
    )
    .join("\n")}
  stop
real_initial:
  mov $0x800, %ax
  mov %ax, %ds
  mov $0x900, %ax
  mov %ax, %es
  mov %ax, %fs
  mov %ax, %gs
  mov $0x11111111, %eax
  mov $0x22222222, %ebx
  mov $0x33333333, %ecx
  mov $0x44444444, %edx
  mov $0x55555555, %esi
  mov $0x66666666, %edi
  mov $0x77777777, %ebp
  pushw $2
  popfw
  ret
real_emit:
  push %dx
  push %cx
  mov $0x3f8, %dx
  mov $4, %cx
1: outb %al, %dx
  shr $8, %eax
  loop 1b
  pop %cx
  pop %dx
  ret
  .balign 8
real_stubs:
  .set i, 0
  .rept ${VECTORS}
  .balign 8
  pushw $i
  jmp real_common
  .set i, i + 1
  .endr
real_common:
  push %gs
  push %fs
  push %es
  push %ds
  pushal
  mov %esp, %ebp
  # Everything from EDI to FLAGS: 8 registers, 4 segments, vector, IP, CS, FLAGS.
  mov $12, %cx
  mov %bp, %si
3: mov %ss:(%si), %eax
  add $4, %si
  call real_emit
  loop 3b
  mov %sp, %ax
  call real_emit
  cmpw $0x30, %ss:40(%bp)
  jne 7f
  popal
  pop %ds
  pop %es
  pop %fs
  pop %gs
  add $2, %sp
  iretw
7: jmp *%cs:(real_resume - real)
real_idtr: .word ${VECTORS * 4 - 1}
  .long ${REAL_VECTORS}
real_resume: .word 0
real_end:

  .align 16
${DESCRIPTORS}
gdtr: .word gdt_end - gdt - 1
  .long gdt
  .skip 4096
stack: .long 0
`;
}

/** The dumps of each case, in words; those of a program that stopped early end early. */
export function dumpsOf(list: readonly SystemCase[], output: Uint8Array): Map<string, string[]> {
  const words = new Uint32Array(output.slice(0, output.length & ~3).buffer);
  const found = new Map<string, string[]>();
  let present: string[] = [];
  for (const value of words) {
    const number = value & 0xffff;
    const name = value >>> 16 === MARK ? list[number]?.name : undefined;
    if (name === undefined) {
      present.push(value.toString(16));
      continue;
    }
    present = [];
    found.set(name, present);
  }
  return found;
}
