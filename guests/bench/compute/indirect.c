// about: calls through pointers: operations on shapes by a table of functions
#include "../common/bench.h"

struct shape;
struct operations {
  u64 (*area)(const struct shape *);
  void (*grow)(struct shape *, u64);
};
struct shape {
  const struct operations *operations;
  u64 width, height;
};

static u64 rectangle_area(const struct shape *s) { return s->width * s->height; }
static u64 triangle_area(const struct shape *s) { return s->width * s->height / 2; }
static u64 frame_area(const struct shape *s) { return 2 * (s->width + s->height); }
static u64 point_area(const struct shape *s) { return s->width & 1; }
static void grow_both(struct shape *s, u64 by) { s->width += by, s->height += by; }
static void grow_wide(struct shape *s, u64 by) { s->width = (s->width + by) & 0xffff; }
static void turn(struct shape *s, u64 by) {
  u64 width = s->width;
  s->width = s->height ^ by;
  s->height = width & 0xfff;
}

static const struct operations kinds[] = {
    {rectangle_area, grow_both},
    {triangle_area, grow_wide},
    {frame_area, turn},
    {point_area, grow_wide},
};

u64 bench_indirect(u64 percent) {
  struct shape *shapes = (struct shape *)arena;
  const u64 count = 1000;
  u64 state = 17, sum = 0;
  for (u64 i = 0; i < count; i++) shapes[i] = (struct shape){&kinds[next_random(&state) >> 7 & 3], i, i & 31};
  for (u64 round = rounds(9000, percent); round > 0; round--)
    for (u64 i = 0; i < count; i++) {
      sum += shapes[i].operations->area(&shapes[i]);
      shapes[i].operations->grow(&shapes[i], round & 3);
    }
  return sum;
}
