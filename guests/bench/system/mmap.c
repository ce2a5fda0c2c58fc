// about: mapping a few pages, touching them, giving them back
#include "../common/bench.h"

u64 bench_mmap(u64 percent) {
  const u64 pages = 16;
  u64 check = 0;
  for (u64 i = rounds(800, percent); i > 0; i--) {
    s64 at = sys_mmap(pages << 12);
    if (at < 0) fail("mmap");
    u8 *bytes = (u8 *)at;
    for (u64 k = 0; k < pages; k++) bytes[k << 12] += (u8)(i + k);
    check = mix(check, bytes[(i % pages) << 12]);
    if (sys_munmap(bytes, pages << 12) < 0) fail("munmap");
  }
  return check;
}
