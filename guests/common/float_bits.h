/* For the checks of floating point, which look at results as bits; for sources that are built with it. */
#pragma once

#include "types.h"

/* In a function with a `number`, which it returns where something is wrong: that of the expectation. */
#define EXPECT_BITS(value, bits)               \
  do {                                         \
    number++;                                  \
    if ((u64)(value) != (bits)) return number; \
  } while (0)

static inline u64 bits_of(double value) {
  u64 bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline double of_bits(u64 bits) {
  double value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
