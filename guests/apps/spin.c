// about: computes for NUMBER (50) milliseconds without a pause
#include "user.h"

int main(u64 ms) {
  if (ms == 0) ms = 50;
  printf("task %d is going to spin for %lu ms\n", getpid(), ms);
  u64 end = time_ns() + ms * 1000000, rounds = 0;
  volatile u64 work = 1;
  while (time_ns() < end) {
    for (int i = 0; i < 1000; i++) work = work * 3 + 1;
    rounds++;
  }
  printf("task %d made %lu rounds\n", getpid(), rounds);
  return 0;
}
