/* What the compiler may call where the source has an assignment of a structure. */
#include "../../common/types.h"

void *memcpy(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);

void *memcpy(void *to, const void *from, size_t length) {
  u8 *t = to;
  const u8 *f = from;
  for (size_t i = 0; i < length; i++) t[i] = f[i];
  return to;
}

void *memset(void *to, int value, size_t length) {
  u8 *t = to;
  for (size_t i = 0; i < length; i++) t[i] = (u8)value;
  return to;
}
