/* Traps: in and out of struct frame. Switching between tasks. */
#include "selectors.h"

/* Offsets in struct frame and struct core (x86.h). */
#define FRAME_VECTOR 120
#define FRAME_CS 144
#define CORE_KERNEL_STACK 8
#define CORE_USER_STACK 16

.text
/* One for each vector, 16 bytes apart. Of exceptions, these push an error code; for all others we do. */
.balign 16
.global vectors
vectors:
.set vector, 0
.rept 256
    .balign 16
    .if vector != 8 && vector != 10 && vector != 11 && vector != 12 && vector != 13 && vector != 14 && \
        vector != 17 && vector != 21 && vector != 29 && vector != 30
    pushq   $0
    .endif
    pushq   $vector
    jmp     trap_entry
    .set vector, vector + 1
.endr

.macro push_registers
    pushq   %rax
    pushq   %rcx
    pushq   %rdx
    pushq   %rbx
    pushq   %rbp
    pushq   %rsi
    pushq   %rdi
    pushq   %r8
    pushq   %r9
    pushq   %r10
    pushq   %r11
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
.endm

.macro pop_registers
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rdi
    popq    %rsi
    popq    %rbp
    popq    %rbx
    popq    %rdx
    popq    %rcx
    popq    %rax
.endm

trap_entry:
    push_registers
    testb   $3, FRAME_CS(%rsp)
    jz      1f
    swapgs
1:  pushq   $2                          # no flag of the program's stays: AC would let us use its pages
    popfq
    cld
    movq    %rsp, %rdi
    movq    %rsp, %rbp                  # the stack is aligned for calls, wherever it was
    andq    $-16, %rsp
    call    trap_handler
    movq    %rbp, %rdi

/* _Noreturn void trap_return(struct frame *frame) */
.global trap_return
trap_return:
    movq    %rdi, %rsp
    testb   $3, FRAME_CS(%rsp)
    jz      1f
    swapgs
1:  pop_registers
    addq    $16, %rsp
    iretq

/* SYSCALL: rcx is where to go on, r11 are the flags, and the stack is still the program's. It comes back by SYSRET
 * with all registers but those two, and rax, as they were. */
.global syscall_entry
syscall_entry:
    swapgs
    movq    %rsp, %gs:CORE_USER_STACK
    movq    %gs:CORE_KERNEL_STACK, %rsp
    pushq   $USER_DATA
    pushq   %gs:CORE_USER_STACK
    pushq   %r11
    pushq   $USER_CODE
    pushq   %rcx
    pushq   $0
    pushq   $256                        # no vector
    push_registers
    movq    %rsp, %rdi
    call    syscall_handler
    pop_registers
    addq    $16, %rsp
    popq    %rcx
    popq    %r11                        # the selector
    popq    %r11
    popq    %rsp
    swapgs
    sysretq

/* What a function must keep by the calling convention; all else its caller has saved. */
.macro push_saved
    pushq   %rbx
    pushq   %rbp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
.endm

.macro pop_saved
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbp
    popq    %rbx
.endm

/* void switch_stacks(u64 *from, u64 to): leaves one task's stack for another's. */
.global switch_stacks
switch_stacks:
    push_saved
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    pop_saved
    ret

/* See guard.h. guard_resume(stack) puts the stack pointer right and goes on at guard_leave. */
.global guard_enter, guard_leave, guard_resume
guard_enter:
    push_saved
    pushq   %rax                        # aligns the stack
    movq    %rsp, (%rdx)
    movq    %rdi, %rax
    movq    %rsi, %rdi
    call    *%rax
guard_leave:
    addq    $8, %rsp
    pop_saved
    ret
guard_resume:
    movq    %rdi, %rsp
    jmp     guard_leave
