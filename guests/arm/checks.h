/* The self-test's AArch64 part, a file per subject. */
#pragma once

#include "check.h"

/* Whether it trapped, with this class (and fault status). */
#define TRAPPED(cause, class) ((cause) != WORKED && class_of((u64)(cause)) == (class))
#define FAULTED(cause, class, status) (TRAPPED(cause, class) && fault_status((u64)(cause)) == (status))

/* check_psci.c */
check_fn check_psci_version, check_psci_unknown, check_psci_cpu, check_psci_suspend;

/* check_cpu.c */
check_fn check_flags, check_integer, check_crc, check_float, check_exclusives, check_lse, check_counters,
    check_el2_register, check_id_registers, check_undefined, check_brk, check_svc, check_pc_alignment,
    check_alignment, check_wait, check_event, check_virtual_timer, check_physical_timer;

/* float.c: the number of the first that is wrong, 0 if none is */
unsigned float_check(void);

/* check_devices.c */
check_fn check_mmio_byte, check_mmio_half, check_mmio_word, check_mmio_double, check_mmio_write_back,
    check_mmio_registers, check_nowhere, check_gic, check_gic_self, check_gic_pending, check_gic_mask,
    check_uart_interrupt;

/* check_memory.c */
check_fn check_rights, check_user_pages, check_pan, check_access_flag, check_block, check_translate,
    check_code_change, check_remote_tlb;
