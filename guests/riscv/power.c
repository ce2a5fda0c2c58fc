/* The end of the machine, the politest way that works. */
#include "arch.h"
#include "board.h"
#include "io.h"
#include "sbi.h"

/* What the finisher takes; above a failure goes its code. */
enum { FINISHER_PASS = 0x5555, FINISHER_FAIL = 0x3333, FINISHER_RESET = 0x7777 };
enum { REASON_NONE, REASON_SYSTEM_FAILURE };

static void finish(u32 value) {
  if (board.finisher.base != 0) io_write32(board.finisher.base, value);
}

static _Noreturn void wait_forever(void) {
  for (;;) __asm__ volatile("wfi");
}

_Noreturn void arch_power_off(int code) {
  /* Only the finisher can carry a code; the firmware knows good and bad. */
  if (code > 1) finish(FINISHER_FAIL | (u32)code << 16);
  sbi_call(SBI_SRST, 0, SRST_SHUTDOWN, code == 0 ? REASON_NONE : REASON_SYSTEM_FAILURE, 0);
  if (code == 0) sbi_call(LEGACY_SHUTDOWN, 0, 0, 0, 0); /* which could not say that something failed */
  finish(code == 0 ? FINISHER_PASS : FINISHER_FAIL | (u32)code << 16);
  sbi_call(LEGACY_SHUTDOWN, 0, 0, 0, 0);
  wait_forever();
}

_Noreturn void arch_reboot(void) {
  sbi_call(SBI_SRST, 0, SRST_COLD_REBOOT, REASON_NONE, 0);
  finish(FINISHER_RESET);
  wait_forever();
}
