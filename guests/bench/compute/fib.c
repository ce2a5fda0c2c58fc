// about: calls and returns: Fibonacci numbers and Ackermann's function, recursively
#include "../common/bench.h"

__attribute__((noinline)) static u64 fib(u64 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

__attribute__((noinline)) static u64 ackermann(u64 m, u64 n) {
  if (m == 0) return n + 1;
  return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

u64 bench_fib(u64 percent) {
  u64 check = 0;
  for (u64 i = rounds(100, percent); i > 0; i--) check = mix(check, fib(25 - (i & 1)) + ackermann(2, 60));
  return check;
}
