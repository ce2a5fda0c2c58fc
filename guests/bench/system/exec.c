// about: a process that comes and becomes another program
#include "../common/bench.h"

u64 bench_exec(u64 percent) {
  const char *const arguments[] = {own_path, "nothing", NULL};
  u64 check = 0;
  for (u64 i = rounds(250, percent); i > 0; i--) {
    s64 child = sys_fork();
    if (child < 0) fail("clone");
    if (child == 0) {
      sys_exec(own_path, arguments);
      sys_exit(1);
    }
    int status = 1;
    if (sys_wait(child, &status) != child || status != 0) fail("execve");
    check = mix(check, i);
  }
  return check;
}
