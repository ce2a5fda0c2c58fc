/* What the device tree says about this machine, beyond `machine`. */
#pragma once

#include "machine.h"
#include "platform.h"
#include "types.h"

struct board {
  struct device uart, rtc;
  struct device virtio[8];
  unsigned virtio_count;
  unsigned gic_version; /* 2 or 3; 0: there is none */
  struct device distributor;
  struct device cpu_interface;    /* version 2 */
  struct device redistributors[4]; /* version 3: regions of them */
  unsigned redistributor_count;
  u32 timer_irq, physical_timer_irq; /* the EL1 virtual timer, which we use, and the physical one */
  enum { PSCI_NONE, PSCI_HVC, PSCI_SMC } psci;
  u64 core_ids[MAX_CPUS]; /* the one that booted comes first */
  paddr nowhere;          /* a page where, by the device tree, there is nothing at all */
};

extern struct board board;

/* Fills in `board` and `machine`; false when this is no device tree. */
bool board_read(const void *tree, u64 boot_core);
