/* Traps: in and out of struct frame. Switching between tasks. */

#define FRAME_SIZE 272
#define FRAME_X30 240
#define FRAME_PC 256

.text
/* Sixteen vectors of 128 bytes: synchronous, IRQ, FIQ, SError; from EL1 on SP_EL0, from EL1, from EL0, and
 * from EL0 in AArch32. While a program runs, sp (SP_EL1) is where its kernel stack begins. */
.macro vector number
.balign 128
    sub     sp, sp, #FRAME_SIZE
    stp     x0, x1, [sp]
    mov     x1, #\number
    b       trap_entry
.endm

.balign 2048
.global vectors
vectors:
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vector  \n
.endr

.macro each_pair instruction
    \instruction x2, x3, [sp, #16]
    \instruction x4, x5, [sp, #32]
    \instruction x6, x7, [sp, #48]
    \instruction x8, x9, [sp, #64]
    \instruction x10, x11, [sp, #80]
    \instruction x12, x13, [sp, #96]
    \instruction x14, x15, [sp, #112]
    \instruction x16, x17, [sp, #128]
    \instruction x18, x19, [sp, #144]
    \instruction x20, x21, [sp, #160]
    \instruction x22, x23, [sp, #176]
    \instruction x24, x25, [sp, #192]
    \instruction x26, x27, [sp, #208]
    \instruction x28, x29, [sp, #224]
.endm

.balign 4
trap_entry:
    each_pair stp
    mrs     x2, sp_el0
    stp     x30, x2, [sp, #FRAME_X30]
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    stp     x2, x3, [sp, #FRAME_PC]
    mov     x0, sp
    bl      trap_handler                // (frame, number of the vector)
    mov     x0, sp

/* _Noreturn void trap_return(struct frame *frame) */
.global trap_return
trap_return:
    mov     sp, x0
    ldp     x2, x3, [sp, #FRAME_PC]
    msr     elr_el1, x2
    msr     spsr_el1, x3
    ldp     x30, x2, [sp, #FRAME_X30]
    msr     sp_el0, x2
    each_pair ldp
    ldp     x0, x1, [sp]
    add     sp, sp, #FRAME_SIZE
    eret

/* What a function must keep by the calling convention; all else its caller has saved. */
#define SAVED_SIZE 96
.macro each_saved instruction
    \instruction x19, x20, [sp, #0]
    \instruction x21, x22, [sp, #16]
    \instruction x23, x24, [sp, #32]
    \instruction x25, x26, [sp, #48]
    \instruction x27, x28, [sp, #64]
    \instruction x29, x30, [sp, #80]
.endm

/* void switch_stacks(u64 *from, u64 to): leaves one task's stack for another's. */
.global switch_stacks
switch_stacks:
    sub     sp, sp, #SAVED_SIZE
    each_saved stp
    mov     x9, sp
    str     x9, [x0]
    mov     sp, x1
    each_saved ldp
    add     sp, sp, #SAVED_SIZE
    ret

/* See guard.h. guard_resume(stack) puts the stack pointer right and goes on at guard_leave. */
.global guard_enter, guard_leave, guard_resume
guard_enter:
    sub     sp, sp, #SAVED_SIZE
    each_saved stp
    mov     x9, sp
    str     x9, [x2]
    mov     x9, x0
    mov     x0, x1
    blr     x9
guard_leave:
    each_saved ldp
    add     sp, sp, #SAVED_SIZE
    ret
guard_resume:
    mov     sp, x0
    b       guard_leave
