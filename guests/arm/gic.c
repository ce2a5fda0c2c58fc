/* The interrupt controller, version 2 (Arm IHI 0048) or 3 (IHI 0069): interrupts 0 to 15 from processor to
 * processor, 16 to 31 of each processor's own devices, from 32 on of all others. */
#include "arch.h"
#include "arm.h"
#include "board.h"
#include "io.h"
#include "pl011.h"

/* Distributor; some of it also in each redistributor's second frame, for interrupts 0 to 31. */
enum { CONTROL = 0, TYPE = 4, GROUP = 0x80, SET_ENABLE = 0x100, CLEAR_ENABLE = 0x180, PRIORITY = 0x400,
       TARGETS = 0x800, SOFTWARE = 0xf00, ROUTE = 0x6000 };
enum { ENABLE_GROUP_0 = 1, ENABLE_GROUP_1 = 2, AFFINITY_ROUTING = 0x10, WRITE_PENDING = 1u << 31 };
/* CPU interface of version 2. */
enum { MASK = 4, ACKNOWLEDGE = 0xc, END = 0x10 };
/* Redistributor of version 3: two frames of 64 KiB, four where it can do virtual LPIs. */
enum { TYPE_LOW = 8, TYPE_HIGH = 12, WAKER = 0x14, SECOND_FRAME = 0x10000, HAS_VIRTUAL = 2, IS_LAST = 0x10,
       WAKER_SLEEP = 2, WAKER_ASLEEP = 4 };

/* CPU interface of version 3: system registers. */
#define ICC_PMR "S3_0_C4_C6_0"
#define ICC_IAR1 "S3_0_C12_C12_0"
#define ICC_EOIR1 "S3_0_C12_C12_1"
#define ICC_BPR1 "S3_0_C12_C12_3"
#define ICC_CTLR "S3_0_C12_C12_4"
#define ICC_SRE "S3_0_C12_C12_5"
#define ICC_IGRPEN1 "S3_0_C12_C12_7"
#define ICC_SGI1R "S3_0_C12_C11_5"

enum { KICK = 0, NORMAL_PRIORITY = 0xa0, FIRST_SHARED = 32, FIRST_SPECIAL = 1020, NUMBER = 0x3ff };

static u64 taken[FIRST_SPECIAL];
static paddr redistributor[MAX_CPUS];
static u8 target_bit[MAX_CPUS]; /* version 2: the processor's bit in lists of targets */

static paddr distributor(u32 offset) { return board.distributor.base + offset; }
static bool is_v3(void) { return board.gic_version == 3; }

/* Where the registers of an interrupt are: with version 3, the private ones have moved. */
static paddr registers_of(unsigned irq) {
  return is_v3() && irq < FIRST_SHARED ? redistributor[arch_cpu_self()] + SECOND_FRAME : distributor(0);
}

unsigned gic_lines(void) {
  unsigned lines = 32 * ((io_read32(distributor(TYPE)) & 31) + 1);
  return lines < FIRST_SPECIAL ? lines : FIRST_SPECIAL;
}

static void wait_for_distributor(void) {
  while (is_v3() && io_read32(distributor(CONTROL)) & WRITE_PENDING) continue;
}

void gic_init(void) {
  if (board.gic_version == 0) return;
  io_write32(distributor(CONTROL), 0);
  wait_for_distributor();
  unsigned lines = gic_lines();
  for (unsigned irq = FIRST_SHARED; irq < lines; irq += 32) {
    io_write32(distributor(CLEAR_ENABLE + irq / 8), ~0u);
    if (is_v3()) io_write32(distributor(GROUP + irq / 8), ~0u);
  }
  for (unsigned irq = FIRST_SHARED; irq < lines; irq += 4) {
    io_write32(distributor(PRIORITY + irq), NORMAL_PRIORITY * 0x01010101u);
  }
  wait_for_distributor();
  io_write32(distributor(CONTROL),
             is_v3() ? AFFINITY_ROUTING | ENABLE_GROUP_1 | ENABLE_GROUP_0 : ENABLE_GROUP_0);
  wait_for_distributor();
}

/* The redistributor that names our affinity. */
static paddr find_redistributor(u64 id) {
  u32 affinity = (u32)(id & 0xffffff) | (u32)(id >> 32 & 0xff) << 24;
  for (unsigned i = 0; i < board.redistributor_count; i++) {
    paddr at = board.redistributors[i].base, end = at + board.redistributors[i].size;
    while (at < end) {
      u32 type = io_read32(at + TYPE_LOW);
      if (io_read32(at + TYPE_HIGH) == affinity) return at;
      if (type & IS_LAST) break;
      at += type & HAS_VIRTUAL ? 4 * SECOND_FRAME : 2 * SECOND_FRAME;
    }
  }
  return 0;
}

static bool wake_redistributor(struct core *core) {
  paddr at = redistributor[core->cpu] = find_redistributor(core->id);
  if (at == 0) return false;
  io_write32(at + WAKER, io_read32(at + WAKER) & ~(u32)WAKER_SLEEP);
  while (io_read32(at + WAKER) & WAKER_ASLEEP) continue;
  return true;
}

void gic_init_cpu(void) {
  struct core *core = this_core();
  if (board.gic_version == 0) return;
  if (is_v3() && !wake_redistributor(core)) {
    board.gic_version = 0; /* a tree that is wrong: better no interrupts than somebody else's */
    return;
  }
  paddr registers = registers_of(0);
  io_write32(registers + CLEAR_ENABLE, ~0u << 16);
  if (is_v3()) io_write32(registers + GROUP, ~0u);
  for (unsigned irq = 0; irq < FIRST_SHARED; irq += 4) {
    io_write32(registers + PRIORITY + irq, NORMAL_PRIORITY * 0x01010101u);
  }
  io_write32(registers + SET_ENABLE, 1u << KICK);

  if (is_v3()) {
    sys_write(ICC_SRE, 7);
    isb();
    sys_write(ICC_PMR, 0xff);
    sys_write(ICC_BPR1, 0);
    sys_write(ICC_CTLR, 0); /* end of interrupt: priority drop and deactivation in one */
    sys_write(ICC_IGRPEN1, 1);
    isb();
  } else {
    target_bit[core->cpu] = (u8)io_read32(distributor(TARGETS)); /* of private ones it reads as us */
    if (target_bit[core->cpu] == 0) target_bit[core->cpu] = 1;   /* with one processor it may read as zero */
    io_write32(board.cpu_interface.base + MASK, 0xff);
    io_write32(board.cpu_interface.base, ENABLE_GROUP_0);
  }
}

void gic_enable(unsigned irq) {
  if (board.gic_version == 0 || irq == 0) return;
  if (irq >= FIRST_SHARED && is_v3()) {
    paddr route = distributor(ROUTE + 8 * irq);
    io_write32(route, (u32)(this_core()->id & 0xffffff));
    io_write32(route + 4, (u32)(this_core()->id >> 32));
  } else if (irq >= FIRST_SHARED) {
    io_write8(distributor(TARGETS + irq), target_bit[arch_cpu_self()]);
  }
  io_write32(registers_of(irq) + SET_ENABLE + irq / 32 * 4, 1u << irq % 32);
}

void gic_disable(unsigned irq) {
  if (board.gic_version == 0) return;
  io_write32(registers_of(irq) + CLEAR_ENABLE + irq / 32 * 4, 1u << irq % 32);
  wait_for_distributor();
}

/* What was written before must be seen by whoever gets the interrupt. */
void gic_kick(unsigned cpu) {
  if (board.gic_version == 0) return;
  u64 id = cores[cpu].id;
  dsb();
  if (is_v3()) {
    u64 level0 = id & 0xff;
    sys_write(ICC_SGI1R, (u64)KICK << 24 | (id >> 8 & 0xff) << 16 | (id >> 16 & 0xff) << 32 |
                             (id >> 32 & 0xff) << 48 | level0 / 16 << 44 | 1ul << level0 % 16);
    isb();
  } else {
    io_write32(distributor(SOFTWARE), (u32)target_bit[cpu] << 16 | KICK);
  }
}

void gic_set_mask(u8 priority) {
  if (is_v3()) sys_write(ICC_PMR, priority);
  else io_write32(board.cpu_interface.base + MASK, priority);
  isb();
}

u32 gic_acknowledge(void) {
  if (!is_v3()) return io_read32(board.cpu_interface.base + ACKNOWLEDGE);
  u32 irq = (u32)sys_read(ICC_IAR1);
  dsb();
  return irq;
}

void gic_end(u32 irq) {
  if (is_v3()) sys_write(ICC_EOIR1, irq);
  else io_write32(board.cpu_interface.base + END, irq);
  isb();
}

static void deliver(unsigned irq) {
  if (irq == KICK) {
    __atomic_fetch_add(&interrupts.software, 1, __ATOMIC_RELAXED); /* the only kind other cores get too */
    on_kick();
  } else if (irq == board.timer_irq) {
    interrupts.timer++;
    timer_quiet();
    on_alarm();
  } else {
    interrupts.external++;
    if (irq == board.uart.irq) pl011_interrupt();
    else if (irq == board.physical_timer_irq) sys_write("cntp_ctl_el0", 0);
  }
}

void gic_interrupt(void) {
  u32 raw = gic_acknowledge(), irq = raw & NUMBER;
  if (irq >= FIRST_SPECIAL) return; /* gone again */
  __atomic_fetch_add(&taken[irq], 1, __ATOMIC_RELAXED);
  deliver(irq);
  dsb(); /* the device is quiet before the controller looks at it again */
  gic_end(raw);
}

u64 gic_taken(unsigned irq) { return taken[irq]; }
