// about: 32-bit rotations and additions: SHA-256 (FIPS 180-4)
#include "../common/bench.h"

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static u32 constants[64];

static inline u32 rotate(u32 x, int n) { return x >> n | x << (32 - n); }

/* Fractional bits of the root of `prime`: the largest x with x ** degree <= prime << (32 * degree), by bits.
 * x has at most 35 bits, so its cube needs 105. */
static u32 root_bits(u64 prime, int degree) {
  u64 root = 0;
  for (int bit = 36; bit >= 0; bit--) {
    u64 x = root | 1ul << bit;
    unsigned __int128 power = (unsigned __int128)x * x;
    if (degree == 3) {
      if (power >> 76 != 0) continue;
      power *= x;
    }
    if (power <= (unsigned __int128)prime << (32 * degree)) root = x;
  }
  return (u32)root;
}

static void prepare(u32 hash[8]) {
  int found = 0;
  for (u64 candidate = 2; found < 64; candidate++) {
    bool prime = true;
    for (u64 d = 2; d * d <= candidate; d++) prime &= candidate % d != 0;
    if (!prime) continue;
    if (found < 8) hash[found] = root_bits(candidate, 2);
    constants[found++] = root_bits(candidate, 3);
  }
}

static void compress(u32 hash[8], const u8 *block) {
  u32 w[64];
  for (int i = 0; i < 16; i++)
    w[i] = (u32)block[4 * i] << 24 | (u32)block[4 * i + 1] << 16 | (u32)block[4 * i + 2] << 8 | block[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    u32 s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    u32 s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  u32 a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4], f = hash[5], g = hash[6], h = hash[7];
  for (int i = 0; i < 64; i++) {
    u32 s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    u32 t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
    u32 s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    u32 t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
}

u64 bench_sha256(u64 percent) {
  u32 hash[8], known[8];
  prepare(hash);
  for (int i = 0; i < 8; i++) known[i] = hash[i];
  u8 block[64] = {'a', 'b', 'c', 0x80};
  block[63] = 24;
  compress(known, block);
  if (known[0] != 0xba7816bf || known[7] != 0xf20015ad) fail("SHA-256 of abc is wrong");
  for (u64 i = 0; i < rounds(320000, percent); i++) {
    for (int k = 0; k < 64; k++) block[k] = (u8)(i + hash[k & 7]);
    compress(hash, block);
  }
  return (u64)hash[0] << 32 | hash[1];
}
