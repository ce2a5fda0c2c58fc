/* A check of the self-test: does one thing and says how it went. */
#pragma once

#include "format.h"
#include "guard.h"

enum verdict { PASS, FAIL, SKIP };

struct check {
  const char *name;
  enum verdict (*run)(struct buffer *note); /* the note is shown behind the name */
};

/* check_kernel.c: for the lists of the architectures. */
typedef enum verdict check_fn(struct buffer *note);
check_fn check_timer, check_remap, check_asids;

/* What `body` did: WORKED, with its result in *value, or the cause of its trap, with the trap's value. */
enum { WORKED = -1 };
s64 outcome(u64 (*body)(u64), u64 argument, u64 *value);
u64 check_load(u64 at);
u64 check_store(u64 at); /* of 1 */
u64 check_call(u64 at);  /* of a function without arguments */

/* Ends a check as failed, saying what did not hold. */
#define EXPECT(condition)                           \
  do {                                              \
    if (!(condition)) {                             \
      buffer_print(note, "not so: %s", #condition); \
      return FAIL;                                  \
    }                                               \
  } while (0)
