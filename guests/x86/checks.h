/* The self-test's x86-64 part, a file per subject. */
#pragma once

#include "check.h"
#include "x86.h"

/* What came of something that may trap: its fault, of which `cause` is WORKED if there was none. */
static inline struct fault attempt(u64 (*body)(u64), u64 argument, u64 *result) {
  struct fault fault;
  u64 value = 0;
  if (guarded(body, argument, &value, &fault)) fault = (struct fault){(u64)WORKED, 0, 0};
  *result = value;
  return fault;
}

static inline s64 trap_of(u64 (*body)(u64), u64 argument) {
  u64 unused;
  return (s64)attempt(body, argument, &unused).cause;
}

#define TRAPPED(cause, vector, error) ((u64)(cause) == cause_of(vector, error))

/* A processor may let what it does not know pass, as QEMU's does; if it traps, then so. */
#define WORKED_OR_PROTECTED(cause) ((cause) == WORKED || TRAPPED(cause, VECTOR_PROTECTION, 0))

/* The same by a gate of the interrupt table, which the error code names. QEMU counts gates by half their size. */
#define GATE_TRAPPED(cause, vector, gate) \
  (TRAPPED(cause, vector, (gate) << 3 | 2) || TRAPPED(cause, vector, (gate) << 4 | 2))

/* Whether two clocks say about the same, to an eighth. */
static inline bool agree(u64 one, u64 other) { return one > other - other / 8 && one < other + other / 8; }

/* Something to attempt: instructions on the argument, %0, which becomes the result. */
#define BODY(name, instructions)                                                                  \
  static u64 name(u64 argument) {                                                                 \
    u64 result = argument;                                                                        \
    __asm__ volatile(instructions : "+r"(result) : : "memory", "cc", "rax", "rbx", "rcx", "rdx", "r11"); \
    return result;                                                                                \
  }

/* check_cpu.c */
check_fn check_flags, check_integer, check_strings, check_extensions, check_atomics, check_cpuid, check_tsc,
    check_float, check_xsave;

/* float.c: the number of the first that is wrong, 0 if none is; what a division by zero does if that traps */
unsigned float_check(void);
u64 float_unmasked_sse(u64 argument), float_unmasked_x87(u64 argument);

/* check_traps.c */
check_fn check_exceptions, check_segments, check_double_fault, check_msrs, check_controls, check_single_step,
    check_breakpoints, check_watchpoint, check_debug_registers;

/* check_user.c */
check_fn check_user_privileged, check_user_umip, check_user_vectors, check_user_counter, check_user_alignment,
    check_compatibility;

/* check_memory.c */
check_fn check_rights, check_write_protect, check_smep, check_smap, check_accessed_dirty, check_reserved, check_2m,
    check_1g, check_global, check_invpcid, check_code_change, check_remote_tlb;

/* check_ports.c */
check_fn check_port_widths, check_port_strings, check_port_fault, check_port_nowhere, check_pic, check_pit, check_cmos, check_pm_timer;

/* check_mmio.c */
check_fn check_mmio_forms, check_mmio_strings, check_mmio_registers, check_mmio_widths, check_nowhere, check_hpet;

/* check_interrupts.c */
check_fn check_apic, check_apic_self, check_apic_priority, check_apic_shadow, check_apic_timer, check_apic_deadline,
    check_nmi, check_x2apic, check_io_apic, check_line, check_ext_int, check_uart_interrupt, check_software;
