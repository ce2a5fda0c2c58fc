/* System calls: what a user program may ask. Shared with the programs in ../apps. */
#pragma once

enum {
  CALL_EXIT,   /* (code) does not return */
  CALL_WRITE,  /* (text, length) to the console; length, or BAD_ADDRESS */
  CALL_READ,   /* () one character typed, waits for it; -1: Ctrl-C */
  CALL_YIELD,  /* () lets the others run */
  CALL_SLEEP,  /* (milliseconds) */
  CALL_GETPID, /* () */
  CALL_TIME,   /* () nanoseconds since the machine started */
  CALL_GROW,   /* (bytes) more heap; where it begins, or NO_MEMORY. Pages appear when touched */
  CALL_COUNT,
};

enum { BAD_CALL = -38, BAD_ADDRESS = -14, NO_MEMORY = -12 };

#ifndef USER_PROGRAM
#include "types.h"

/* Carries out one call of the current task. */
s64 syscall(u64 number, u64 a, u64 b);
#endif
