/* Where Linux enters the program: the stack pointer is at argc, argv follows. */
.section .text
.global start
start:
  ld a0, 0(sp)
  addi a1, sp, 8
  andi sp, sp, -16
  call bench_main
  unimp
