// about: reads and writes all over 4 MiB: a hash table with open addressing
#include "../common/bench.h"

struct slot {
  u64 key;
  u64 count;
};

u64 bench_hash(u64 percent) {
  const u64 slots = 1 << 18;
  struct slot *table = (struct slot *)arena;
  u64 state = 4711, check = 0;
  for (u64 i = rounds(6000000, percent); i > 0; i--) {
    u64 x = next_random(&state);
    u64 key = (x >> 20 & 0x1ffff) + 1;
    u64 at = key * 0x9e3779b97f4a7c15 >> 46;
    while (table[at].key != 0 && table[at].key != key) at = (at + 1) % slots;
    table[at].key = key;
    table[at].count++;
    check += at ^ table[at].count;
  }
  return check;
}
