// about: a system call that does next to nothing
#include "../common/bench.h"

u64 bench_getppid(u64 percent) {
  u64 count = rounds(500000, percent), different = 0;
  s64 parent = sys_getppid();
  for (u64 i = count; i > 0; i--) different += sys_getppid() != parent;
  return mix(count, different);
}
