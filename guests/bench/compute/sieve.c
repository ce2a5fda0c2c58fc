// about: stores at growing strides: the sieve of Eratosthenes
#include "../common/bench.h"

u64 bench_sieve(u64 percent) {
  const u64 size = 2 << 20;
  u64 check = 0;
  for (u64 round = rounds(20, percent); round > 0; round--) {
    for (u64 i = 0; i < size; i++) arena[i] = 1;
    for (u64 i = 2; i * i < size; i++)
      if (arena[i])
        for (u64 k = i * i; k < size; k += i) arena[k] = 0;
    u64 primes = 0;
    for (u64 i = 2; i < size; i++) primes += arena[i];
    check = mix(check, primes);
  }
  return check;
}
