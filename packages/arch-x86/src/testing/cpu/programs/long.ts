import type { SystemCase } from "./case.js";
import { DESCRIPTORS, flat, gateDescriptor, SELECTORS, systemDescriptor } from "./descriptors.js";
import { BEGIN, cases, fillIdt, gateIst, IO_MAP, stubs, VECTORS } from "./handlers.js";

/** A program in 64-bit mode, with all memory that there is mapped by 2 MiB pages for everybody. */
export function longProgram(list: readonly SystemCase[], setup = ""): string {
  return `
${SELECTORS}
_start:
${BEGIN}
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
${IO_MAP}
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
