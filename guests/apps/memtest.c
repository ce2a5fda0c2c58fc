// about: uses NUMBER (256) KiB of memory, which appears page by page as it is touched
#include "user.h"

static u64 pattern(u64 index) { return (index + 1) * 0x9e3779b97f4a7c15; }

int main(u64 kib) {
  if (kib == 0) kib = 256;
  u64 words = kib * 1024 / 8, wrong = 0;
  u64 *memory = grow(kib * 1024);
  if (memory == NULL) {
    printf("not so much\n");
    return 1;
  }
  for (u64 i = words; i-- > 0;) { /* from the top down: order must not matter */
    wrong += memory[i] != 0;
    memory[i] = pattern(i);
  }
  for (u64 i = 0; i < words; i++) wrong += memory[i] != pattern(i);
  printf("%lu KiB, %lu words wrong\n", kib, wrong);
  return wrong != 0;
}
