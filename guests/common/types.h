/* The few types everything else is written in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 paddr; /* physical address, as this guest sees it */
typedef u64 vaddr; /* virtual address, kernel or user */

struct range {
  u64 start;
  u64 end; /* first byte after the range */
};

#define PAGE_SIZE 4096ul
#define NEVER (~0ul) /* as a time: no alarm */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline u64 round_down(u64 value, u64 unit) { return value / unit * unit; }
static inline u64 round_up(u64 value, u64 unit) { return round_down(value + unit - 1, unit); }
