// about: double precision with division and square root: bodies that attract each other
#include "../common/bench.h"

enum { BODIES = 5 };

struct body {
  double position[3], speed[3], mass;
};

static void advance(struct body *bodies, double time) {
  for (int i = 0; i < BODIES; i++)
    for (int j = i + 1; j < BODIES; j++) {
      struct body *a = &bodies[i], *b = &bodies[j];
      double d[3], square = 0.001;
      for (int k = 0; k < 3; k++) {
        d[k] = a->position[k] - b->position[k];
        square = multiply_add(d[k], d[k], square); /* vectors would fuse nothing here: another result */
      }
      double strength = time / (square * __builtin_sqrt(square));
      for (int k = 0; k < 3; k++) {
        a->speed[k] -= d[k] * b->mass * strength;
        b->speed[k] += d[k] * a->mass * strength;
      }
    }
  for (int i = 0; i < BODIES; i++)
    for (int k = 0; k < 3; k++) bodies[i].position[k] += time * bodies[i].speed[k];
}

u64 bench_nbody(u64 percent) {
  struct body bodies[BODIES];
  for (int i = 0; i < BODIES; i++)
    bodies[i] = (struct body){
        .position = {i * 1.3, 2.0 - i * i * 0.2, i * 0.4},
        .speed = {0.05 * i, 0.1 - 0.03 * i, 0.02},
        .mass = 1.0 / (i + 1),
    };
  for (u64 step = rounds(250000, percent); step > 0; step--) advance(bodies, 0.001);
  u64 check = 0;
  for (int i = 0; i < BODIES; i++)
    for (int k = 0; k < 3; k++) check = mix(check, bits_of(bodies[i].position[k]));
  return check;
}
