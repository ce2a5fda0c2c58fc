/* What PVH's start info and the ACPI tables say about this machine, beyond `machine`. */
#pragma once

#include "machine.h"
#include "types.h"

struct board {
  char firmware[7];  /* who made the ACPI tables; "" without any */
  u32 apic_ids[MAX_CPUS]; /* the one that booted comes first */
  paddr local_apic;
  paddr io_apic;     /* 0: there is none */
  struct line {
    unsigned gsi;    /* the I/O APIC's input */
    bool level, low; /* how it is signalled */
  } isa[16];         /* by number of the old line */
  paddr hpet;        /* 0: there is none */
  u16 pm_event, pm_control, pm_timer; /* ports; 0: there is none */
  u8 sleep_off;      /* SLP_TYP of \_S5 */
  u16 reset_port;
  u8 reset_value;
  struct {
    paddr base;
    u64 size;
    unsigned gsi;
  } virtio[8];
  unsigned virtio_count;
  bool has_uart;
};

extern struct board board;

/* Fills in `board` and `machine`; false when this is no start info with a memory map. */
bool board_read(paddr start_info, u32 boot_apic);

/* acpi.c: fills in `board` and the processors. Without tables, what any PC has stays. */
void acpi_read(paddr root, u32 boot_apic);
