// about: comparison by a function that the caller names: quicksort of records
#include "../common/bench.h"

struct record {
  u64 key;
  u64 value;
};

typedef int (*compare)(const void *, const void *);

static int by_key(const void *a, const void *b) {
  u64 x = ((const struct record *)a)->key, y = ((const struct record *)b)->key;
  return x < y ? -1 : x > y;
}
static int by_value(const void *a, const void *b) {
  u64 x = ((const struct record *)a)->value, y = ((const struct record *)b)->value;
  return x < y ? -1 : x > y;
}

static inline void swap(struct record *a, struct record *b) {
  struct record taken = *a;
  *a = *b;
  *b = taken;
}

/* The comparison is a real call through a pointer, as in a library that was compiled before. */
__attribute__((noinline)) static void sort(struct record *from, struct record *to, compare order) {
  while (to - from > 8) {
    struct record *left = from, *right = to - 1;
    struct record pivot = from[(to - from) / 2];
    while (left <= right) {
      while (order(left, &pivot) < 0) left++;
      while (order(right, &pivot) > 0) right--;
      if (left <= right) swap(left++, right--);
    }
    sort(from, right + 1, order);
    from = left;
  }
  for (struct record *a = from + 1; a < to; a++)
    for (struct record *b = a; b > from && order(b - 1, b) > 0; b--) swap(b - 1, b);
}

u64 bench_sort(u64 percent) {
  static const compare orders[] = {by_key, by_value};
  struct record *records = (struct record *)arena;
  const u64 count = 20000;
  u64 state = 77, check = 0;
  for (u64 round = rounds(24, percent); round > 0; round--) {
    for (u64 i = 0; i < count; i++) records[i] = (struct record){next_random(&state) >> 16, state * 3};
    sort(records, records + count, *(const compare volatile *)&orders[round & 1]);
    for (u64 i = 1; i < count; i++)
      if (orders[round & 1](&records[i - 1], &records[i]) > 0) fail("not sorted");
    check = mix(check, records[count / 3].key);
  }
  return check;
}
