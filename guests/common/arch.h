/* Everything the portable kernel asks of an architecture, and (at the end) everything an
 * architecture may call in the portable kernel. A port is a folder that
 *
 *   - defines these functions,
 *   - has a "layout.h" with the addresses of its virtual memory and a "thread.h" with
 *     struct arch_thread, what a task's context needs beyond its kernel stack,
 *   - has a "user_arch.h" for the programs in ../apps: the system call instruction and a
 *     few instructions that must not work in user mode,
 *   - fills in `machine` and calls kernel_main() with interrupts off.
 *
 * The kernel itself is never interrupted: interrupts are open in user mode and inside arch_idle()
 * only. So the portable part needs no locks, except between processors (cpus.c).
 */
#pragma once

#include "check.h"
#include "machine.h"
#include "space.h"
#include "types.h"

struct task;

/* ---- Names ------------------------------------------------------------------------------ */
extern const char arch_name[];      /* "riscv64" */
extern const u16 arch_elf_machine;  /* e_machine of the programs it can run */
bool arch_has_float(void);          /* whether user programs may use floating point */
void arch_print_banner(void);       /* lines about firmware, processor, devices */

/* ---- Console of the firmware, until a driver takes over (console.h) ---------------------- */
void arch_putc(char c);
int arch_getc(void);                /* -1: nothing was typed */

/* ---- Time ------------------------------------------------------------------------------- */
u64 arch_ticks(void);               /* since some start, machine.ticks_per_second of them */
void arch_set_alarm(u64 ticks);     /* one call of on_alarm at that time; NEVER: none */
u64 arch_wall_clock(void);          /* nanoseconds since 1970; 0: this machine has no such clock */

/* ---- Waiting ---------------------------------------------------------------------------- */
void arch_idle(void);               /* sleeps until an interrupt is pending, and takes it */
void arch_relax(void);              /* a hint, in loops that spin */

/* ---- Memory ----------------------------------------------------------------------------- */
void *arch_at(paddr address);       /* where the kernel sees this physical address */
bool arch_space_new(struct space *space);  /* an empty user half beside the kernel's; false: no memory */
void arch_space_free(struct space *space); /* gives back every page of the user half and all its tables */
void arch_space_use(struct space *space);  /* NULL: no user half at all */
bool arch_map(struct space *space, vaddr at, paddr page, unsigned rights); /* false: no memory */
paddr arch_translate(struct space *space, vaddr at, unsigned rights);      /* 0: not mapped so */

/* ---- Threads ---------------------------------------------------------------------------- */
void arch_thread_new(struct task *task, void (*start)(void)); /* first switch to it enters start() */
void arch_thread_switch(struct task *from, struct task *to);
_Noreturn void arch_enter_user(vaddr pc, vaddr stack, u64 argument);

/* ---- Processors ------------------------------------------------------------------------- */
unsigned arch_cpu_self(void);       /* 0: the one that booted */
bool arch_cpu_start(unsigned cpu);  /* it enters cpu_main(); false: it cannot be started */
_Noreturn void arch_cpu_stop(void); /* the calling one, which may be started again */
bool arch_cpu_stopped(unsigned cpu);
void arch_cpu_kick(unsigned cpu);   /* ends the other's arch_idle() and calls its on_kick */

/* ---- The end ---------------------------------------------------------------------------- */
_Noreturn void arch_power_off(int code); /* 0: all is well; else the machine should report failure */
_Noreturn void arch_reboot(void);

/* ---- Self-test -------------------------------------------------------------------------- */
extern struct interrupts {          /* how often each came, so that checks can see them arrive (task.c) */
  u64 timer, software, external;
} interrupts;
void arch_test_map(paddr page, unsigned rights); /* one kernel page at TEST_BASE; page 0: none */
void arch_user_access(bool on);     /* whether the kernel may use user pages by their own addresses */
unsigned arch_space_tag_bits(void); /* how many bits tell the TLB's entries of spaces apart */
extern const struct check arch_checks[]; /* one per kind of VM exit and per feature; ends with a NULL name */

/* ---- Calls from the architecture into the portable kernel ------------------------------- */
_Noreturn void kernel_main(void);        /* main.c: once, on the processor that booted */
_Noreturn void cpu_main(unsigned cpu);   /* cpus.c: on each processor started later */
void on_alarm(void);                     /* task.c */
void on_kick(void);                      /* cpus.c: interrupt from another processor */
void on_return_to_user(void);            /* task.c: last thing before a trap goes back to a program */
