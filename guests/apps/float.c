// about: floating point, for NUMBER milliseconds
#include "user.h"

/* Built with F and D. Several of these at once must not see each other's registers, so each works
 * with numbers of its own, and repeats itself for a while. */

static double series(double start) {
  double sum = 0;
  for (int n = 1; n <= 200; n++) sum += start / ((double)n * n);
  return sum;
}

static u64 bits(double value) {
  union {
    double number;
    u64 bits;
  } both = {value};
  return both.bits;
}

/* IEEE 754 leaves one answer for each of these; volatile keeps the compiler from finding it first. */
static int exact(void) {
  volatile double two = 2, three = 3, tenth = 0.1, zero = 0, huge = 1e308, tiny = 5e-324;
  volatile float third = 3;
  int wrong = 0;
  wrong += bits(__builtin_sqrt(two)) != 0x3ff6a09e667f3bcd;
  wrong += bits(1 / three) != 0x3fd5555555555555;
  wrong += bits(tenth + tenth + tenth) != 0x3fd3333333333334;
  wrong += bits(1 / zero) != 0x7ff0000000000000;
  wrong += bits(huge * 10) != 0x7ff0000000000000;
  wrong += bits(tiny / 2) != 0; /* half way, to even */
  wrong += bits(-zero) != 0x8000000000000000;
  wrong += bits(1 / third) != 0x3fd5555560000000; /* single precision, widened */
  wrong += (s64)-2.75 * (int)two != -4;
  wrong += (u64)(huge > 1) != 1 || zero != -zero;
  double nan = zero / zero;
  wrong += nan == nan;
  return wrong;
}

int main(u64 ms) {
  int wrong = exact();
  u64 end = time_ns() + ms * 1000000;
  double start = getpid(), first = series(start);
  do {
    wrong += bits(series(start)) != bits(first);
  } while (time_ns() < end);
  int whole = (int)first, millionths = (int)((first - whole) * 1e6);
  printf("sum of %d/n^2: %d.%06d, %d wrong\n", getpid(), whole, millionths, wrong);
  return wrong;
}
