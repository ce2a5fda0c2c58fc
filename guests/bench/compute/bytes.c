// about: what vectors are for, on bytes and halves: blending pictures, sums of differences, a filter
#include "../common/bench.h"

__attribute__((noinline)) static void blend(u8 *to, const u8 *a, const u8 *b, u64 count, u32 weight) {
  for (u64 i = 0; i < count; i++) to[i] = (u8)((a[i] * weight + b[i] * (256 - weight)) >> 8);
}

__attribute__((noinline)) static u64 difference(const u8 *a, const u8 *b, u64 count) {
  u64 sum = 0;
  for (u64 i = 0; i < count; i++) sum += (u64)(a[i] > b[i] ? a[i] - b[i] : b[i] - a[i]);
  return sum;
}

__attribute__((noinline)) static void filter(s16 *to, const u8 *from, u64 count) {
  for (u64 i = 2; i < count - 2; i++) {
    s32 value = -from[i - 2] + 4 * from[i - 1] + 10 * from[i] + 4 * from[i + 1] - from[i + 2];
    to[i] = (s16)(value < 0 ? 0 : value > 4080 ? 4080 : value);
  }
}

u64 bench_bytes(u64 percent) {
  const u64 size = 64 << 10;
  u8 *a = arena, *b = a + size, *mixed = b + size;
  s16 *filtered = (s16 *)(mixed + size);
  u64 state = 9, check = 0;
  for (u64 i = 0; i < size; i++) a[i] = (u8)next_random(&state), b[i] = (u8)(state >> 20);
  for (u64 round = rounds(320, percent); round > 0; round--) {
    blend(mixed, a, b, size, (u32)round & 255);
    filter(filtered, mixed, size);
    check = mix(check, difference(a, mixed, size) + (u64)filtered[round * 131 % size]);
  }
  return check;
}
