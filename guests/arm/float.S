/* Floating-point registers of a task. Built with floating point; run only where the processor has it. */
.macro each_pair instruction
.irp n, 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30
    pair    \instruction, \n, %(\n + 1)
.endr
.endm

.altmacro
.macro pair instruction, first, second
    \instruction q\first, q\second, [x0, #(16 * \first)]
.endm

.text
/* void float_save(u64 registers[66]): V0 to V31, then FPCR and FPSR */
.global float_save, float_restore
float_save:
    each_pair stp
    mrs     x1, fpcr
    mrs     x2, fpsr
    add     x0, x0, #512
    stp     x1, x2, [x0]
    ret

float_restore:
    each_pair ldp
    ldr     x1, [x0, #512]
    ldr     x2, [x0, #520]
    msr     fpcr, x1
    msr     fpsr, x2
    ret
