// about: a signal to oneself: into the handler and back
#include "../common/bench.h"

static volatile u64 taken;

static void handler(int signal) { taken += (u64)signal; }

u64 bench_signal(u64 percent) {
  if (sys_on_signal(SIGUSR1, handler) < 0) fail("rt_sigaction");
  s64 self = sys_getpid();
  for (u64 i = rounds(40000, percent); i > 0; i--)
    if (sys_kill(self, SIGUSR1) < 0) fail("kill");
  return taken;
}
