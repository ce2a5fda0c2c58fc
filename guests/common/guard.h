/* Runs something that may trap in the kernel, and tells the trap instead of dying of it. */
#pragma once

#include "types.h"

struct fault {
  u64 cause, value, pc; /* as the architecture numbers causes; value: an address mostly */
};

/* Runs body(argument). If it traps, stops it there and tells the fault; else gives its result.
 * True: no trap. */
bool guarded(u64 (*body)(u64), u64 argument, u64 *result, struct fault *fault);

/* For the trap handler. True: this processor was in guarded(), knows the fault now, and is to go on at
 * guard_leave with this stack pointer. */
bool guard_catch(struct fault fault, u64 *stack);

/* The architecture's part. Calls body(argument) after noting the stack pointer in *stack; guard_leave
 * takes off that stack what guard_enter put there, and returns to guard_enter's caller. */
u64 guard_enter(u64 (*body)(u64), u64 argument, u64 *stack);
void guard_leave(void);
