import type { SystemCase } from "./case.js";
import { DESCRIPTORS, flat, gateDescriptor, SELECTORS, systemDescriptor } from "./descriptors.js";
import { BEGIN, cases, fillIdt, IO_MAP, stubs, VECTORS } from "./handlers.js";

/** A program in 32-bit protected mode; `paging`: assembly that turns it on. */
export function protectedProgram(list: readonly SystemCase[], setup = ""): string {
  return `
${SELECTORS}
_start:
${BEGIN}
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
${IO_MAP}
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
