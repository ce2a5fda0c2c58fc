/* A task's context beyond what lies on its kernel stack. */
#pragma once

#include "types.h"

struct arch_thread {
  u64 stack_pointer; /* of the kernel stack, while somebody else runs */
  u64 f[33];         /* floating-point registers and fcsr, while not in the processor */
};
