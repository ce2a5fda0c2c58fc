// about: counts the primes below NUMBER (10000) with a sieve
#include "user.h"

int main(u64 limit) {
  bool own = limit == 0;
  if (own) limit = 10000;
  u8 *composite = grow(limit);
  if (composite == NULL) {
    printf("not enough memory\n");
    return 1;
  }
  u64 count = 0;
  for (u64 n = 2; n < limit; n++) {
    if (composite[n]) continue;
    count++;
    for (u64 multiple = n * n; multiple < limit; multiple += n) composite[multiple] = 1;
  }
  printf("%lu primes below %lu\n", count, limit);
  return own && count != 1229;
}
