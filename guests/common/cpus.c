#include "cpus.h"

#include "arch.h"
#include "task.h"

static struct cpu {
  bool online;
  bool stopping;
  job_fn *job; /* NULL: idle */
  u64 argument;
  u64 result;
  u64 kicks;
} cpus[MAX_CPUS];

/* `job` and `online` hand the rest of the struct over, hence acquire and release. */
#define load(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define store(place, value) __atomic_store_n(&(place), value, __ATOMIC_RELEASE)

_Noreturn void cpu_main(unsigned id) {
  struct cpu *cpu = &cpus[id];
  store(cpu->online, true);
  arch_cpu_kick(0);
  for (;;) {
    job_fn *job = load(cpu->job);
    if (job != NULL) {
      cpu->result = job(cpu->argument);
      store(cpu->job, NULL);
      arch_cpu_kick(0); /* which may sleep, waiting for this */
    } else if (load(cpu->stopping)) {
      store(cpu->online, false);
      arch_cpu_stop();
    } else {
      arch_idle(); /* a kick that came since the look at `job` is still pending, and ends this at once */
    }
  }
}

void on_kick(void) { __atomic_fetch_add(&cpus[arch_cpu_self()].kicks, 1, __ATOMIC_RELAXED); }

u64 cpu_kicks(unsigned cpu) { return load(cpus[cpu].kicks); }
bool cpu_online(unsigned cpu) { return load(cpus[cpu].online); }

static bool is_idle(unsigned cpu) { return load(cpus[cpu].job) == NULL; }

/* Sleeps until something is so; gives up in the end. A processor that spins may keep the one it
 * waits for from running, when there is a hypervisor below; and not everything ends with a kick. */
static bool wait_until(bool (*is_so)(unsigned cpu), unsigned cpu) {
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  while (!is_so(cpu)) {
    if (arch_ticks() > deadline) return false;
    arch_set_alarm(arch_ticks() + ticks_of_ms(1));
    arch_idle();
  }
  return true;
}

bool cpu_start(unsigned cpu) {
  cpus[cpu] = (struct cpu){.online = false};
  return arch_cpu_start(cpu) && wait_until(cpu_online, cpu);
}

void cpu_post(unsigned cpu, job_fn *fn, u64 argument) {
  cpus[cpu].argument = argument;
  store(cpus[cpu].job, fn);
  arch_cpu_kick(cpu);
}

bool cpu_wait(unsigned cpu, u64 *result) {
  if (!wait_until(is_idle, cpu)) return false;
  *result = cpus[cpu].result;
  return true;
}

bool cpu_call(unsigned cpu, job_fn *fn, u64 argument, u64 *result) {
  cpu_post(cpu, fn, argument);
  return cpu_wait(cpu, result);
}

bool cpu_stop(unsigned cpu) {
  store(cpus[cpu].stopping, true);
  arch_cpu_kick(cpu);
  return wait_until(arch_cpu_stopped, cpu);
}
