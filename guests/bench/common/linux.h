/* The Linux system calls that are used, by their kernel interface: there is no C library here. Each gives a
 * negative error number when it fails. What differs between architectures is in arch.h. */
#pragma once

#include "../../common/types.h"
#include "arch.h"

struct timespec {
  s64 seconds;
  s64 nanoseconds;
};

enum { CLOCK_MONOTONIC = 1, SIGUSR1 = 10, SIGCHLD = 17 };
enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 32, MADV_DONTNEED = 4 };
enum { AT_FDCWD = -100, O_RDWR = 2, O_CREAT = 0100, O_TRUNC = 01000 };

static inline s64 sys_read(int file, void *to, u64 length) {
  return linux_call(NR_READ, (u64)file, (u64)to, length, 0, 0, 0);
}
static inline s64 sys_write(int file, const void *from, u64 length) {
  return linux_call(NR_WRITE, (u64)file, (u64)from, length, 0, 0, 0);
}
static inline s64 sys_open(const char *path, u64 flags, u64 mode) {
  return linux_call(NR_OPENAT, (u64)AT_FDCWD, (u64)path, flags, mode, 0, 0);
}
static inline s64 sys_close(int file) { return linux_call(NR_CLOSE, (u64)file, 0, 0, 0, 0, 0); }
static inline s64 sys_unlink(const char *path) {
  return linux_call(NR_UNLINKAT, (u64)AT_FDCWD, (u64)path, 0, 0, 0, 0);
}
static inline s64 sys_pipe(int ends[2]) { return linux_call(NR_PIPE2, (u64)ends, 0, 0, 0, 0, 0); }
_Noreturn static inline void sys_exit(int code) {
  for (;;) linux_call(NR_EXIT_GROUP, (u64)code, 0, 0, 0, 0, 0);
}
static inline s64 sys_getpid(void) { return linux_call(NR_GETPID, 0, 0, 0, 0, 0, 0); }
static inline s64 sys_getppid(void) { return linux_call(NR_GETPPID, 0, 0, 0, 0, 0, 0); }
/* 0 in the child, its number in the parent. */
static inline s64 sys_fork(void) { return linux_call(NR_CLONE, SIGCHLD, 0, 0, 0, 0, 0); }
static inline s64 sys_exec(const char *path, const char *const *arguments) {
  const char *const nothing[] = {NULL};
  return linux_call(NR_EXECVE, (u64)path, (u64)arguments, (u64)nothing, 0, 0, 0);
}
/* Waits for a child; `status` as Linux defines it, 0 for an exit with code 0. */
static inline s64 sys_wait(s64 child, int *status) {
  return linux_call(NR_WAIT4, (u64)child, (u64)status, 0, 0, 0, 0);
}
static inline s64 sys_mmap(u64 length) {
  u64 flags = MAP_PRIVATE | MAP_ANONYMOUS;
  return linux_call(NR_MMAP, 0, length, PROT_READ | PROT_WRITE, flags, (u64)-1, 0);
}
static inline s64 sys_munmap(void *at, u64 length) {
  return linux_call(NR_MUNMAP, (u64)at, length, 0, 0, 0, 0);
}
static inline s64 sys_madvise(void *at, u64 length, u64 advice) {
  return linux_call(NR_MADVISE, (u64)at, length, advice, 0, 0, 0);
}
static inline s64 sys_kill(s64 process, int signal) {
  return linux_call(NR_KILL, (u64)process, (u64)signal, 0, 0, 0, 0);
}
static inline s64 sys_on_signal(int signal, void (*handler)(int)) {
  struct signal_action action = on_signal(handler);
  return linux_call(NR_RT_SIGACTION, (u64)signal, (u64)&action, 0, 8, 0, 0);
}
static inline u64 now_ns(void) {
  struct timespec time;
  linux_call(NR_CLOCK_GETTIME, CLOCK_MONOTONIC, (u64)&time, 0, 0, 0, 0);
  return (u64)time.seconds * 1000000000 + (u64)time.nanoseconds;
}
