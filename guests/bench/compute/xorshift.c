// about: shifts, exclusive or, 64-bit multiplication: a random number generator
#include "../common/bench.h"

u64 bench_xorshift(u64 percent) {
  u64 state = 88172645463325252, sum = 0;
  for (u64 i = rounds(70000000, percent); i > 0; i--) {
    u64 x = next_random(&state);
    sum += (x * 0x2545f4914f6cdd1d) >> 32;
    sum ^= sum << 7;
  }
  return mix(sum, state);
}
