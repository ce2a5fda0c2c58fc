#include "selftest.h"

#include "apps.h"
#include "arch.h"
#include "check.h"
#include "console.h"
#include "cpus.h"
#include "pages.h"
#include "string.h"
#include "task.h"

static unsigned passed, failed;

static void report(const char *name, enum verdict verdict, const char *note) {
  static const char words[][5] = {[PASS] = "ok", [FAIL] = "FAIL", [SKIP] = "skip"};
  if (verdict == PASS) passed++;
  if (verdict == FAIL) failed++;
  print("%s %s%s%s\n", words[verdict], name, *note ? "  " : "", note);
}

static void run_checks(const struct check *checks) {
  for (; checks->name != NULL; checks++) {
    char text[160] = "";
    struct buffer note = {text, sizeof text, 0};
    enum verdict verdict = checks->run(&note);
    report(checks->name, verdict, text);
  }
}

/* ---- The kernel's own parts ------------------------------------------------------------- */

static enum verdict check_format(struct buffer *note) {
  char text[64] = "";
  struct buffer buffer = {text, sizeof text, 0};
  buffer_print(&buffer, "%d %5d|%-5d|%05d %u %lx %c%s %%", -7, 42, 42, -42, 4000000000u, ~0ul, 'x', "yz");
  EXPECT(strcmp(text, "-7    42|42   |-0042 4000000000 ffffffffffffffff xyz %") == 0);
  return PASS;
}

static enum verdict check_pages(struct buffer *note) {
  u64 before = pages_available();
  paddr a = page_new(), b = page_new();
  EXPECT(a != 0 && b != 0 && a != b && a % PAGE_SIZE == 0 && b % PAGE_SIZE == 0);
  u64 *words = arch_at(a);
  EXPECT(words[0] == 0 && words[511] == 0);
  words[511] = 1;
  EXPECT(*(u64 *)arch_at(b + PAGE_SIZE - 8) == 0);
  page_free(a);
  page_free(b);
  EXPECT(pages_available() == before);
  buffer_print(note, "%lu of %lu free", before, pages_total());
  return PASS;
}

static enum verdict check_clock(struct buffer *note) {
  u64 first = arch_ticks(), last = first;
  for (int i = 0; i < 1000; i++) {
    u64 now = arch_ticks();
    EXPECT(now >= last);
    last = now;
  }
  EXPECT(last > first);
  buffer_print(note, "%lu ticks a second", machine.ticks_per_second);
  return PASS;
}

static enum verdict check_wall_clock(struct buffer *note) {
  u64 before = arch_wall_clock();
  if (before == 0) return SKIP;
  task_sleep_until(arch_ticks() + ticks_of_ms(2));
  EXPECT(arch_wall_clock() >= before);
  buffer_print(note, "%lu s after 1970", before / 1000000000);
  return PASS;
}

static enum verdict check_sleep(struct buffer *note) {
  u64 start = arch_ticks(), wish = start + ticks_of_ms(5);
  task_sleep_until(wish);
  u64 end = arch_ticks();
  EXPECT(end >= wish);
  buffer_print(note, "5 ms took %lu us", nanoseconds(end - start) / 1000);
  return PASS;
}

static const struct check kernel_checks[] = {
    {"format", check_format},         {"pages", check_pages}, {"clock", check_clock},
    {"wall-clock", check_wall_clock}, {"sleep", check_sleep}, {NULL, NULL},
};

/* ---- Programs, and how each must end ---------------------------------------------------- */

static const struct expectation {
  const char *name;
  const char *program;
  u64 argument; /* 0: the program's own choice */
  enum end end;
} expectations[] = {
    {"hello", "hello", 0, END_EXIT},
    {"calls", "calls", 0, END_EXIT},
    {"primes", "primes", 0, END_EXIT},
    {"fib", "fib", 0, END_EXIT},
    {"matrix", "matrix", 0, END_EXIT},
    {"float", "float", 0, END_EXIT},
    {"sleep-call", "sleep", 0, END_EXIT},
    {"yield", "yield", 0, END_EXIT},
    {"memtest", "memtest", 0, END_EXIT},
    {"stack", "stack", 0, END_EXIT},
    {"stack-overflow", "stack", 1, END_PAGE},
    {"write-null", "badaddr", 1, END_PAGE},
    {"read-kernel", "badaddr", 2, END_PAGE},
    {"write-code", "badaddr", 3, END_PAGE},
    {"execute-data", "badaddr", 4, END_PAGE},
    {"illegal", "badinst", 1, END_INSTRUCTION},
    {"privileged-read", "badinst", 2, END_INSTRUCTION},
    {"privileged-return", "badinst", 3, END_INSTRUCTION},
    {"breakpoint", "badinst", 4, END_BREAKPOINT},
};

static struct task *start_quietly(const char *program, u64 argument) {
  struct task *task = task_start(program, argument);
  if (task != NULL) task->quiet = true;
  return task;
}

static void run_program(const struct expectation *expected) {
  char text[160] = "";
  struct buffer note = {text, sizeof text, 0};
  const struct app *app = app_find(expected->program);
  if (app != NULL && !app_runnable(app)) return report(expected->name, SKIP, "no floating point");

  u64 before = pages_available();
  struct task *task = start_quietly(expected->program, expected->argument);
  if (task == NULL) return report(expected->name, FAIL, "did not start");
  struct task_result result = task_join(task);
  u64 lost = before - pages_available();

  buffer_print(&note, "%s %d, %lu pages, %lu faults, %lu calls", end_name(result.end), result.exit_code,
               result.pages, result.faults, result.calls);
  if (lost > 0) buffer_print(&note, ", %lu pages lost", lost);
  bool good = result.end == expected->end && result.exit_code == 0 && lost == 0;
  report(expected->name, good ? PASS : FAIL, text);
}

/* Each works for three turns, if it is let: so the first cannot end before the timer interrupts it. */
static enum verdict run_together(struct buffer *note, const char *program) {
  if (!app_runnable(app_find(program))) return SKIP;
  struct task *list[3];
  for (unsigned i = 0; i < COUNT(list); i++) {
    list[i] = start_quietly(program, 3 * TURN_MS);
    EXPECT(list[i] != NULL);
  }
  u64 turns = 0;
  for (unsigned i = 0; i < COUNT(list); i++) {
    struct task_result result = task_join(list[i]);
    EXPECT(result.end == END_EXIT && result.exit_code == 0);
    turns += result.turns;
  }
  EXPECT(turns > COUNT(list));
  buffer_print(note, "%lu turns for 3 tasks", turns);
  return PASS;
}

static enum verdict check_turns(struct buffer *note) { return run_together(note, "spin"); }
static enum verdict check_float_turns(struct buffer *note) { return run_together(note, "float"); }

static enum verdict check_kill(struct buffer *note) {
  struct task *task = start_quietly("spin", 1000000);
  EXPECT(task != NULL);
  task_sleep_until(arch_ticks() + ticks_of_ms(3));
  task_kill(task);
  struct task_result result = task_join(task);
  EXPECT(result.end == END_KILLED);
  buffer_print(note, "after %lu us", nanoseconds(result.time) / 1000);
  return PASS;
}

static const struct check task_checks[] = {
    {"turns", check_turns}, {"float-turns", check_float_turns}, {"kill", check_kill}, {NULL, NULL},
};

/* ---- More than one processor ------------------------------------------------------------ */

#define ADDITIONS 2000

static struct {
  u64 lock; /* 0: free */
  u64 locked_sum;
  u64 atomic_sum;
} shared;

static bool try_lock(void) {
  u64 free = 0;
  return __atomic_compare_exchange_n(&shared.lock, &free, 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Two ways to add without losing any: one atomic instruction, or a lock around a plain one. */
static u64 add_many(u64 times) {
  for (u64 i = 0; i < times; i++) {
    __atomic_fetch_add(&shared.atomic_sum, 1, __ATOMIC_RELAXED);
    while (!try_lock()) arch_relax();
    shared.locked_sum++;
    __atomic_store_n(&shared.lock, 0, __ATOMIC_RELEASE);
  }
  return times;
}

static u64 own_number(u64) {
  return arch_cpu_self();
}

static enum verdict check_cpus_start(struct buffer *note) {
  if (machine.cpu_count < 2) return SKIP;
  for (unsigned cpu = 1; cpu < machine.cpu_count; cpu++) EXPECT(cpu_start(cpu));
  EXPECT(!arch_cpu_start(1)); /* it runs already */
  buffer_print(note, "%u processors", machine.cpu_count);
  return PASS;
}

static enum verdict check_cpus_kick(struct buffer *note) {
  if (!cpu_online(1)) return SKIP;
  u64 self, here = cpu_kicks(0), there = cpu_kicks(1);
  EXPECT(cpu_call(1, own_number, 0, &self));
  EXPECT(self == 1);
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  while ((cpu_kicks(0) == here || cpu_kicks(1) == there) && arch_ticks() < deadline) {
    arch_set_alarm(arch_ticks() + ticks_of_ms(1));
    arch_idle();
  }
  EXPECT(cpu_kicks(0) > here && cpu_kicks(1) > there);
  return PASS;
}

static enum verdict check_cpus_atomics(struct buffer *note) {
  if (!cpu_online(1)) return SKIP;
  shared.atomic_sum = shared.locked_sum = 0;
  cpu_post(1, add_many, ADDITIONS);
  add_many(ADDITIONS);
  u64 done;
  EXPECT(cpu_wait(1, &done) && done == ADDITIONS);
  EXPECT(shared.atomic_sum == 2 * ADDITIONS);
  EXPECT(shared.locked_sum == 2 * ADDITIONS);
  return PASS;
}

static enum verdict check_cpus_stop(struct buffer *note) {
  if (!cpu_online(1)) return SKIP;
  u64 done;
  EXPECT(cpu_stop(1));
  EXPECT(cpu_start(1)); /* and once more, from the beginning */
  EXPECT(cpu_call(1, add_many, 1, &done) && done == 1);
  for (unsigned cpu = 1; cpu < machine.cpu_count; cpu++) EXPECT(cpu_stop(cpu));
  return PASS;
}

static const struct check cpu_checks_begin[] = {
    {"cpus-start", check_cpus_start},
    {"cpus-kick", check_cpus_kick},
    {"cpus-atomics", check_cpus_atomics},
    {NULL, NULL},
};
static const struct check cpu_checks_end[] = {{"cpus-stop", check_cpus_stop}, {NULL, NULL}};

/* ---- All of it -------------------------------------------------------------------------- */

static unsigned summary(const char *name) {
  print("%s: %u passed, %u failed\n", name, passed, failed);
  return failed;
}

unsigned selftest(void) {
  passed = failed = 0;
  run_checks(kernel_checks);
  run_checks(cpu_checks_begin); /* the architecture's checks may use the other processors */
  run_checks(arch_checks);
  run_checks(cpu_checks_end);
  for (unsigned i = 0; i < COUNT(expectations); i++) run_program(&expectations[i]);
  run_checks(task_checks);
  return summary("selftest");
}

unsigned selftest_exits(void) {
  passed = failed = 0;
  run_checks(arch_checks);
  return summary("exits");
}
