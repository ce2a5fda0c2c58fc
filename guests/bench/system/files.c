// about: files in memory: made, written, read, removed
#include "../common/bench.h"

u64 bench_files(u64 percent) {
  static const char path[] = "/tmp/bench-file";
  const u64 size = 16 << 10;
  u64 state = 3, check = 0;
  for (u64 i = 0; i < size; i++) arena[i] = (u8)next_random(&state);
  for (u64 i = rounds(1600, percent); i > 0; i--) {
    arena[i % size] ^= (u8)i;
    s64 file = sys_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0) fail("openat");
    if (sys_write((int)file, arena, size) != (s64)size) fail("write");
    sys_close((int)file);
    file = sys_open(path, O_RDWR, 0);
    if (file < 0 || sys_read((int)file, arena + size, size) != (s64)size) fail("read");
    sys_close((int)file);
    if (sys_unlink(path) < 0) fail("unlinkat");
    check = mix(check, arena[size + i * 31 % size]);
  }
  return check;
}
