// about: double precision in a short loop with an exit: the Mandelbrot set, and conversions to integers
#include "../common/bench.h"

static u32 steps(double x, double y, u32 limit) {
  double a = 0, b = 0;
  u32 count = 0;
  while (count < limit && a * a + b * b < 4.0) {
    double next = a * a - b * b + x;
    b = 2 * a * b + y;
    a = next;
    count++;
  }
  return count;
}

u64 bench_mandelbrot(u64 percent) {
  u64 check = 0, rows = rounds(300, percent);
  const double height = 2.4 / (double)rows;
  for (u64 row = 0; row < rows; row++)
    for (u64 column = 0; column < 200; column++) {
      double x = -2.2 + (double)column * (3.2 / 200), y = -1.2 + (double)row * height;
      u32 count = steps(x, y, 400);
      check = check * 31 + count + (u64)(s64)(x * y * 1000);
    }
  return check;
}
