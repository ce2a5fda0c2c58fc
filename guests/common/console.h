/* The console: starts on the firmware's, moves to a device driver when one is found. */
#pragma once

#include "types.h"

struct console_driver {
  const char *name;
  void (*put)(char c);
  int (*get)(void); /* -1: nothing was typed */
  bool interrupts;  /* it calls console_poll() when something was typed; else we look every 10 ms */
};

extern const struct console_driver *console;

void console_use(const struct console_driver *driver);
void console_put(char c);

/* The next character typed; waits for it. -1: the reader was interrupted by Ctrl-C. */
int console_get(void);

/* What was typed comes in here. */
void console_type(char c);

/* Takes what the driver has. Called by the driver's interrupt, or by the timer. */
void console_poll(void);
u64 console_next_poll(void); /* when the timer is to call it; NEVER if interrupts do */

/* The task that Ctrl-C ends; NULL: Ctrl-C goes to the reader. */
struct task;
extern struct task *console_foreground;

void print(const char *text, ...) __attribute__((format(printf, 1, 2)));
