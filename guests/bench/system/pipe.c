// about: a byte to and fro between two processes
#include "../common/bench.h"

static void echo(int from, int to) {
  u8 byte;
  while (sys_read(from, &byte, 1) == 1) {
    byte ^= 0x5a;
    if (sys_write(to, &byte, 1) != 1) sys_exit(1);
  }
  sys_exit(0);
}

u64 bench_pipe(u64 percent) {
  int there[2], back[2], status = 1;
  if (sys_pipe(there) < 0 || sys_pipe(back) < 0) fail("pipe2");
  s64 child = sys_fork();
  if (child < 0) fail("clone");
  if (child == 0) {
    sys_close(there[1]);
    echo(there[0], back[1]);
  }
  u64 check = 0;
  for (u64 i = rounds(8000, percent); i > 0; i--) {
    u8 byte = (u8)i;
    if (sys_write(there[1], &byte, 1) != 1 || sys_read(back[0], &byte, 1) != 1) fail("the pipe broke");
    check = check * 3 + byte;
  }
  sys_close(there[1]);
  if (sys_wait(child, &status) != child || status != 0) fail("the other process failed");
  return check;
}
