/* The generic timer: the virtual counter, and its compare register. */
#include "arch.h"
#include "arm.h"
#include "board.h"
#include "io.h"

enum { TIMER_ON = 1 };

void timer_init(void) {
  if (machine.ticks_per_second == 0) machine.ticks_per_second = sys_read("cntfrq_el0") & 0xffffffff;
  arch_set_alarm(NEVER);
  sys_write("cntp_ctl_el0", 0);
  gic_enable(board.timer_irq);
}

u64 arch_ticks(void) {
  isb(); /* else the counter may be read early */
  return sys_read("cntvct_el0");
}

void arch_set_alarm(u64 ticks) {
  if (ticks != NEVER) sys_write("cntv_cval_el0", ticks);
  sys_write("cntv_ctl_el0", ticks != NEVER ? TIMER_ON : 0);
  isb();
}

void timer_quiet(void) { arch_set_alarm(NEVER); }

/* The PL031 real-time clock counts seconds. */
u64 arch_wall_clock(void) { return board.rtc.base == 0 ? 0 : io_read32(board.rtc.base) * 1000000000ul; }
