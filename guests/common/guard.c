#include "guard.h"

#include "arch.h"

static struct guard {
  u64 stack;
  struct fault *fault; /* NULL: nothing is guarded */
} guards[MAX_CPUS];

bool guarded(u64 (*body)(u64), u64 argument, u64 *result, struct fault *fault) {
  struct guard *guard = &guards[arch_cpu_self()];
  guard->fault = fault;
  u64 value = guard_enter(body, argument, &guard->stack);
  bool trapped = guard->fault == NULL;
  guard->fault = NULL;
  if (!trapped) *result = value;
  return !trapped;
}

bool guard_catch(struct fault fault, u64 *stack) {
  struct guard *guard = &guards[arch_cpu_self()];
  if (guard->fault == NULL) return false;
  *guard->fault = fault;
  guard->fault = NULL;
  *stack = guard->stack;
  return true;
}
