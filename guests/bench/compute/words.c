// about: the same with 8 bytes at a time, as C libraries do it
#include "../common/bench.h"

#define ONES 0x0101010101010101ul
#define HIGHS 0x8080808080808080ul

/* Not 0 if one of the bytes is. */
static inline u64 has_zero(u64 word) { return (word - ONES) & ~word & HIGHS; }

__attribute__((noinline)) static u64 length_of(const char *s) {
  const char *at = s;
  for (; (u64)at % 8 != 0; at++)
    if (*at == 0) return (u64)(at - s);
  while (!has_zero(*(const u64 *)at)) at += 8;
  while (*at != 0) at++;
  return (u64)(at - s);
}

__attribute__((noinline)) static const char *find(const char *at, char wanted) {
  u64 pattern = ONES * (u8)wanted;
  for (; (u64)at % 8 != 0; at++)
    if (*at == wanted) return at;
  while (!has_zero(*(const u64 *)at ^ pattern)) at += 8;
  while (*at != wanted) at++;
  return at;
}

__attribute__((noinline)) static u64 compare(const char *a, const char *b) {
  const u64 *x = (const u64 *)a, *y = (const u64 *)b;
  while (*x == *y && !has_zero(*x)) x++, y++;
  return *x - *y;
}

__attribute__((noinline)) static u64 population(const char *s, u64 count) {
  u64 sum = 0;
  for (const u64 *at = (const u64 *)s; count > 0; count--, at++) {
    u64 x = *at;
    x -= x >> 1 & 0x5555555555555555;
    x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
    sum += ((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f) * ONES >> 56;
  }
  return sum;
}

u64 bench_words(u64 percent) {
  char *text = (char *)arena, *other = (char *)arena + 65536;
  const u64 size = 32000;
  u64 state = 8, check = 0;
  for (u64 i = 0; i < size; i++) text[i] = other[i] = (char)('a' + (next_random(&state) >> 13) % 23);
  for (u64 round = rounds(11000, percent); round > 0; round--) {
    u64 at = round * 37 % size;
    char kept = text[at];
    text[at] = '!';
    check = mix(check, length_of(text + (at & 63)));
    check += (u64)(find(text, '!') - text);
    check += compare(text, other);
    check += population(text, size / 8);
    text[at] = kept;
  }
  return check;
}
