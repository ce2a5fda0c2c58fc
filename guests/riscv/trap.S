/* Traps: in and out of struct frame. Switching between tasks. */

#define FRAME_SIZE 272
#define FRAME_PC 256
#define FRAME_STATUS 264
#define STATUS_SPP 0x100

/* sscratch is 0 while the kernel runs. While a program runs it holds where its kernel stack
 * begins, and there, just above the frame, lies the kernel's tp.
 *
 * x1 and x3 to x31: x2 is the stack pointer and goes last. */
.macro each_register instruction
.irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \instruction x\n, 8 * \n(sp)
.endr
.endm

.text
.balign 4
.global trap_entry
trap_entry:
    csrrw   sp, sscratch, sp
    bnez    sp, 1f
    csrr    sp, sscratch                // from the kernel: stay on its stack
1:  addi    sp, sp, -FRAME_SIZE
    each_register sd
    csrr    t0, sscratch                // the interrupted stack pointer
    csrr    t1, sepc
    csrr    t2, sstatus
    sd      t0, 16(sp)
    sd      t1, FRAME_PC(sp)
    sd      t2, FRAME_STATUS(sp)
    csrw    sscratch, zero
    andi    t2, t2, STATUS_SPP
    bnez    t2, 2f
    ld      tp, FRAME_SIZE(sp)          // from a program: the tp we left there
2:  mv      a0, sp
    call    trap_handler
    mv      a0, sp

/* _Noreturn void trap_return(struct frame *frame) */
.global trap_return
trap_return:
    mv      sp, a0
    ld      t1, FRAME_PC(sp)
    ld      t2, FRAME_STATUS(sp)
    csrw    sepc, t1
    csrw    sstatus, t2
    andi    t2, t2, STATUS_SPP
    bnez    t2, 1f
    sd      tp, FRAME_SIZE(sp)          // to a program: see above
    addi    t0, sp, FRAME_SIZE
    csrw    sscratch, t0
1:  each_register ld
    ld      sp, 16(sp)
    sret

/* What a function must keep by the calling convention; all else its caller has saved. */
#define SAVED_SIZE 112
.macro each_saved instruction
    \instruction ra, 0(sp)
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11
    \instruction s\n, 8 + 8 * \n(sp)
.endr
.endm

/* void switch_stacks(u64 *from, u64 to): leaves one task's stack for another's. */
.global switch_stacks
switch_stacks:
    addi    sp, sp, -SAVED_SIZE
    each_saved sd
    sd      sp, 0(a0)
    mv      sp, a1
    each_saved ld
    addi    sp, sp, SAVED_SIZE
    ret

/* u64 guard_enter(u64 (*body)(u64), u64 argument, u64 *guard_stack): calls body(argument). When it
 * traps, the trap handler goes to guard_leave with the stack that was noted in *guard_stack. */
.global guard_enter, guard_leave
guard_enter:
    addi    sp, sp, -SAVED_SIZE
    each_saved sd
    sd      sp, 0(a2)
    mv      t0, a0
    mv      a0, a1
    jalr    t0
guard_leave:
    each_saved ld
    addi    sp, sp, SAVED_SIZE
    ret
