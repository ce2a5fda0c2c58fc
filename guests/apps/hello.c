// about: greets
#include "user.h"

int main(u64) {
  u64 ms = time_ns() / 1000000;
  printf("Hello from user mode! I am task %d, and the machine has been up for %lu ms.\n", getpid(), ms);
  return 0;
}
