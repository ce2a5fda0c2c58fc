// about: gives its turn away NUMBER (100) times
#include "user.h"

int main(u64 times) {
  if (times == 0) times = 100;
  u64 start = time_ns();
  for (u64 i = 0; i < times; i++) yield();
  printf("%lu ns a yield\n", (time_ns() - start) / times);
  return 0;
}
