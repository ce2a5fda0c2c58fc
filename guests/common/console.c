#include "console.h"

#include <stdarg.h>

#include "arch.h"
#include "format.h"
#include "task.h"

#define CTRL_C 3
#define POLL_MS 10

static const struct console_driver firmware = {"firmware", arch_putc, arch_getc, false};

const struct console_driver *console = &firmware;
struct task *console_foreground;

static char typed[256]; /* a ring */
static unsigned typed_head, typed_tail;
static u64 next_poll = NEVER; /* nothing is read before tasks exist */

void console_use(const struct console_driver *driver) { console = driver; }

void console_put(char c) {
  if (c == '\n') console->put('\r');
  console->put(c);
}

void console_type(char c) {
  if (c == CTRL_C && console_foreground != NULL) return task_kill(console_foreground);
  unsigned next = (typed_tail + 1) % COUNT(typed);
  if (next == typed_head) return; /* full: the key is lost, as on any terminal */
  typed[typed_tail] = c;
  typed_tail = next;
}

void console_poll(void) {
  for (int c; (c = console->get()) >= 0;) console_type((char)c);
  if (!console->interrupts) next_poll = arch_ticks() + ticks_of_ms(POLL_MS);
  task_wake(typed);
}

u64 console_next_poll(void) { return console->interrupts ? NEVER : next_poll; }

int console_get(void) {
  console_poll();
  while (typed_head == typed_tail) task_wait(typed);
  u8 c = (u8)typed[typed_head];
  typed_head = (typed_head + 1) % COUNT(typed);
  return c == CTRL_C ? -1 : c;
}

static void print_put(void *, char c) {
  console_put(c);
}

void print(const char *text, ...) {
  va_list arguments;
  va_start(arguments, text);
  format(print_put, NULL, text, arguments);
  va_end(arguments);
}
