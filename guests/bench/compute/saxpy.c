// about: what vectors are for, in single precision: a * x + y, dot products, largest elements
#include "../common/bench.h"

__attribute__((noinline)) static void saxpy(float *y, const float *x, float a, u64 count) {
  for (u64 i = 0; i < count; i++) y[i] = a * x[i] + y[i];
}

__attribute__((noinline)) static float dot(const float *x, const float *y, u64 count) {
  float sum = 0;
  /* Vectors would multiply first and add in order then, so that nothing is fused: another result. */
#pragma clang loop vectorize(disable)
  for (u64 i = 0; i < count; i++) sum += x[i] * y[i];
  return sum;
}

__attribute__((noinline)) static float largest(const float *x, u64 count) {
  float found = x[0];
  for (u64 i = 1; i < count; i++) found = x[i] > found ? x[i] : found;
  return found;
}

u64 bench_saxpy(u64 percent) {
  const u64 count = 16 << 10;
  float *x = (float *)arena, *y = x + count;
  u64 state = 10, check = 0;
  for (u64 i = 0; i < count; i++) {
    x[i] = (float)(s32)next_random(&state) * 0x1p-31f;
    y[i] = (float)i * 0x1p-14f;
  }
  for (u64 round = rounds(700, percent); round > 0; round--) {
    saxpy(y, x, (round & 1) != 0 ? 0.375f : -0.373f, count);
    check = mix(check, bits_of(dot(x, y, count)) + bits_of(largest(y, count)));
  }
  return check;
}
