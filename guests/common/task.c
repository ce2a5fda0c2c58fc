#include "task.h"

#include "apps.h"
#include "arch.h"
#include "console.h"
#include "elf.h"
#include "layout.h"
#include "string.h"

struct task tasks[MAX_TASKS];
struct task *current;
struct interrupts interrupts;

static u8 stacks[MAX_TASKS][STACK_SIZE] __attribute__((aligned(16)));
static int last_pid;
static u64 turn_started, turn_ends;
static bool turn_over; /* somebody else should run now */

/* ---- Time ------------------------------------------------------------------------------- */

u64 ticks_of_ms(u64 ms) { return ms * machine.ticks_per_second / 1000; }

u64 nanoseconds(u64 ticks) {
  u64 rate = machine.ticks_per_second; /* in two parts, as ticks * 1e9 would soon overflow */
  return ticks / rate * 1000000000 + ticks % rate * 1000000000 / rate;
}

/* ---- The scheduler ---------------------------------------------------------------------- */

/* The next task in the circle; the current one comes last. */
static struct task *next_ready(void) {
  unsigned own = (unsigned)(current - tasks);
  for (unsigned i = 1; i <= MAX_TASKS; i++) {
    struct task *task = &tasks[(own + i) % MAX_TASKS];
    if (task->state == TASK_READY) return task;
  }
  return NULL;
}

/* Asks for the next alarm at the first moment something is to be done. There is no regular tick; and
 * never an alarm for what is known already, which would come back at once and for ever. */
static void set_alarm(void) {
  u64 first = NEVER;
  for (unsigned i = 0; i < MAX_TASKS; i++) {
    const struct task *task = &tasks[i];
    if (task->state == TASK_SLEEPING && task->wake_at < first) first = task->wake_at;
    if (task->state == TASK_READY && !turn_over && turn_ends < first) first = turn_ends;
  }
  u64 poll = console_next_poll();
  arch_set_alarm(poll < first ? poll : first);
}

static void charge(void) {
  u64 now = arch_ticks();
  current->time += now - turn_started;
  turn_started = now;
}

/* Gives the processor to the next ready task; returns when it is the caller's turn again. */
static void schedule(void) {
  struct task *from = current, *to;
  charge();
  while ((to = next_ready()) == NULL) {
    set_alarm();
    arch_idle();
    turn_started = arch_ticks(); /* idling is nobody's time */
  }

  to->state = TASK_RUNNING;
  to->turns++;
  turn_over = false;
  turn_ends = turn_started + ticks_of_ms(TURN_MS);
  set_alarm();
  if (to == from) return;

  current = to;
  arch_space_use(to->user ? &to->space : NULL);
  arch_thread_switch(from, to);
}

void on_alarm(void) {
  u64 now = arch_ticks();
  for (unsigned i = 0; i < MAX_TASKS; i++) {
    struct task *task = &tasks[i];
    if (task->state != TASK_SLEEPING || task->wake_at > now) continue;
    task->state = TASK_READY;
    turn_over = true;
  }
  if (now >= turn_ends) turn_over = true;
  if (now >= console_next_poll()) console_poll();
  set_alarm();
}

void on_return_to_user(void) {
  if (turn_over && next_ready() != NULL) task_yield();
  if (current->killed) task_end(END_KILLED, 0, 0);
}

/* ---- Blocking --------------------------------------------------------------------------- */

void task_yield(void) {
  current->state = TASK_READY;
  schedule();
}

void task_sleep_until(u64 ticks) {
  current->state = TASK_SLEEPING;
  current->wake_at = ticks;
  schedule();
}

void task_wait(const void *event) {
  current->state = TASK_WAITING;
  current->wait_for = event;
  schedule();
}

void task_wake(const void *event) {
  for (unsigned i = 0; i < MAX_TASKS; i++) {
    struct task *task = &tasks[i];
    if (task->state != TASK_WAITING || task->wait_for != event) continue;
    task->state = TASK_READY;
    turn_over = true;
  }
}

/* ---- Life ------------------------------------------------------------------------------- */

void tasks_init(void) {
  for (unsigned i = 0; i < MAX_TASKS; i++) {
    tasks[i].stack = stacks[i];
    tasks[i].space.slot = i;
  }
  current = &tasks[0]; /* it goes on using the stack it booted on */
  current->pid = ++last_pid;
  current->state = TASK_RUNNING;
  copy_text(current->name, "shell", sizeof current->name);
  turn_started = arch_ticks();
  turn_ends = turn_started + ticks_of_ms(TURN_MS);
}

static void first_turn(void) {
  on_return_to_user();
  arch_enter_user(current->entry, USER_STACK_TOP, current->argument);
}

static bool load(struct task *task, const struct app *app) {
  struct space *space = &task->space;
  space->region_count = 0;
  space->pages = 0;
  if (!arch_space_new(space)) return false;

  task->entry = elf_load(space, app->file, app->size);
  vaddr heap = round_up(elf_end(app->file, app->size), PAGE_SIZE) + PAGE_SIZE;
  task->heap = space_add(space, heap, heap, RIGHT_READ | RIGHT_WRITE);
  space_add(space, USER_STACK_TOP - USER_STACK_SIZE, USER_STACK_TOP, RIGHT_READ | RIGHT_WRITE);
  if (task->entry != 0) return true;
  arch_space_free(space);
  return false;
}

static struct task *free_slot(void) {
  for (unsigned i = 0; i < MAX_TASKS; i++) {
    if (tasks[i].state == TASK_FREE) return &tasks[i];
  }
  return NULL;
}

struct task *task_start(const char *program, u64 argument) {
  const struct app *app = app_find(program);
  struct task *slot = free_slot();
  if (app == NULL || slot == NULL) return NULL;

  struct task fresh = {.stack = slot->stack, .space.slot = slot->space.slot, .user = true};
  fresh.argument = argument;
  copy_text(fresh.name, app->name, sizeof fresh.name);
  *slot = fresh;
  if (!load(slot, app)) return NULL;

  slot->pid = ++last_pid;
  arch_thread_new(slot, first_turn);
  slot->state = TASK_READY;
  return slot;
}

void task_kill(struct task *task) {
  task->killed = true;
  if (task->state == TASK_SLEEPING || task->state == TASK_WAITING) task->state = TASK_READY;
}

/* The slot's kernel stack is in use until the switch in schedule(); nobody can take the slot before. */
void task_end(enum end end, int exit_code, u64 address) {
  charge();
  current->end = end;
  current->exit_code = exit_code;
  current->end_address = address;
  arch_space_use(NULL);
  arch_space_free(&current->space);

  if (current->detached) {
    print("[%d] %s: %s", current->pid, current->name, end_name(end));
    if (end == END_EXIT) print(" %d", exit_code);
    print("\n");
    current->state = TASK_FREE;
  } else {
    current->state = TASK_ENDED;
    task_wake(current);
  }
  schedule();
  __builtin_unreachable();
}

struct task_result task_join(struct task *task) {
  while (task->state != TASK_ENDED) task_wait(task);
  task->state = TASK_FREE;
  return (struct task_result){task->end,    task->exit_code, task->end_address, task->time,
                              task->turns,  task->faults,    task->calls,       task->space.pages};
}

const char *end_name(enum end end) {
  static const char names[][20] = {
      [END_EXIT] = "exit",
      [END_KILLED] = "killed",
      [END_PAGE] = "page fault",
      [END_INSTRUCTION] = "illegal instruction",
      [END_BREAKPOINT] = "breakpoint",
      [END_ALIGNMENT] = "misaligned access",
      [END_OTHER] = "unexpected trap",
  };
  return names[end];
}
