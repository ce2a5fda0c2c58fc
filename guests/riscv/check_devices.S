/* Loads and stores that name every register, so that whoever answers them must find the right one.
 * x0 takes no value; sp, gp, tp and a0 are in use. */
.macro each_register
.irp n, 1,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    one     x\n
.endr
.endm

.macro save_registers
    addi    sp, sp, -112
    sd      ra, 0(sp)
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11
    sd      s\n, 8 + 8 * \n(sp)
.endr
.endm

.macro restore_registers
    ld      ra, 0(sp)
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11
    ld      s\n, 8 + 8 * \n(sp)
.endr
    addi    sp, sp, 112
.endm

.text
/* void load_each_register(u64 address, u64 results[27]) */
.macro one register
    lw      \register, 0(a0)
    addi    sp, sp, -8
    sd      \register, 0(sp)
.endm
.global load_each_register
load_each_register:
    save_registers
    mv      t0, a1
    addi    sp, sp, -16
    sd      t0, 0(sp)
    each_register
    addi    a0, sp, 27 * 8
    ld      a1, 0(a0)                   // results
    li      a2, 27
1:  ld      t0, 0(sp)
    sd      t0, 0(a1)
    addi    sp, sp, 8
    addi    a1, a1, 8
    addi    a2, a2, -1
    bnez    a2, 1b
    addi    sp, sp, 16
    restore_registers
    ret
.purgem one

/* u64 store_each_register(u64 address, u64 first, u64 step): stores first, first + step and so on as
 * bytes, a register each, reads each back and returns the sum of what it read */
.macro one register
    ld      \register, 0(sp)            // the value now due
    sb      \register, 0(a0)
    ld      t0, 0(sp)
    ld      t1, 8(sp)
    add     t0, t0, t1
    sd      t0, 0(sp)
    lbu     t0, 0(a0)
    ld      t1, 16(sp)
    add     t0, t0, t1
    sd      t0, 16(sp)
.endm
.global store_each_register
store_each_register:
    save_registers
    addi    sp, sp, -32
    sd      a1, 0(sp)
    sd      a2, 8(sp)
    sd      zero, 16(sp)
    each_register
    ld      a0, 16(sp)
    addi    sp, sp, 32
    restore_registers
    ret
