// about: byte after byte until one fits: strlen, strchr, strcmp, and splitting text into words
#include "../common/bench.h"

__attribute__((noinline)) static u64 length_of(const char *s) {
  const char *at = s;
  while (*at != 0) at++;
  return (u64)(at - s);
}

__attribute__((noinline)) static const char *find(const char *s, char wanted) {
  for (; *s != wanted; s++)
    if (*s == 0) return NULL;
  return s;
}

__attribute__((noinline)) static int compare(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return (u8)*a - (u8)*b;
}

/* Number of words, and of those that begin with the same letter as the one before. */
__attribute__((noinline)) static u64 words(const char *s) {
  u64 count = 0, same = 0;
  char before = 0;
  while (*s != 0) {
    while (*s == ' ') s++;
    if (*s == 0) break;
    count++;
    same += *s == before;
    before = *s;
    while (*s != 0 && *s != ' ') s++;
  }
  return count << 32 | same;
}

u64 bench_strings(u64 percent) {
  char *text = (char *)arena, *other = (char *)arena + 65536;
  const u64 size = 20000;
  u64 state = 7, check = 0;
  for (u64 i = 0; i < size; i++) {
    u64 x = next_random(&state) >> 13;
    text[i] = other[i] = x % 6 == 0 ? ' ' : (char)('a' + x % 23);
  }
  for (u64 round = rounds(4500, percent); round > 0; round--) {
    u64 at = round * 37 % size;
    char kept = text[at];
    text[at] = '!';
    check = mix(check, length_of(text + (at & 63)));
    check += (u64)(find(text, '!') - text);
    check += (u64)compare(text, other) & 0xff;
    check += words(text + size / 2);
    text[at] = kept;
  }
  return check;
}
