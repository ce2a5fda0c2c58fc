/* Time: the time-stamp counter, and the local APIC's timer, by deadline or by counting down. */
#include "arch.h"
#include "board.h"
#include "io.h"
#include "task.h"
#include "x86.h"

/* The PIT's third channel, whose output can be seen at port 61h. */
enum { PIT_CHANNEL_2 = 0x42, PIT_CONTROL = 0x43, PORT_B = 0x61 };
enum { GATE_2 = 1, SPEAKER = 2, OUTPUT_2 = 0x20, ONE_SHOT = 0xb0 };
enum { PIT_RATE = 1193182, CALIBRATION = PIT_RATE / 1000 };
enum { DIVIDE_BY_16 = 3 };

static u64 apic_rate; /* the timer's, in counts a second */

/* Ticks of the TSC, and counts of the local APIC's timer, in 1 ms by the PIT. */
static void measure(u64 *ticks, u64 *counts) {
  u8 before = io_read8(PORT_B);
  io_write8(PORT_B, (before & ~SPEAKER) | GATE_2);
  io_write8(PIT_CONTROL, ONE_SHOT);
  io_write8(PIT_CHANNEL_2, CALIBRATION & 0xff);
  apic_write(APIC_INITIAL, 0xffffffff);
  io_write8(PIT_CHANNEL_2, CALIBRATION >> 8);
  u64 start = timestamp();
  u32 first = apic_read(APIC_CURRENT);
  while (!(io_read8(PORT_B) & OUTPUT_2)) continue;
  *ticks = timestamp() - start;
  *counts = first - apic_read(APIC_CURRENT);
  io_write8(PORT_B, before);
}

/* The shortest of many: whatever disturbs a measurement makes it longer. */
static void calibrate(void) {
  u64 ticks, counts, best = NEVER;
  for (int i = 0; i < 25; i++) {
    measure(&ticks, &counts);
    if (ticks >= best) continue;
    best = ticks;
    apic_rate = counts * PIT_RATE / CALIBRATION;
  }
  if (machine.ticks_per_second == 0) machine.ticks_per_second = best * PIT_RATE / CALIBRATION;
}

/* What the processor says of its TSC's rate: EBX / EAX times a crystal's. */
static u64 told_rate(void) {
  if (cpuid(0, 0).a < 0x15) return 0;
  struct cpuid r = cpuid(0x15, 0);
  return r.a == 0 || r.b == 0 ? 0 : (u64)r.c * r.b / r.a;
}

bool timer_has_deadline(void) { return features.deadline; }

void timer_init(void) {
  apic_write(APIC_TIMER, APIC_MASKED);
  apic_write(APIC_DIVIDE, DIVIDE_BY_16);
  machine.ticks_per_second = told_rate();
  if (machine.ticks_per_second == 0 || !features.deadline) calibrate();
  timer_init_cpu();
}

void timer_init_cpu(void) {
  apic_write(APIC_DIVIDE, DIVIDE_BY_16);
  apic_write(APIC_TIMER, VECTOR_TIMER | (features.deadline ? APIC_BY_DEADLINE : 0));
  __asm__ volatile("mfence" ::: "memory"); /* the mode, before the first deadline */
  arch_set_alarm(NEVER);
}

u64 arch_ticks(void) {
  __asm__ volatile("lfence" ::: "memory"); /* else the counter may be read early */
  return timestamp();
}

static void count_down(u64 ticks) {
  u64 rate = machine.ticks_per_second, longest = 0x80000000 / apic_rate * rate;
  if (ticks > longest) ticks = longest;
  u64 counts = (ticks * apic_rate + rate - 1) / rate;
  apic_write(APIC_INITIAL, counts == 0 ? 1 : (u32)counts);
}

void arch_set_alarm(u64 ticks) {
  this_core()->alarm = ticks;
  if (features.deadline) {
    msr_write(MSR_DEADLINE, ticks == NEVER ? 0 : ticks == 0 ? 1 : ticks);
  } else if (ticks == NEVER) {
    apic_write(APIC_INITIAL, 0);
  } else {
    u64 now = arch_ticks();
    count_down(ticks > now ? ticks - now : 0);
  }
}

/* Counting down may end before its time: the counter has a rate of its own, and cannot count so far. */
void timer_interrupt(void) {
  u64 alarm = this_core()->alarm;
  if (alarm == NEVER) return; /* it was on its way when the alarm was taken back */
  if (arch_ticks() < alarm) return arch_set_alarm(alarm);
  interrupts.timer++;
  arch_set_alarm(NEVER);
  on_alarm();
}

u64 ticks_of_us(u64 us) { return us * machine.ticks_per_second / 1000000; }

void wait_us(u64 us) {
  for (u64 end = arch_ticks() + ticks_of_us(us); arch_ticks() < end;) arch_relax();
}

/* ---- The clock on the wall: MC146818, at ports 70h and 71h --------------------------------- */

enum { SECONDS = 0, MINUTES = 2, HOURS = 4, DAY = 7, MONTH = 8, YEAR = 9, STATUS_A = 10, STATUS_B = 11,
       CENTURY = 0x32 };
enum { UPDATING = 0x80, IN_BINARY = 4, HOURS_24 = 2, AFTERNOON = 0x80 };

static u8 cmos(u8 reg) {
  io_write8(0x70, reg);
  return io_read8(0x71);
}

static u64 number_of(u8 value, u8 status) { return status & IN_BINARY ? value : value / 16 * 10 + value % 16; }

/* Days from 1970 to a date, counting years from March on, so that a leap day is a year's last. */
static u64 days_before(u64 year, u64 month, u64 day) {
  u64 y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;
  return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

struct moment {
  u8 second, minute, hour, day, month, year, century;
};

static struct moment read_moment(void) {
  for (int i = 0; i < 100000 && cmos(STATUS_A) & UPDATING; i++) continue;
  return (struct moment){cmos(SECONDS), cmos(MINUTES), cmos(HOURS),  cmos(DAY),
                         cmos(MONTH),   cmos(YEAR),    cmos(CENTURY)};
}

u64 arch_wall_clock(void) {
  struct moment now = read_moment(), again = read_moment();
  while (again.second != now.second) { /* an update came between */
    now = again;
    again = read_moment();
  }
  u8 status = cmos(STATUS_B);
  if (now.month == 0 || now.month == 0xff) return 0; /* there is no clock */
  u64 hour = number_of(now.hour & ~AFTERNOON, status);
  if (!(status & HOURS_24)) hour = hour % 12 + (now.hour & AFTERNOON ? 12 : 0);
  u64 century = number_of(now.century, status);
  u64 year = (century == 0 ? 20 : century) * 100 + number_of(now.year, status);
  u64 days = days_before(year, number_of(now.month, status), number_of(now.day, status));
  u64 minutes = (days * 24 + hour) * 60 + number_of(now.minute, status);
  return (minutes * 60 + number_of(now.second, status)) * 1000000000;
}
