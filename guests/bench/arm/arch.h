/* Linux on AArch64: how to call the kernel. */
#pragma once

#include "../../common/types.h"
#include "../common/calls.h"

static inline s64 linux_call(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  register u64 x8 __asm__("x8") = number;
  register u64 x0 __asm__("x0") = a;
  register u64 x1 __asm__("x1") = b;
  register u64 x2 __asm__("x2") = c;
  register u64 x3 __asm__("x3") = d;
  register u64 x4 __asm__("x4") = e;
  register u64 x5 __asm__("x5") = f;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8)
                   : "memory");
  return (s64)x0;
}

/* struct sigaction of the kernel. The way back from a handler is the kernel's own, unless one is given. */
struct signal_action {
  void (*handler)(int);
  u64 flags;
  void (*restorer)(void);
  u64 mask;
};

static inline struct signal_action on_signal(void (*handler)(int)) {
  return (struct signal_action){.handler = handler, .flags = 0, .restorer = NULL, .mask = 0};
}
