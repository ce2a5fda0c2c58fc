/* What the boot code found out about the machine, in terms every architecture shares. */
#pragma once

#include "types.h"

#define MAX_CPUS 8

struct machine {
  char model[48];
  char arguments[160]; /* the kernel command line */
  struct range ram[8];
  unsigned ram_count;
  struct range reserved[16]; /* parts of RAM that are not ours: firmware, device tree, kernel image */
  unsigned reserved_count;
  u64 ticks_per_second; /* unit of arch_ticks */
  unsigned cpu_count;
};

extern struct machine machine;

void machine_add_ram(struct range range);
void machine_reserve(struct range range);
