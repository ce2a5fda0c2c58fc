/* The other processors. They run no tasks: each waits for a job, does it, and waits again. */
#pragma once

#include "types.h"

typedef u64 job_fn(u64 argument);

/* Starts a processor and waits until it is there. */
bool cpu_start(unsigned cpu);
bool cpu_online(unsigned cpu);

/* Runs fn(argument) there. cpu_call waits for the result (false: none came). */
void cpu_post(unsigned cpu, job_fn *fn, u64 argument);
bool cpu_wait(unsigned cpu, u64 *result);
bool cpu_call(unsigned cpu, job_fn *fn, u64 argument, u64 *result);

/* Lets a processor stop itself, and waits until it has. */
bool cpu_stop(unsigned cpu);

/* Interrupts that this processor got from the others. */
u64 cpu_kicks(unsigned cpu);
