/* Loads and stores that name every register, so that whoever answers them must find the right one. */
.macro save_registers
    sub     sp, sp, #96
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
.endm

.macro restore_registers
    ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    add     sp, sp, #96
.endm

.text
/* void load_each_register(u64 address, u64 results[31]): a load into each of x1 to x30, then x0 */
.global load_each_register
load_each_register:
    save_registers
    str     x1, [sp, #-16]!
.irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    ldr     w\n, [x0]
    str     x\n, [sp, #-16]!
.endr
    mov     x1, x0
    ldr     w0, [x1]
    str     x0, [sp, #-16]!
    ldr     x1, [sp, #(31 * 16)]
    mov     x2, #31
1:  ldr     x0, [sp], #16
    str     x0, [x1], #8
    subs    x2, x2, #1
    b.ne    1b
    add     sp, sp, #16
    restore_registers
    ret

/* u64 store_each_register(u64 address, u64 first, u64 step): stores first, first + step and so on from x1
 * to x30, reads each back into another register and returns the sum of what it read; then stores xzr */
.global store_each_register
store_each_register:
    save_registers
    sub     sp, sp, #32
    stp     x1, x2, [sp]                // the value now due, the step
    str     xzr, [sp, #16]              // the sum
.irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    ldr     x\n, [sp]
    str     w\n, [x0]
    ldp     x1, x2, [sp]
    add     x1, x1, x2
    str     x1, [sp]
    ldr     w1, [x0]
    ldr     x2, [sp, #16]
    add     x2, x2, x1
    str     x2, [sp, #16]
.endr
    str     wzr, [x0]
    ldr     w1, [x0]
    ldr     x0, [sp, #16]
    add     x0, x0, x1, lsl #32         // zero, or seen in the result
    add     sp, sp, #32
    restore_registers
    ret
