#include "ns16550.h"

#include "io.h"

enum { DATA = 0, INTERRUPT_ENABLE = 1, INTERRUPT_ID = 2, FIFO = 2, LINE = 3, MODEM = 4, STATUS = 5 };
enum { RECEIVED = 1, EMPTY = 2 };                        /* interrupts to enable */
enum { STATUS_DATA = 0x01, STATUS_CAN_SEND = 0x20 };
enum { LINE_8N1 = 3, FIFO_ON = 1, MODEM_READY_AND_INTERRUPTS = 0x0b };

static u64 port;
static unsigned spacing;
static u8 last_cause;

static u8 in(int reg) { return io_read8(port + ((u64)reg << spacing)); }
static void out(int reg, u8 value) { io_write8(port + ((u64)reg << spacing), value); }

void ns16550_init(u64 base, unsigned shift) {
  port = base;
  spacing = shift;
  out(LINE, LINE_8N1); /* the speed stays as the firmware set it */
  out(FIFO, FIFO_ON);  /* not cleared: somebody may have typed already */
  out(MODEM, MODEM_READY_AND_INTERRUPTS);
  out(INTERRUPT_ENABLE, RECEIVED);
}

static void put(char c) {
  while (!(in(STATUS) & STATUS_CAN_SEND)) continue;
  out(DATA, (u8)c);
}

static int get(void) { return in(STATUS) & STATUS_DATA ? in(DATA) : -1; }

const struct console_driver ns16550 = {"ns16550", put, get, true};
const struct console_driver ns16550_polled = {"ns16550, polled", put, get, false};

void ns16550_interrupt(void) {
  last_cause = in(INTERRUPT_ID) & 0x0f;
  if (last_cause == EMPTY) out(INTERRUPT_ENABLE, RECEIVED); /* once is enough: it would not stop */
  console_poll();
}

void ns16550_interrupt_when_empty(void) {
  last_cause = 0;
  out(INTERRUPT_ENABLE, RECEIVED | EMPTY);
}

u8 ns16550_last_cause(void) { return last_cause; }
