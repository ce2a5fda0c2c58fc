// about: sleeps NUMBER (20) milliseconds
#include "user.h"

int main(u64 ms) {
  if (ms == 0) ms = 20;
  u64 start = time_ns();
  sleep_ms(ms);
  u64 slept = time_ns() - start;
  printf("slept %lu.%03lu ms\n", slept / 1000000, slept / 1000 % 1000);
  return slept < ms * 1000000;
}
