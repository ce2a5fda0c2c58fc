/* The 16550 serial port, with the architecture's io.h reaching its registers. */
#pragma once

#include "console.h"

/* Registers are 1 << shift bytes apart from `base` on (an address or a port, as io_read8 takes it). */
void ns16550_init(u64 base, unsigned shift);

extern const struct console_driver ns16550, ns16550_polled; /* with its interrupt, and without */

void ns16550_interrupt(void);

/* For tests: makes the port interrupt once because it can send; and why it interrupted last. */
void ns16550_interrupt_when_empty(void);
u8 ns16550_last_cause(void); /* 2: it could send */
