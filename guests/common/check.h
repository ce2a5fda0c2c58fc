/* A check of the self-test: does one thing and says how it went. */
#pragma once

#include "format.h"

enum verdict { PASS, FAIL, SKIP };

struct check {
  const char *name;
  enum verdict (*run)(struct buffer *note); /* the note is shown behind the name */
};

/* Ends a check as failed, saying what did not hold. */
#define EXPECT(condition)                           \
  do {                                              \
    if (!(condition)) {                             \
      buffer_print(note, "not so: %s", #condition); \
      return FAIL;                                  \
    }                                               \
  } while (0)
