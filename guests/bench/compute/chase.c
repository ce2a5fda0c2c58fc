// about: every load's address comes from the load before: a random walk through 512 KiB
#include "../common/bench.h"

u64 bench_chase(u64 percent) {
  const u64 count = 1 << 16;
  u64 *next = (u64 *)arena;
  u64 state = 31337;
  // One cycle through all elements (Sattolo's shuffle).
  for (u64 i = 0; i < count; i++) next[i] = i;
  for (u64 i = count - 1; i > 0; i--) {
    u64 k = (next_random(&state) >> 11) % i;
    u64 taken = next[i];
    next[i] = next[k];
    next[k] = taken;
  }
  u64 at = 0, sum = 0;
  for (u64 i = rounds(20000000, percent); i > 0; i--) {
    at = next[at];
    sum += at;
  }
  return mix(sum, at);
}
