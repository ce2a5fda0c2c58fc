// about: a deep recursion; with NUMBER, one without end
#include "user.h"

/* The volatile array keeps every call's frame, and so makes the stack grow page by page. */
static u64 descend(u64 depth) {
  volatile u64 frame[16];
  frame[depth % 16] = depth;
  u64 below = depth == 0 ? 0 : descend(depth - 1);
  return below + frame[depth % 16];
}

int main(u64 endless) {
  u64 depth = endless ? ~0ul : 250;
  u64 sum = descend(depth);
  printf("depth %lu, sum %lu\n", depth, sum);
  return sum != depth * (depth + 1) / 2;
}
