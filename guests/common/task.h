/* Tasks: the shell, which lives in the kernel, and the user programs it starts; and their scheduler.
 *
 * All tasks run on the processor that booted, one at a time, in turns of TURN_MS. The kernel is not
 * preempted (see arch.h), so what is here needs no lock. */
#pragma once

#include "space.h"
#include "thread.h" /* the architecture's struct arch_thread */
#include "types.h"

#define MAX_TASKS 16
#define TURN_MS 5
#define STACK_SIZE 8192

enum task_state {
  TASK_FREE,     /* this slot is nobody's */
  TASK_READY,    /* waits for its turn */
  TASK_RUNNING,
  TASK_SLEEPING, /* until wake_at */
  TASK_WAITING,  /* for task_wake(wait_for) */
  TASK_ENDED,    /* until somebody asks how it went */
};

/* Why a task ended. */
enum end {
  END_EXIT,        /* by itself */
  END_KILLED,      /* from outside */
  END_PAGE,        /* touched memory it may not touch so */
  END_INSTRUCTION, /* illegal or privileged instruction */
  END_BREAKPOINT,
  END_ALIGNMENT,
  END_OTHER,
};

struct task {
  int pid;
  enum task_state state;
  char name[16];
  u8 *stack; /* lowest byte of its kernel stack */

  u64 wake_at;
  const void *wait_for;

  bool user;     /* has a `space` */
  bool quiet;    /* what it writes goes nowhere */
  bool detached; /* nobody will ask how it went */
  bool killed;   /* must end before it sees user mode again */
  struct space space;
  struct region *heap;
  vaddr entry;
  u64 argument;

  enum end end;
  int exit_code;
  u64 end_address; /* of the access or instruction that ended it */

  u64 time; /* ticks it ran */
  u64 turns, faults, calls;
  struct arch_thread arch;
};

extern struct task tasks[MAX_TASKS];
extern struct task *current;

void tasks_init(void); /* the caller becomes the first task, "shell" */

/* Starts an embedded program; NULL when there is none of that name, no slot or no memory. */
struct task *task_start(const char *program, u64 argument);

/* Waits for the end of a task that is not detached, and frees its slot. */
struct task_result {
  enum end end;
  int exit_code;
  u64 end_address;
  u64 time, turns, faults, calls, pages;
};
struct task_result task_join(struct task *task);

void task_yield(void);
void task_sleep_until(u64 ticks);
void task_wait(const void *event);
void task_wake(const void *event);
void task_kill(struct task *task);
_Noreturn void task_end(enum end end, int exit_code, u64 address);

const char *end_name(enum end end);

/* How long the self-test waits for what should come at once, before it calls it missing. Long, as a
 * machine under a hypervisor may stand still for a while. */
#define PATIENCE_MS 10000

u64 ticks_of_ms(u64 ms);
u64 nanoseconds(u64 ticks);
