/* The supervisor's timer: its own compare register (Sstc) where there is one, else the firmware's. */
#include "arch.h"
#include "board.h"
#include "csr.h"
#include "io.h"
#include "riscv.h"
#include "sbi.h"

static bool has_sstc; /* it is there, */
static bool use_sstc; /* and the alarm is set in it */

static u64 try_stimecmp(u64 value) {
  csr_write(CSR_STIMECMP, value);
  return 0;
}

void timer_init(void) {
  u64 unused;
  struct fault fault;
  has_sstc = use_sstc = board.has_sstc && guarded(try_stimecmp, NEVER, &unused, &fault);
  arch_set_alarm(NEVER);
}

bool timer_has_sstc(void) { return has_sstc; }

/* The old way's alarm must be off before the new way is taken: neither can undo what the other did. */
void timer_use_firmware(bool firmware) {
  arch_set_alarm(NEVER);
  use_sstc = has_sstc && !firmware;
}

u64 arch_ticks(void) { return csr_read("time"); }

void arch_set_alarm(u64 ticks) {
  if (use_sstc) csr_write(CSR_STIMECMP, ticks);
  else sbi_set_timer(ticks);
}

void timer_quiet(void) { arch_set_alarm(NEVER); }

enum { RTC_LOW = 0, RTC_HIGH = 4 }; /* reading the low half latches the high one */

u64 arch_wall_clock(void) {
  if (board.rtc.base == 0) return 0;
  u64 low = io_read32(board.rtc.base + RTC_LOW);
  return (u64)io_read32(board.rtc.base + RTC_HIGH) << 32 | low;
}
