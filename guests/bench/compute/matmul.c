// about: double precision along rows and columns: products of matrices
#include "../common/bench.h"

enum { N = 120 };
typedef double matrix[N][N];

__attribute__((noinline)) static void multiply(matrix to, const matrix a, const matrix b) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double sum = 0;
      for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
      to[i][j] = sum;
    }
}

u64 bench_matmul(u64 percent) {
  matrix *m = (matrix *)arena;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      m[0][i][j] = (i * 7 + j * 3) % 11 * 0.125 - 0.5;
      m[1][i][j] = i == j ? 0.999 : (i - j) * 0.0001;
    }
  u64 check = 0;
  for (u64 round = rounds(16, percent); round > 0; round--) {
    multiply(m[2], m[0], m[1]);
    multiply(m[0], m[2], m[1]);
    check = mix(check, bits_of(m[0][round % N][(round * 31) % N]));
  }
  return check;
}
