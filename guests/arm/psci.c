/* The firmware: processors on and off, and the end of the machine. */
#include "arch.h"
#include "arm.h"
#include "board.h"

/* The calling convention (Arm DEN 0028) leaves x4 to x17 to the other side in its older versions. */
#define CALL(instruction)                                                                        \
  __asm__ volatile(instruction                                                                   \
                   : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                                      \
                   :                                                                             \
                   : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", \
                     "x16", "x17", "memory")

s64 psci_call(u64 function, u64 a, u64 b, u64 c) {
  register u64 x0 __asm__("x0") = function;
  register u64 x1 __asm__("x1") = a;
  register u64 x2 __asm__("x2") = b;
  register u64 x3 __asm__("x3") = c;
  if (board.psci == PSCI_HVC) CALL("hvc #0");
  else if (board.psci == PSCI_SMC) CALL("smc #0");
  else return PSCI_NOT_SUPPORTED;
  return function >> 30 & 1 ? (s64)x0 : (s32)x0; /* calls with bit 30 answer in 64 bits */
}

static _Noreturn void wait_forever(void) {
  for (;;) __asm__ volatile("wfi");
}

/* PSCI knows no failure: the code is on the console, in the last line of whoever found it. */
_Noreturn void arch_power_off(int code) {
  (void)code;
  psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
  wait_forever();
}

_Noreturn void arch_reboot(void) {
  psci_call(PSCI_SYSTEM_RESET, 0, 0, 0);
  wait_forever();
}
