/* Interrupts: the local APIC, the I/O APIC, and the 8259s behind the former. */
#include "arch.h"
#include "board.h"
#include "checks.h"
#include "console.h"
#include "io.h"
#include "ns16550.h"
#include "task.h"

enum { URGENT = VECTOR_TEST + 0x10 };

static bool wait_for(unsigned vector, u64 before) {
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  arch_set_alarm(deadline);
  while (trap_count(vector) == before && arch_ticks() < deadline) arch_idle();
  arch_set_alarm(NEVER);
  return trap_count(vector) == before + 1;
}

static bool bit_of(unsigned reg, unsigned vector) { return apic_read(reg + vector / 32 * 16) >> vector % 32 & 1; }

static void send_self(unsigned vector) { apic_send(this_core()->apic_id, SEND_FIXED | vector); }

/* An interrupt to oneself may take its time. */
static bool is_requested(unsigned vector) {
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  while (!bit_of(APIC_REQUESTED, vector) && arch_ticks() < deadline) continue;
  return bit_of(APIC_REQUESTED, vector);
}

enum verdict check_apic(struct buffer *note) {
  u32 version = apic_read(APIC_VERSION);
  EXPECT((version & 0xff) >= 0x10 && (version >> 16 & 0xff) >= 3);
  EXPECT(apic_id() == this_core()->apic_id);
  apic_write(APIC_PRIORITY, 0x50);
  u32 priority = apic_read(APIC_PRIORITY), processor = apic_read(APIC_PROCESSOR_PRIORITY);
  apic_write(APIC_PRIORITY, 0);
  EXPECT(priority == 0x50 && processor == 0x50);
  apic_write(APIC_LINT1, APIC_MASKED | VECTOR_TEST);
  EXPECT(apic_read(APIC_LINT1) == (APIC_MASKED | VECTOR_TEST));
  apic_write(APIC_ERROR, 0);
  EXPECT(apic_read(APIC_ERROR) == 0);
  buffer_print(note, "version %x, %u entries", version & 0xff, (version >> 16 & 0xff) + 1);
  return PASS;
}

enum verdict check_apic_self(struct buffer *note) {
  u64 before = trap_count(VECTOR_TEST), kicks = interrupts.software;
  send_self(VECTOR_TEST);
  EXPECT(is_requested(VECTOR_TEST) && trap_count(VECTOR_TEST) == before); /* it waits: we let nothing in */
  EXPECT(wait_for(VECTOR_TEST, before) && !bit_of(APIC_REQUESTED, VECTOR_TEST));
  arch_cpu_kick(arch_cpu_self());
  EXPECT(wait_for(VECTOR_KICK, trap_count(VECTOR_KICK)) && interrupts.software == kicks + 1);
  return PASS;
}

/* The more urgent one comes first; and none that the task priority holds back. */
enum verdict check_apic_priority(struct buffer *note) {
  u64 low = trap_count(VECTOR_TEST), high = trap_count(URGENT);
  apic_write(APIC_PRIORITY, VECTOR_TEST);
  send_self(VECTOR_TEST);
  send_self(URGENT);
  EXPECT(is_requested(VECTOR_TEST) && is_requested(URGENT));
  interrupts_in();
  bool urgent_only = trap_count(URGENT) == high + 1 && trap_count(VECTOR_TEST) == low;
  bool none_in_service = !bit_of(APIC_IN_SERVICE, URGENT);
  apic_write(APIC_PRIORITY, 0);
  bool then = wait_for(VECTOR_TEST, low);
  EXPECT(urgent_only && none_in_service && then);
  return PASS;
}

/* What STI lets in comes after the next instruction, at the earliest. */
enum verdict check_apic_shadow(struct buffer *note) {
  u64 before = trap_count(VECTOR_TEST);
  send_self(VECTOR_TEST);
  EXPECT(is_requested(VECTOR_TEST));
  __asm__ volatile("sti\n cli" ::: "memory");
  u64 shadowed = trap_count(VECTOR_TEST);
  interrupts_in();
  EXPECT(shadowed == before && trap_count(VECTOR_TEST) == before + 1);
  return PASS;
}

enum verdict check_apic_timer(struct buffer *note) {
  u64 before = trap_count(VECTOR_TEST);
  arch_set_alarm(NEVER);
  apic_write(APIC_TIMER, APIC_MASKED | VECTOR_TEST);
  apic_write(APIC_INITIAL, 0xffffffff);
  u32 first = apic_read(APIC_CURRENT);
  wait_us(1000);
  u32 counts = first - apic_read(APIC_CURRENT); /* in 1 ms, or a little more */
  apic_write(APIC_INITIAL, 0);
  u32 stopped = apic_read(APIC_CURRENT);
  apic_write(APIC_TIMER, VECTOR_TEST);
  apic_write(APIC_INITIAL, counts);
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  while (trap_count(VECTOR_TEST) == before && arch_ticks() < deadline) interrupts_in();
  u64 once = trap_count(VECTOR_TEST) - before;
  u32 over = apic_read(APIC_CURRENT);
  apic_write(APIC_TIMER, APIC_PERIODIC | VECTOR_TEST);
  apic_write(APIC_INITIAL, counts);
  while (trap_count(VECTOR_TEST) < before + 4 && arch_ticks() < deadline) interrupts_in();
  u64 many = trap_count(VECTOR_TEST) - before;
  apic_write(APIC_INITIAL, 0);
  interrupts_in();
  timer_init_cpu();
  EXPECT(counts > 0 && stopped == 0 && once == 1 && over == 0 && many >= 4);
  buffer_print(note, "%u counts in 1 ms", counts);
  return PASS;
}

enum verdict check_apic_deadline(struct buffer *note) {
  if (!timer_has_deadline()) return SKIP;
  u64 before = interrupts.timer, far = arch_ticks() + ticks_of_ms(1000000);
  msr_write(MSR_DEADLINE, far);
  u64 armed = msr_read(MSR_DEADLINE);
  msr_write(MSR_DEADLINE, 0);
  u64 off = msr_read(MSR_DEADLINE);
  this_core()->alarm = 0; /* so that one that is over is taken for ours */
  msr_write(MSR_DEADLINE, 1);
  bool requested = is_requested(VECTOR_TIMER);
  u64 fired = msr_read(MSR_DEADLINE);
  interrupts_in();
  EXPECT(armed == far && off == 0 && requested && fired == 0);
  EXPECT(interrupts.timer == before + 1);
  return PASS;
}

enum verdict check_nmi(struct buffer *note) {
  u64 before = trap_count(VECTOR_NMI), deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  apic_send(this_core()->apic_id, SEND_NMI);
  while (trap_count(VECTOR_NMI) == before && arch_ticks() < deadline) arch_relax(); /* it asks nobody */
  EXPECT(trap_count(VECTOR_NMI) == before + 1);
  return PASS;
}

BODY(read_reserved, "movl $0x80e, %%ecx\n rdmsr") /* DFR, which x2APIC has not */
BODY(write_reserved, "movl $0x808, %%ecx\n xorl %%edx, %%edx\n movl $0x100, %%eax\n wrmsr")
BODY(leave_to_xapic, "movl $0x1b, %%ecx\n rdmsr\n andl $~0x400, %%eax\n wrmsr")

enum verdict check_x2apic(struct buffer *note) {
  enum { SELF_IPI = 0x83f, LOGICAL_ID = 0x80d };
  if (!features.x2apic) return SKIP;
  u64 before = trap_count(VECTOR_TEST), id = this_core()->apic_id;
  msr_write(SELF_IPI, VECTOR_TEST);
  EXPECT(wait_for(VECTOR_TEST, before));
  EXPECT(msr_read(LOGICAL_ID) == (id >> 4 << 16 | 1ul << (id & 15)));
  EXPECT(TRAPPED(trap_of(read_reserved, 0), VECTOR_PROTECTION, 0));
  s64 reserved = trap_of(write_reserved, 0);
  apic_write(APIC_PRIORITY, 0);
  EXPECT(WORKED_OR_PROTECTED(reserved));
  EXPECT(TRAPPED(trap_of(leave_to_xapic, 0), VECTOR_PROTECTION, 0)); /* the way back leads through off */
  return PASS;
}

/* ---- The I/O APIC ------------------------------------------------------------------------- */

enum verdict check_io_apic(struct buffer *note) {
  unsigned count = lines_count(), entry = 0x10 + 2 * (count - 1);
  if (count == 0) return SKIP;
  u32 low = line_read(entry), high = line_read(entry + 1);
  line_write(entry + 1, 0x0f000000);
  line_write(entry, 0x1a9ff & ~0x5000); /* all that can be set of it; read-only are 12 and 14 */
  u32 now = line_read(entry), destination = line_read(entry + 1);
  line_write(entry, low);
  line_write(entry + 1, high);
  EXPECT((now & 0x1afff) == 0x1a9ff && destination == 0x0f000000 && line_read(entry) == low);
  buffer_print(note, "%u lines, version %x", count, line_read(1) & 0xff);
  return PASS;
}

enum { PIT_0 = 0x40, PIT_CONTROL = 0x43, PIT_COUNT = 1193 }; /* 1 ms */

static void start_pit(u8 control) {
  io_write8(PIT_CONTROL, control);
  io_write8(PIT_0, PIT_COUNT & 0xff);
  io_write8(PIT_0, PIT_COUNT >> 8);
}
enum { PIT_ONCE = 0x30, PIT_RATE = 0x34 };

/* The PIT's interrupt, as often as it comes: an edge each. */
enum verdict check_line(struct buffer *note) {
  if (board.io_apic == 0) return SKIP;
  unsigned gsi = board.isa[0].gsi, vector = VECTOR_FIRST_LINE + gsi;
  u64 before = trap_count(vector), deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  line_enable(gsi, false);
  start_pit(PIT_RATE);
  arch_set_alarm(deadline);
  while (trap_count(vector) < before + 3 && arch_ticks() < deadline) arch_idle();
  u64 many = trap_count(vector) - before;
  line_disable(gsi);
  interrupts_in();
  u64 last = trap_count(vector);
  wait_us(3000);
  interrupts_in();
  u64 masked = trap_count(vector) - last;
  start_pit(PIT_ONCE); /* and then no more */
  arch_set_alarm(NEVER);
  wait_us(2000);
  EXPECT(many >= 3 && masked == 0);
  buffer_print(note, "line %u", gsi);
  return PASS;
}

/* The same by the old way: the first 8259, and the local APIC's input for it. */
enum verdict check_ext_int(struct buffer *note) {
  enum { EXTERNAL = 0x700, MASK = 0x21, PIC_VECTOR = 0x20 };
  u64 before = trap_count(PIC_VECTOR), deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  apic_write(APIC_LINT0, EXTERNAL);
  io_write8(MASK, 0xfe);
  start_pit(PIT_RATE);
  arch_set_alarm(deadline);
  while (trap_count(PIC_VECTOR) < before + 3 && arch_ticks() < deadline) arch_idle();
  u64 many = trap_count(PIC_VECTOR) - before;
  io_write8(MASK, 0xff);
  interrupts_in();
  apic_write(APIC_LINT0, APIC_MASKED);
  start_pit(PIT_ONCE);
  arch_set_alarm(NEVER);
  wait_us(2000);
  EXPECT(many >= 3);
  return PASS;
}

enum verdict check_uart_interrupt(struct buffer *note) {
  if (console != &ns16550) return SKIP;
  unsigned gsi = board.isa[4].gsi;
  u64 before = trap_count(VECTOR_FIRST_LINE + gsi), deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  ns16550_interrupt_when_empty();
  arch_set_alarm(deadline);
  while (ns16550_last_cause() != 2 && arch_ticks() < deadline) arch_idle();
  arch_set_alarm(NEVER);
  EXPECT(trap_count(VECTOR_FIRST_LINE + gsi) > before && ns16550_last_cause() == 2);
  buffer_print(note, "line %u", gsi);
  return PASS;
}
