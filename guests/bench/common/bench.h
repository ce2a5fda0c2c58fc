/* What every program of the benchmark has: its work, the kernel's calls, a little memory. */
#pragma once

#include "../../common/types.h"
#include "linux.h"

/* Each program does `percent` of its full work (1 to 100) and gives a number that depends on all of it, so
 * that two machines can be compared. The same percent gives the same number everywhere. */
#define PROGRAM(name) u64 bench_##name(u64 percent);
#include "programs.h"
#undef PROGRAM

/* The part of `full` rounds to do, at least one. */
static inline u64 rounds(u64 full, u64 percent) {
  u64 part = full * percent / 100;
  return part == 0 ? 1 : part;
}

/* Memory that one program at a time may use, as the kernel gave it: zeros that were never touched. */
#define ARENA_SIZE (24ul << 20)
extern u8 arena[ARENA_SIZE] __attribute__((aligned(4096)));

/* Ends the program with an error message: what was measured would be worth nothing. */
_Noreturn void fail(const char *message);

/* The path that this program was started by. */
extern const char *own_path;

/* Numbers that look random, the same every time. The state must not be 0. */
static inline u64 next_random(u64 *state) {
  u64 x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

/* Takes a value into a check; the order counts. */
static inline u64 mix(u64 check, u64 value) {
  check ^= value;
  check *= 0x9e3779b97f4a7c15;
  return check ^ check >> 29;
}

/* a * b + c, fused where the processors of an architecture all can. */
static inline double multiply_add(double a, double b, double c) {
#ifdef __x86_64__
  return a * b + c;
#else
  return __builtin_fma(a, b, c);
#endif
}

static inline u64 bits_of(double value) {
  u64 bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}
