/* What the programs in ../apps need of the architecture. */
#pragma once

static inline s64 system_call(u64 number, u64 a, u64 b) {
  s64 result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
  return result;
}

/* None of these may work in user mode. */
static inline void illegal_instruction(void) { __asm__ volatile("ud2"); }
static inline void privileged_read(void) { __asm__ volatile("movq %%cr0, %%rax" ::: "rax"); }
static inline void privileged_return(void) { __asm__ volatile("sysretq"); }
static inline void breakpoint(void) { __asm__ volatile("int3"); }
