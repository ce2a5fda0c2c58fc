import { markOf, type SystemCase } from "./case.js";
import { DESCRIPTORS, SELECTORS } from "./descriptors.js";
import { BEGIN, VECTORS } from "./handlers.js";

/** Where real-mode programs are: their labels are offsets from `real` there. */
const REAL = 0x7000;
/** Where the exceptions of real mode lead. */
const REAL_VECTORS = 0x5000;

/** A program in real mode; `at` of a label is its offset in the code segment. */
export function realProgram(list: readonly SystemCase[]): string {
  return `
${SELECTORS}
_start:
${BEGIN}
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
  mov $${markOf(i)}, %eax
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
