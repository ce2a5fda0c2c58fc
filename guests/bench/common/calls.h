/* Numbers of Linux's system calls where they are those of asm-generic: on every architecture that came late. */
#pragma once

enum {
  NR_UNLINKAT = 35,
  NR_OPENAT = 56,
  NR_CLOSE = 57,
  NR_PIPE2 = 59,
  NR_READ = 63,
  NR_WRITE = 64,
  NR_EXIT_GROUP = 94,
  NR_CLOCK_GETTIME = 113,
  NR_KILL = 129,
  NR_RT_SIGACTION = 134,
  NR_GETPID = 172,
  NR_GETPPID = 173,
  NR_MUNMAP = 215,
  NR_CLONE = 220,
  NR_EXECVE = 221,
  NR_MMAP = 222,
  NR_MADVISE = 233,
  NR_WAIT4 = 260,
};
