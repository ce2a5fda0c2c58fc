/* The first instructions, in 32-bit protected mode without paging, as the PVH boot protocol enters us; and the
 * first of the other processors, in real mode.
 *
 * The kernel is linked at IMAGE_BASE, far up in virtual memory. A first set of page tables makes the link address
 * true, keeps the instruction we are at in place while paging is switched on, and shows the first 4 GiB at
 * DIRECT_BASE. paging.c replaces it by the real one.
 */
#include "layout.h"
#include "selectors.h"

#define PHYSICAL(symbol) ((symbol) - IMAGE_BASE + LOAD_BASE)

#define CR0_PE (1 << 0)
#define CR0_KERNEL 0x80050033           /* PG, AM, WP, NE, ET, MP, PE */
#define CR4_FIRST 0x6a0                 /* PAE, PGE, OSFXSR, OSXMMEXCPT */
#define MSR_EFER 0xc0000080
#define EFER_KERNEL 0x901               /* NXE, LME, SCE */
#define NEEDED 0x20100000               /* CPUID 8000_0001, EDX: long mode, no-execute pages */
#define PAGE 0x03                       /* present, writable */
#define LARGE_PAGE 0x83                 /* the same, of 2 MiB */

/* The note that says where PVH is to enter: a physical address (XEN_ELFNOTE_PHYS32_ENTRY). */
.section .note.pvh, "a", @note
.balign 4
    .long   4, 4, 18
    .asciz  "Xen"
    .long   LOAD_BASE

.section .start, "ax"
.code32

/* ebx: physical address of the start info */
.global image_start
image_start:
    cli
    cld
    movl    $PHYSICAL(bss_start), %edi  # not every loader clears it
    movl    $PHYSICAL(image_end), %ecx
    subl    %edi, %ecx
    shrl    $2, %ecx
    xorl    %eax, %eax
    rep stosl
    movl    %ebx, %ebp
    movl    $PHYSICAL(boot_stack_end), %esp

    movl    $0x80000000, %eax
    cpuid
    cmpl    $0x80000001, %eax
    jb      give_up
    movl    $0x80000001, %eax
    cpuid
    andl    $NEEDED, %edx
    cmpl    $NEEDED, %edx
    jne     give_up

    /* 4 GiB at their own address and at DIRECT_BASE */
    movl    $PHYSICAL(first_direct), %edi
    movl    $LARGE_PAGE, %eax
1:  movl    %eax, (%edi)
    addl    $8, %edi
    addl    $0x200000, %eax
    jnc     1b
    movl    $PHYSICAL(first_middle), %edi
    movl    $PHYSICAL(first_direct) + PAGE, %eax
    movl    $4, %ecx
1:  movl    %eax, (%edi)
    addl    $8, %edi
    addl    $4096, %eax
    loop    1b
    movl    $PHYSICAL(first_middle) + PAGE, %eax
    movl    %eax, PHYSICAL(first_root)
    movl    %eax, PHYSICAL(first_root) + 8 * ((DIRECT_BASE >> 39) & 511)

    /* at IMAGE_BASE one page of 2 MiB */
    movl    $PHYSICAL(first_upper) + PAGE, PHYSICAL(first_root) + 8 * 511
    movl    $PHYSICAL(first_image) + PAGE, PHYSICAL(first_upper) + 8 * ((IMAGE_BASE >> 30) & 511)
    movl    $LOAD_BASE + LARGE_PAGE, PHYSICAL(first_image) + 8 * ((IMAGE_BASE >> 21) & 511)

    movl    $PHYSICAL(boot_core), %esi
    jmp     to_long_mode

/* Nothing can be said, or done, without 64-bit mode. */
give_up:
    hlt
    jmp     give_up

/* ebp: passed on; esi: physical address of the processor's stack pointer, and of where it goes, both virtual */
to_long_mode:
    movl    $CR4_FIRST, %eax
    movl    %eax, %cr4
    movl    $PHYSICAL(first_root), %eax
    movl    %eax, %cr3
    movl    $MSR_EFER, %ecx
    movl    $EFER_KERNEL, %eax
    xorl    %edx, %edx
    wrmsr
    movl    $CR0_KERNEL, %eax
    movl    %eax, %cr0
    lgdtl   PHYSICAL(first_gdt_pointer)
    ljmpl   $KERNEL_CODE, $PHYSICAL(in_long_mode)

.code64
in_long_mode:
    xorl    %eax, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %fs
    movl    %eax, %gs
    movl    $KERNEL_DATA, %eax
    movl    %eax, %ss
    movq    (%rsi), %rsp
    movl    %ebp, %edi
    xorl    %ebp, %ebp
    pushq   %rbp                        # nobody to return to; and rsp is what a call leaves
    jmp     *8(%rsi)

/* What is copied to TRAMPOLINE, where start-up IPIs send the other processors: 16-bit code at its page's begin. */
.code16
.global trampoline, trampoline_end
trampoline:
    cli
    cld
    movw    %cs, %ax
    movw    %ax, %ds
    lgdtl   first_gdt_copy - trampoline
    movl    %cr0, %eax
    orb     $CR0_PE, %al
    movl    %eax, %cr0
    ljmpl   $SPARE, $PHYSICAL(secondary_start)
first_gdt_copy:
    .word   first_gdt_end - first_gdt - 1
    .long   PHYSICAL(first_gdt)
trampoline_end:

.code32
secondary_start:
    movl    $SPARE + 8, %eax
    movl    %eax, %ds
    movl    $PHYSICAL(starting_core), %esi
    jmp     to_long_mode

.section .data
.balign 8
boot_core:
    .quad   boot_stack_end, x86_main
.global starting_core
starting_core:
    .quad   0, x86_secondary_main

/* Flat segments by the numbers that the real tables give them; at SPARE, those of protected mode. */
first_gdt:
    .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff
    .quad   0, 0, 0, 0, 0
    .quad   0x00cf9b000000ffff, 0x00cf93000000ffff
first_gdt_end:
first_gdt_pointer:
    .word   first_gdt_end - first_gdt - 1
    .long   PHYSICAL(first_gdt)

.section .bss
.balign 4096
first_root:
    .space 4096
first_middle:
    .space 4096
first_direct:
    .space 4 * 4096
first_upper:
    .space 4096
first_image:
    .space 4096
boot_stack:
    .space 16384
boot_stack_end:
