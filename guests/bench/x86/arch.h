/* Linux on x86-64: how to call the kernel. Its system calls have numbers of their own. */
#pragma once

#include "../../common/types.h"

enum {
  NR_READ = 0,
  NR_WRITE = 1,
  NR_CLOSE = 3,
  NR_MMAP = 9,
  NR_MUNMAP = 11,
  NR_RT_SIGACTION = 13,
  NR_MADVISE = 28,
  NR_GETPID = 39,
  NR_CLONE = 56,
  NR_EXECVE = 59,
  NR_WAIT4 = 61,
  NR_KILL = 62,
  NR_GETPPID = 110,
  NR_CLOCK_GETTIME = 228,
  NR_EXIT_GROUP = 231,
  NR_OPENAT = 257,
  NR_UNLINKAT = 263,
  NR_PIPE2 = 293,
};

static inline s64 linux_call(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  register u64 r10 __asm__("r10") = d;
  register u64 r8 __asm__("r8") = e;
  register u64 r9 __asm__("r9") = f;
  s64 result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/* struct sigaction of the kernel. It has no way back from a handler of its own: start.S does. */
struct signal_action {
  void (*handler)(int);
  u64 flags;
  void (*restorer)(void);
  u64 mask;
};

enum { SA_RESTORER = 0x04000000 };
void signal_return(void);

static inline struct signal_action on_signal(void (*handler)(int)) {
  return (struct signal_action){
      .handler = handler, .flags = SA_RESTORER, .restorer = signal_return, .mask = 0};
}
