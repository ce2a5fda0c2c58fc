// about: the NUMBERth (20th) Fibonacci number, the slow way
#include "user.h"

static u64 slow(u64 n) { return n < 2 ? n : slow(n - 1) + slow(n - 2); }

static u64 fast(u64 n) {
  u64 a = 0, b = 1;
  for (; n > 0; n--) {
    u64 next = a + b;
    a = b;
    b = next;
  }
  return a;
}

int main(u64 n) {
  if (n == 0) n = 20;
  u64 result = slow(n);
  printf("fib(%lu) = %lu\n", n, result);
  return result != fast(n);
}
