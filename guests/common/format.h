/* printf's core: turns a format and its arguments into characters given to `put`. */
#pragma once

#include <stdarg.h>

#include "types.h"

typedef void put_fn(void *context, char c);

/* Knows %d %i %u %x %c %s %%, the lengths l and z, the flags 0 and -, a width and, for %s, a precision. */
void format(put_fn *put, void *context, const char *text, va_list arguments);

/* A fixed piece of memory to format into; what does not fit is dropped. */
struct buffer {
  char *text; /* always ends with a zero */
  size_t size;
  size_t length;
};

void buffer_print(struct buffer *buffer, const char *text, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_format(struct buffer *buffer, const char *text, va_list arguments);
