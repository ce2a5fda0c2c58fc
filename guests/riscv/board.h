/* What the device tree says about this machine, beyond `machine`. */
#pragma once

#include "machine.h"
#include "platform.h"
#include "types.h"

struct board {
  char isa[160];
  bool has_float; /* F and D */
  bool has_sstc;
  struct device uart, plic, rtc, finisher;
  unsigned uart_shift;
  struct device virtio[8];
  unsigned virtio_count;
  unsigned plic_context; /* supervisor mode of the hart that booted */
  unsigned plic_sources;
  u64 hart_ids[MAX_CPUS]; /* the one that booted comes first */
  paddr nowhere;          /* a page where, by the device tree, there is nothing at all */
};

extern struct board board;

/* Fills in `board` and `machine`; false when this is no device tree. */
bool board_read(const void *tree, u64 boot_hart);
