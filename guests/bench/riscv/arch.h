/* Linux on RISC-V: how to call the kernel. Another architecture has the same names in a folder of its own. */
#pragma once

#include "../../common/types.h"
#include "../common/calls.h"

static inline s64 linux_call(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  register u64 a7 __asm__("a7") = number;
  register u64 a0 __asm__("a0") = a;
  register u64 a1 __asm__("a1") = b;
  register u64 a2 __asm__("a2") = c;
  register u64 a3 __asm__("a3") = d;
  register u64 a4 __asm__("a4") = e;
  register u64 a5 __asm__("a5") = f;
  __asm__ volatile("ecall"
                   : "+r"(a0)
                   : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                   : "memory");
  return (s64)a0;
}

/* struct sigaction of the kernel. The way back from a handler is the kernel's own here. */
struct signal_action {
  void (*handler)(int);
  u64 flags;
  u64 mask;
};

static inline struct signal_action on_signal(void (*handler)(int)) {
  return (struct signal_action){.handler = handler, .flags = 0, .mask = 0};
}
