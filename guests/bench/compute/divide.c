// about: division and remainder: greatest common divisors, powers modulo a number
#include "../common/bench.h"

static u64 gcd(u64 a, u64 b) {
  while (b != 0) {
    u64 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

static u32 power(u32 base, u32 exponent, u32 modulus) {
  u64 result = 1, square = base % modulus;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1) result = result * square % modulus;
    square = square * square % modulus;
  }
  return (u32)result;
}

u64 bench_divide(u64 percent) {
  u64 state = 12345, check = 0;
  for (u64 i = rounds(1500000, percent); i > 0; i--) {
    u64 a = next_random(&state), b = next_random(&state);
    check = mix(check, gcd(a, b));
    check += power((u32)a, (u32)b & 0xffff, (u32)(b >> 32) | 1);
    check ^= (u64)((s64)a / ((s64)(b >> 20) | 1)); // a signed one, too
  }
  return check;
}
