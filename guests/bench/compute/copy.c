// about: copying and filling memory, 8 bytes at a time, in blocks of 32 bytes to 2 MiB
#include "../common/bench.h"

__attribute__((noinline)) static void copy(u64 *to, const u64 *from, u64 words) {
  for (; words >= 8; words -= 8, to += 8, from += 8) {
    u64 a = from[0], b = from[1], c = from[2], d = from[3], e = from[4], f = from[5], g = from[6], h = from[7];
    to[0] = a, to[1] = b, to[2] = c, to[3] = d, to[4] = e, to[5] = f, to[6] = g, to[7] = h;
  }
  for (; words > 0; words--) *to++ = *from++;
}

__attribute__((noinline)) static void fill(u64 *to, u64 value, u64 words) {
  for (; words >= 4; words -= 4, to += 4) to[0] = to[1] = to[2] = to[3] = value;
  for (; words > 0; words--) *to++ = value;
}

u64 bench_copy(u64 percent) {
  u64 *one = (u64 *)arena, *other = (u64 *)(arena + (2 << 20));
  const u64 words = (2 << 20) / 8;
  u64 state = 5, check = 0;
  for (u64 i = 0; i < words; i++) one[i] = next_random(&state);
  for (u64 round = rounds(180, percent); round > 0; round--) {
    copy(other, one, words);
    fill(one, round, words / 2);
    for (u64 i = 0; i < 20000; i++) {
      u64 size = 4 + (i * 7 & 31);
      copy(one + (i & 0xfff) * 33, other + (i & 0x7ff) * 41, size);
    }
    check = mix(check, one[round * 97 % words] + other[round * 89 % words]);
  }
  return check;
}
