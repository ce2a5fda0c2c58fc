// about: page faults: memory that is touched for the first time, again and again
#include "../common/bench.h"

u64 bench_faults(u64 percent) {
  const u64 pages = 2048;
  s64 at = sys_mmap(pages << 12);
  if (at < 0) fail("mmap");
  u8 *bytes = (u8 *)at;
  u64 check = 0;
  for (u64 i = rounds(10, percent); i > 0; i--) {
    for (u64 k = 0; k < pages; k++) bytes[k << 12] += (u8)(i ^ k);
    check = mix(check, bytes[(i * 97 % pages) << 12]);
    if (sys_madvise(bytes, pages << 12, MADV_DONTNEED) < 0) fail("madvise");
  }
  return check;
}
