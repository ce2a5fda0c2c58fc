/* A task's context beyond what lies on its kernel stack. */
#pragma once

#include "types.h"

struct arch_thread {
  u64 stack_pointer; /* of the kernel stack, while somebody else runs */
  bool uses_float;
  u8 fx[512] __attribute__((aligned(16))); /* what FXSAVE writes, while not in the processor */
};
