/* Where Linux enters the program: the stack pointer is at argc, argv follows, and it is a multiple of 16. */
.section .text
.global start
start:
  mov (%rsp), %rdi
  lea 8(%rsp), %rsi
  xor %ebp, %ebp
  call bench_main
  ud2

/* Handlers of signals return to here: rt_sigreturn. */
.global signal_return
signal_return:
  mov $15, %eax
  syscall
  ud2
