#include "pl011.h"

#include "arch.h"
#include "io.h"

enum { DATA = 0, FLAGS = 0x18, DIVISOR = 0x24, CONTROL = 0x30, FIFO_LEVELS = 0x34, ENABLED = 0x38, CAUSES = 0x40,
       CLEAR = 0x44 };
enum { RECEIVE_EMPTY = 0x10, SEND_FULL = 0x20 };
enum { RECEIVED = 0x10, SENT = 0x20, TIMED_OUT = 0x40 };      /* interrupts */
enum { CONTROL_ON = 0x301 };                                  /* the port, sending, receiving */
enum { AT_ONE_EIGHTH = 0 };

static u64 port;
static unsigned sent;

static u32 in(u32 reg) { return io_read32(port + reg); }
static void out(u32 reg, u32 value) { io_write32(port + reg, value); }

void pl011_init(u64 base) {
  port = base;
  out(CONTROL, in(CONTROL) | CONTROL_ON); /* speed and format stay as the firmware set them */
  out(FIFO_LEVELS, AT_ONE_EIGHTH);
  out(ENABLED, RECEIVED | TIMED_OUT);
}

static void put(char c) {
  while (in(FLAGS) & SEND_FULL) continue;
  out(DATA, (u8)c);
}

static int get(void) { return in(FLAGS) & RECEIVE_EMPTY ? -1 : (int)(in(DATA) & 0xff); }

const struct console_driver pl011 = {"pl011", put, get, true};
const struct console_driver pl011_polled = {"pl011, polled", put, get, false};

void pl011_interrupt(void) {
  if (in(CAUSES) & SENT) {
    sent++;
    out(ENABLED, RECEIVED | TIMED_OUT); /* once is enough: it may not stop */
    out(CLEAR, SENT);
  }
  console_poll();
  out(CLEAR, TIMED_OUT);
}

void pl011_interrupt_when_sent(void) { out(ENABLED, RECEIVED | TIMED_OUT | SENT); }

unsigned pl011_sent(void) { return sent; }

u64 pl011_scratch(void) { return (u64)arch_at(port + DIVISOR); }
