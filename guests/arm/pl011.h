/* The PL011 serial port (Arm DDI 0183). */
#pragma once

#include "console.h"

void pl011_init(u64 base);

extern const struct console_driver pl011, pl011_polled; /* with its interrupt, and without */

void pl011_interrupt(void);

/* For tests: makes the port interrupt once when it has sent; and how often it did. */
void pl011_interrupt_when_sent(void);
unsigned pl011_sent(void);

/* A register that keeps 16 bits and does nothing with them until LCR is written. */
u64 pl011_scratch(void);
