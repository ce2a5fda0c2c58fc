/* The first instructions, at whatever address (a multiple of 2 MiB) the image was loaded.
 *
 * The kernel is linked at IMAGE_BASE, far up in virtual memory, so here only addresses relative
 * to the pc are right. A first page table makes the link address true, keeps the instruction we are
 * at in place while we switch it on, and shows the device tree's memory at DIRECT_BASE. vmsa.c
 * replaces it by the real one.
 */
#include "layout.h"

#define ENTRY(address) (((address) >> 30) & 511) /* index in a root table */
#define PTE_TABLE 0x003
#define PTE_BLOCK 0x701                 /* normal memory (MAIR 0), inner shareable, accessed */
#define NEVER_EXECUTED 0x60             /* bits 63 to 48: PXN and UXN */

#define MAIR 0x04ff                     /* 0: normal, write-back; 1: device, nGnRE */
#define TCR_LOW 0x3519                  /* T0SZ 25; walks in write-back, inner shareable memory */
#define TCR_HIGH 0xb519                 /* the same for TTBR1, whose granule of 4 KiB is number 2 */
#define SCTLR_OFF_LOW 0x0800            /* bits that must be set, and nothing on */
#define SCTLR_OFF_HIGH 0x30d0
#define SCTLR_LOW 0xd81d                /* M, C, SA, SA0, I, DZE, UCT: paging, caches, stack alignment; */
#define SCTLR_HIGH 0x34d5               /* nTWI, nTWE, SPAN, UCI: programs may wait and clean caches */

.section .start, "ax"

/* The header of a Linux kernel image, so that a flat copy of this image is one to boot loaders.
 * x0: physical address of the device tree. 0: nobody told, as QEMU does not tell an ELF file; then it is where
 * RAM begins, and that is TREE_DISTANCE below us */
.global image_start
image_start:
    b       start
    .word   0
    .quad   0                           // from a multiple of 2 MiB
    .quad   image_size
    .quad   0xa                         // little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .word   0

start:
    msr     daifset, #0xf
    mov     x19, x0
    adr     x20, image_start            // where we are
    tst     x20, #0x1fffff
    b.ne    give_up
    cbnz    x19, 1f
    sub     x19, x20, #TREE_DISTANCE
1:  bl      go_to_el1

    adrp    x9, bss_start               // not every loader clears it
    add     x9, x9, :lo12:bss_start
    adrp    x10, image_end
    mov     x11, x9
1:  stp     xzr, xzr, [x11], #16
    cmp     x11, x10
    b.lo    1b
    bl      make_first_tables
    dmb     sy                          // caches may hold what was there before: they must not win
1:  dc      ivac, x9
    add     x9, x9, #16
    cmp     x9, x10
    b.lo    1b
    dsb     sy

    bl      go_up                       // returns at our link address
    adrp    x9, boot_stack_end
    add     sp, x9, :lo12:boot_stack_end
    adrp    x9, cores
    add     x9, x9, :lo12:cores
    msr     tpidr_el1, x9
    mov     x0, x19
    mov     x1, x20
    b       arm_main

/* The other processors begin here. x0: their struct core, as a virtual address */
.global start_secondary
start_secondary:
    msr     daifset, #0xf
    mov     x19, x0
    adr     x20, image_start
    bl      go_to_el1
    bl      go_up
    msr     tpidr_el1, x19
    ldr     x9, [x19]                   // core->stack_top
    mov     sp, x9
    b       arm_secondary_main

/* Returns in EL1, with paging off. In EL2 it leaves nothing behind that would trap or change anything. */
go_to_el1:
    mov     x9, #SCTLR_OFF_LOW
    movk    x9, #SCTLR_OFF_HIGH, lsl #16
    mrs     x10, CurrentEL
    cmp     x10, #(2 << 2)
    b.eq    1f
    msr     sctlr_el1, x9
    isb
    ret
1:  mov     x10, #(1 << 31)             // RW: EL1 is AArch64
    msr     hcr_el2, x10
    isb
    msr     sctlr_el1, x9
    mrs     x9, cnthctl_el2             // EL1 may use the physical counter and timer
    orr     x9, x9, #3
    msr     cnthctl_el2, x9
    msr     cntvoff_el2, xzr
    mrs     x9, midr_el1
    msr     vpidr_el2, x9
    mrs     x9, mpidr_el1
    msr     vmpidr_el2, x9
    mov     x9, #0x33ff                 // no traps of floating point; all that must be set
    msr     cptr_el2, x9
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    mrs     x9, id_aa64dfr0_el1         // EL1 has all performance counters there are
    ubfx    x9, x9, #8, #4
    mov     x10, #0
    cbz     x9, 2f
    cmp     x9, #15
    b.eq    2f
    mrs     x10, pmcr_el0
    ubfx    x10, x10, #11, #5
2:  msr     mdcr_el2, x10
    mrs     x9, id_aa64pfr0_el1         // GIC by system registers: EL1 may use them
    ubfx    x9, x9, #24, #4
    cbz     x9, 3f
    mrs     x9, S3_4_C12_C9_5           // ICC_SRE_EL2: SRE, Enable
    mov     x10, #9
    orr     x9, x9, x10
    msr     S3_4_C12_C9_5, x9
    isb
    msr     S3_4_C12_C11_0, xzr         // ICH_HCR_EL2
3:  mov     x9, #0x3c5                  // EL1 on its own stack, nothing let in
    msr     spsr_el2, x9
    msr     elr_el2, x30
    eret

/* Fills the first tables, for an image at physical x20 and a device tree at x19. Keeps x9, x10. */
make_first_tables:
    mov     x15, #PTE_BLOCK
    adrp    x11, first_lower            // the gigabyte we are in, at its own address
    lsr     x12, x20, #30
    lsl     x13, x12, #30
    orr     x13, x13, x15
    str     x13, [x11, x12, lsl #3]

    adrp    x11, first_upper            // at DIRECT_BASE the device tree's gigabyte and the next
    lsr     x12, x19, #30
    lsl     x13, x12, #30
    orr     x13, x13, x15
    mov     x14, #NEVER_EXECUTED
    orr     x13, x13, x14, lsl #48
    str     x13, [x11, x12, lsl #3]
    add     x12, x12, #1
    mov     x14, #(1 << 30)
    add     x13, x13, x14
    str     x13, [x11, x12, lsl #3]

    adrp    x12, first_middle           // at IMAGE_BASE one 2 MiB block
    orr     x13, x12, #PTE_TABLE
    str     x13, [x11, #(8 * ENTRY(IMAGE_BASE))]
    orr     x13, x20, x15
    str     x13, [x12, #(8 * ((IMAGE_BASE >> 21) & 511))]
    ret

/* Turns the first tables on and returns to the caller's link address. Needs x20. */
go_up:
    mrs     x9, id_aa64mmfr0_el1
    ubfx    x10, x9, #28, #4            // TGran4: 15 where there are no pages of 4 KiB
    cmp     x10, #15
    b.eq    give_up
    and     x10, x9, #15                // PARange; beyond 48 bits the tables have another format
    cmp     x10, #5
    mov     x11, #5
    csel    x10, x10, x11, ls
    ubfx    x9, x9, #4, #4              // ASIDBits: 2 for 16
    ubfx    x9, x9, #1, #1
    mov     x11, #TCR_LOW
    movk    x11, #TCR_HIGH, lsl #16
    orr     x11, x11, x10, lsl #32      // IPS
    orr     x11, x11, x9, lsl #36       // AS
    msr     tcr_el1, x11
    mov     x9, #MAIR
    msr     mair_el1, x9
    adrp    x9, first_lower
    msr     ttbr0_el1, x9
    adrp    x9, first_upper
    msr     ttbr1_el1, x9
    msr     cpacr_el1, xzr              // no floating point
    mov     x9, #(IMAGE_BASE & 0xffff)
    movk    x9, #((IMAGE_BASE >> 16) & 0xffff), lsl #16
    movk    x9, #((IMAGE_BASE >> 32) & 0xffff), lsl #32
    movk    x9, #((IMAGE_BASE >> 48) & 0xffff), lsl #48
    sub     x9, x9, x20                 // from load address to link address
    add     x30, x30, x9
    adrp    x10, vectors
    add     x10, x10, :lo12:vectors
    add     x10, x10, x9
    msr     vbar_el1, x10
    dsb     sy
    tlbi    vmalle1
    ic      iallu
    dsb     sy
    isb
    mov     x9, #SCTLR_LOW
    movk    x9, #SCTLR_HIGH, lsl #16
    msr     sctlr_el1, x9
    isb
    ret

/* void use_kernel_root(paddr root, u64 to_load_address): from the first tables to the real ones, whose pages
 * have other sizes: so it is done from our own address below, while nothing above is in use. */
.global use_kernel_root
use_kernel_root:
    adr     x9, 1f
    add     x9, x9, x1
    br      x9
1:  adrp    x9, empty_table
    msr     ttbr1_el1, x9
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    msr     ttbr1_el1, x0
    isb
    ret

/* Nothing can be said without a device tree. */
give_up:
    wfi
    b       give_up

.section .bss
.balign 4096
.global empty_table
first_lower:
    .space 4096
first_upper:
    .space 4096
first_middle:
    .space 4096
empty_table:
    .space 4096
boot_stack:
    .space 16384
boot_stack_end:
