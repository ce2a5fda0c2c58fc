/* What the programs in ../apps need of the architecture. */
#pragma once

static inline s64 system_call(u64 number, u64 a, u64 b) {
  register u64 a7 __asm__("a7") = number;
  register u64 a0 __asm__("a0") = a;
  register u64 a1 __asm__("a1") = b;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a7) : "memory");
  return (s64)a0;
}

/* None of these may work in user mode. */
static inline void illegal_instruction(void) { __asm__ volatile(".word 0xffffffff"); }
static inline void privileged_read(void) { __asm__ volatile("csrr t0, sstatus" ::: "t0"); }
static inline void privileged_return(void) { __asm__ volatile("sret"); }
static inline void breakpoint(void) { __asm__ volatile("ebreak"); }
