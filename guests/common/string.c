#include "string.h"

/* Words first: most copies here are whole pages. */
void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  u8 *t = to;
  const u8 *f = from;
  if (((uintptr_t)t | (uintptr_t)f) % 8 == 0) {
    for (; count >= 8; count -= 8, t += 8, f += 8) *(u64 *)t = *(const u64 *)f;
  }
  for (; count > 0; count--) *t++ = *f++;
  return to;
}

void *memset(void *to, int byte, size_t count) {
  u8 *t = to;
  if ((uintptr_t)t % 8 == 0) {
    u64 word = (u8)byte * 0x0101010101010101ul;
    for (; count >= 8; count -= 8, t += 8) *(u64 *)t = word;
  }
  for (; count > 0; count--) *t++ = (u8)byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t count) {
  const u8 *x = a, *y = b;
  for (; count > 0; count--, x++, y++) {
    if (*x != *y) return *x - *y;
  }
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t count) {
  for (; count > 0; count--, a++, b++) {
    if (*a != *b) return (u8)*a - (u8)*b;
    if (!*a) break;
  }
  return 0;
}

void copy_text(char *to, const char *from, size_t size) {
  size_t length = strlen(from);
  if (length > size - 1) length = size - 1;
  memcpy(to, from, length);
  to[length] = 0;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

const char *parse_number(const char *text, u64 *value) {
  const char *p = text;
  int base = 10;
  if (p[0] == '0' && p[1] == 'x' && digit(p[2]) < 16) {
    base = 16;
    p += 2;
  }
  if (digit(*p) >= base) return text;
  *value = 0;
  while (digit(*p) < base) *value = *value * base + digit(*p++);
  return p;
}
