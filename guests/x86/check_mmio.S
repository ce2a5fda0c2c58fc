/* Loads and stores that name every register, so that whoever answers them must find the right one. The address is
 * in rdi, and while that has its turn in rax; rsp is in use. */
.macro save_registers
    pushq   %rbx
    pushq   %rbp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
.endm

.macro restore_registers
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbp
    popq    %rbx
    ret
.endm

.text
/* void load_each_register(u64 address, u64 results[15]) */
.global load_each_register
load_each_register:
    save_registers
    pushq   %rsi
.irp wide, rax,rcx,rdx,rbx,rbp,rsi,r8,r9,r10,r11,r12,r13,r14,r15
    movq    $-1, %\wide
.endr
    movl    (%rdi), %eax
    pushq   %rax
    movl    (%rdi), %ecx
    pushq   %rcx
    movl    (%rdi), %edx
    pushq   %rdx
    movl    (%rdi), %ebx
    pushq   %rbx
    movl    (%rdi), %ebp
    pushq   %rbp
    movl    (%rdi), %esi
    pushq   %rsi
.irp n, 8,9,10,11,12,13,14,15
    movl    (%rdi), %r\n\()d
    pushq   %r\n
.endr
    movq    %rdi, %rax
    movl    (%rax), %edi
    pushq   %rdi
    movq    (15 * 8)(%rsp), %rsi
    movl    $15, %ecx
1:  popq    %rax
    movq    %rax, (%rsi)
    addq    $8, %rsi
    loop    1b
    addq    $8, %rsp
    restore_registers

/* u64 store_each_register(u64 address, u64 first): stores first, first + 1 and so on, a register each, reads each
 * back and returns the sum of what it read */
.macro one wide, narrow
    movq    (%rsp), %\wide
    movl    %\narrow, (%rdi)
    incq    (%rsp)
    movl    (%rdi), %eax
    addq    %rax, 8(%rsp)
.endm
.global store_each_register
store_each_register:
    save_registers
    pushq   $0
    pushq   %rsi
    one     rax, eax
    one     rcx, ecx
    one     rdx, edx
    one     rbx, ebx
    one     rbp, ebp
    one     rsi, esi
.irp n, 8,9,10,11,12,13,14,15
    one     r\n, r\n\()d
.endr
    movq    %rdi, %rcx
    movq    (%rsp), %rdi
    movl    %edi, (%rcx)
    movl    (%rcx), %eax
    addq    8(%rsp), %rax
    addq    $16, %rsp
    restore_registers
