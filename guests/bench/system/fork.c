// about: a process that comes, writes into memory it shares until then, and goes
#include "../common/bench.h"

u64 bench_fork(u64 percent) {
  const u64 pages = 64;
  for (u64 i = 0; i < pages; i++) arena[i << 12] = (u8)i;
  u64 check = 0;
  for (u64 i = rounds(400, percent); i > 0; i--) {
    s64 child = sys_fork();
    if (child < 0) fail("clone");
    if (child == 0) {
      for (u64 k = 0; k < pages; k += 8) arena[k << 12] ^= 1;
      sys_exit(arena[(i % pages) << 12]);
    }
    int status = 0;
    if (sys_wait(child, &status) != child) fail("wait4");
    check = mix(check, (u64)status);
  }
  return check;
}
