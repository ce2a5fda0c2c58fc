/* The library of the user programs. Each program is a `main` that gets the number typed behind its
 * name (0 if none) and returns its exit code: 0 when it found all as it should be. */
#pragma once

#define USER_PROGRAM
#include "../common/syscall.h"
#include "../common/types.h"
#include "user_arch.h"

int main(u64 argument);

void printf(const char *text, ...) __attribute__((format(printf, 1, 2)));

static inline int getpid(void) { return (int)system_call(CALL_GETPID, 0, 0); }
static inline void yield(void) { system_call(CALL_YIELD, 0, 0); }
static inline void sleep_ms(u64 ms) { system_call(CALL_SLEEP, ms, 0); }
static inline u64 time_ns(void) { return (u64)system_call(CALL_TIME, 0, 0); }

/* Fresh memory of zeros; NULL if there is not so much. */
static inline void *grow(u64 bytes) {
  s64 at = system_call(CALL_GROW, bytes, 0);
  return at < 0 ? NULL : (void *)at;
}
