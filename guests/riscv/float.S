/* Floating-point registers of a task. Built with F and D; run only where the processor has them. */
.macro each_register instruction
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \instruction f\n, 8 * \n(a0)
.endr
.endm

.text
/* void float_save(u64 registers[33]): f0 to f31, then fcsr */
.global float_save, float_restore
float_save:
    each_register fsd
    frcsr   t0
    sd      t0, 256(a0)
    ret

float_restore:
    each_register fld
    ld      t0, 256(a0)
    fscsr   t0
    ret
