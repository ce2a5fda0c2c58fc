/* The first instructions, at whatever 2 MiB aligned address the image was loaded.
 *
 * The kernel is linked at IMAGE_BASE, far up in virtual memory, so here only addresses relative
 * to the pc are right. A first page table makes the link address true, keeps the instruction we are
 * at in place while we switch it on, and shows low physical memory at DIRECT_BASE, so that C can
 * read the device tree. sv39.c replaces it by the real one.
 */
#include "layout.h"

#define ENTRY(address) (((address) >> 30) & 511)        /* index in a root table */
#define PTE_TABLE 0x01                                  /* valid, points to a table */
#define PTE_DATA 0xc7                                   /* valid, readable, writable, accessed, dirty */
#define PTE_ALL 0xcf                                    /* that, and executable */
#define DIRECT_GIGABYTES 64
#define SBI_PUTCHAR 1
#define SBI_SHUTDOWN 8

/* Whatever the firmware left: no interrupts (SIE), no floating point (FS), no access to user pages
 * (SUM) or by execute rights (MXR). */
.macro clear_status
    li      t0, 0xc6002
    csrc    sstatus, t0
.endm

.section .start, "ax"

/* a0: hart id, a1: physical address of the device tree */
.global image_start
image_start:
    csrw    sie, zero
    clear_status
    lla     t0, early_trap
    csrw    stvec, t0
    mv      s0, a0
    mv      s1, a1
    lla     s2, image_start             // where we are

    slli    t0, s2, 64 - 21             // a multiple of 2 MiB?
    bnez    t0, give_up

    lla     t0, bss_start               // not every loader clears it
    lla     t1, image_end
1:  sd      zero, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b

    call    make_first_table
    call    go_up                       // returns at our link address

    lla     sp, boot_stack_end
    lla     tp, harts
    mv      a0, s0
    mv      a1, s1
    mv      a2, s2
    tail    riscv_main

/* The other harts begin here. a0: hart id, a1: its struct hart, as a virtual address */
.global start_secondary
start_secondary:
    csrw    sie, zero
    clear_status
    mv      tp, a1
    lla     s2, image_start
    call    go_up
    ld      sp, 8(tp)                   // hart->stack_top
    tail    riscv_secondary_main

/* Fills first_root and first_middle for an image at physical s2. */
make_first_table:
    lla     t0, first_root
    li      t1, PTE_DATA                // gigabyte pages at DIRECT_BASE
    li      t2, 1 << (30 - 2)           // from one to the next
    li      t3, DIRECT_GIGABYTES
    li      t4, 8 * ENTRY(DIRECT_BASE)
    add     t4, t4, t0
1:  sd      t1, 0(t4)
    addi    t4, t4, 8
    add     t1, t1, t2
    addi    t3, t3, -1
    bnez    t3, 1b

    srli    t1, s2, 30                  // the gigabyte we are in, at its own address
    slli    t2, t1, 3
    add     t2, t2, t0
    slli    t1, t1, 30 - 2
    ori     t1, t1, PTE_ALL
    sd      t1, 0(t2)

    lla     t1, first_middle            // at IMAGE_BASE one 2 MiB page
    srli    t2, t1, 2
    ori     t2, t2, PTE_TABLE
    li      t3, 8 * ENTRY(IMAGE_BASE)
    add     t3, t3, t0
    sd      t2, 0(t3)
    srli    t2, s2, 2
    ori     t2, t2, PTE_ALL
    sd      t2, 8 * ((IMAGE_BASE >> 21) & 511)(t1)
    ret

/* Turns the first table on and returns to the caller's link address. Needs s2. */
go_up:
    li      t0, IMAGE_BASE
    sub     t0, t0, s2                  // from load address to link address
    add     ra, ra, t0
    lla     t1, early_trap
    add     t1, t1, t0
    csrw    stvec, t1
    lla     t1, first_root
    srli    t1, t1, 12
    li      t2, 8                       // Sv39
    slli    t2, t2, 60
    or      t1, t1, t2
    sfence.vma
    csrw    satp, t1
    sfence.vma
    csrr    t2, satp
    bne     t1, t2, give_up             // this hart has no Sv39
    ret

/* Too early to say more than this. */
.balign 4
early_trap:
give_up:
    lla     s3, last_words
1:  lbu     a0, 0(s3)
    beqz    a0, 2f
    li      a7, SBI_PUTCHAR
    ecall
    addi    s3, s3, 1
    j       1b
2:  li      a7, SBI_SHUTDOWN
    ecall
3:  wfi
    j       3b

last_words:
    .asciz "hypercraft guest: cannot start (needs Sv39 and a load address aligned to 2 MiB)\r\n"

.section .bss
.balign 4096
first_root:
    .space 4096
first_middle:
    .space 4096
boot_stack:
    .space 16384
boot_stack_end:
