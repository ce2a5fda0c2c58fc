/* The supervisor's timer: its own compare register (Sstc) where there is one, else the firmware's. */
#include "arch.h"
#include "board.h"
#include "csr.h"
#include "io.h"
#include "riscv.h"
#include "sbi.h"

static bool sstc;

static u64 try_stimecmp(u64 value) {
  csr_write(CSR_STIMECMP, value);
  return 0;
}

void timer_init(void) {
  u64 unused;
  struct fault fault;
  sstc = board.has_sstc && guarded(try_stimecmp, NEVER, &unused, &fault);
  arch_set_alarm(NEVER);
}

bool timer_is_sstc(void) { return sstc; }

u64 arch_ticks(void) { return csr_read("time"); }

void arch_set_alarm(u64 ticks) {
  if (sstc) csr_write(CSR_STIMECMP, ticks);
  else sbi_set_timer(ticks);
}

void timer_quiet(void) { arch_set_alarm(NEVER); }

enum { RTC_LOW = 0, RTC_HIGH = 4 }; /* reading the low half latches the high one */

u64 arch_wall_clock(void) {
  if (board.rtc.base == 0) return 0;
  u64 low = io_read32(board.rtc.base + RTC_LOW);
  return (u64)io_read32(board.rtc.base + RTC_HIGH) << 32 | low;
}
