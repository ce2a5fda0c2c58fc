// about: multiplies two matrices of NUMBER (24) rows
#include "user.h"

/* Checks (A B) v = A (B v), whose two sides have little computation in common. */

enum { LARGEST = 64 };

static u64 a[LARGEST][LARGEST], b[LARGEST][LARGEST], product[LARGEST][LARGEST];

static void apply(u64 result[], u64 m[LARGEST][LARGEST], const u64 v[], u64 n) {
  for (u64 i = 0; i < n; i++) {
    result[i] = 0;
    for (u64 j = 0; j < n; j++) result[i] += m[i][j] * v[j];
  }
}

int main(u64 n) {
  if (n == 0) n = 24;
  if (n > LARGEST) n = LARGEST;

  u64 random = 12345, v[LARGEST], bv[LARGEST], left[LARGEST], right[LARGEST];
  for (u64 i = 0; i < n; i++) {
    for (u64 j = 0; j < n; j++) {
      random = random * 6364136223846793005 + 1442695040888963407;
      a[i][j] = random >> 32;
      b[i][j] = random >> 16;
    }
    v[i] = random;
  }

  for (u64 i = 0; i < n; i++) {
    for (u64 j = 0; j < n; j++) {
      for (u64 k = 0; k < n; k++) product[i][j] += a[i][k] * b[k][j];
    }
  }

  apply(left, product, v, n);
  apply(bv, b, v, n);
  apply(right, a, bv, n);
  int wrong = 0;
  for (u64 i = 0; i < n; i++) wrong += left[i] != right[i];
  printf("%lu x %lu: %d wrong, trace-like sum %016lx\n", n, n, wrong, left[0] + left[n - 1]);
  return wrong;
}
