/* The self-test's RISC-V part, a file per subject. */
#pragma once

#include "check.h"

/* check_sbi.c */
check_fn check_sbi_base, check_sbi_unknown, check_sbi_timer, check_sbi_timer_legacy, check_sbi_console,
    check_sbi_console_legacy, check_sbi_ipi, check_sbi_ipi_legacy, check_sbi_rfence, check_sbi_rfence_legacy,
    check_sbi_hsm, check_sbi_suspend, check_sbi_reset;

/* check_cpu.c */
check_fn check_counters, check_machine_csr, check_hypervisor_csr, check_hypervisor_fence, check_unknown_csr,
    check_illegal, check_breakpoint, check_misaligned, check_atomics, check_wait, check_stimecmp;

/* check_devices.c */
check_fn check_mmio_byte, check_mmio_half, check_mmio_word, check_mmio_double, check_mmio_compressed,
    check_mmio_registers, check_nowhere, check_plic, check_uart_interrupt;

/* check_memory.c */
check_fn check_rights, check_user_pages, check_accessed_dirty, check_big_page, check_code_change, check_remote_fence;
