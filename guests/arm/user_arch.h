/* What the programs in ../apps need of the architecture. */
#pragma once

static inline s64 system_call(u64 number, u64 a, u64 b) {
  register u64 x8 __asm__("x8") = number;
  register u64 x0 __asm__("x0") = a;
  register u64 x1 __asm__("x1") = b;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x8) : "memory");
  return (s64)x0;
}

/* None of these may work in user mode. */
static inline void illegal_instruction(void) { __asm__ volatile(".inst 0"); }
static inline void privileged_read(void) { __asm__ volatile("mrs x9, sctlr_el1" ::: "x9"); }
static inline void privileged_return(void) { __asm__ volatile("eret"); }
static inline void breakpoint(void) { __asm__ volatile("brk #0"); }
