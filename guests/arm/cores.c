/* The other processors: start, stop and wake them by way of the firmware and the GIC. */
#include "arch.h"
#include "arm.h"
#include "board.h"
#include "task.h"

struct core cores[MAX_CPUS];

static u8 core_stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));

/* On the core itself, once TPIDR_EL1 is right. */
void core_init(unsigned cpu) {
  this_core()->id = board.core_ids[cpu];
  this_core()->cpu = cpu;
  sys_write("cntkctl_el1", 3); /* programs may read both counters */
  sys_write("mdscr_el1", 0);   /* no debugging */
  gic_init_cpu();
}

_Noreturn void arm_secondary_main(void) {
  vmsa_use_kernel();
  core_init(this_core()->cpu);
  cpu_main(this_core()->cpu);
}

unsigned arch_cpu_self(void) { return this_core()->cpu; }

bool arch_cpu_start(unsigned cpu) {
  struct core *core = &cores[cpu];
  if (cpu >= machine.cpu_count) return false;
  /* If it runs already the firmware refuses; and these are the values it has. */
  core->cpu = cpu;
  core->id = board.core_ids[cpu];
  core->stack_top = (vaddr)(core_stacks[cpu] + STACK_SIZE);
  dsb();
  paddr entry = image_address((void *)start_secondary);
  return psci_call(PSCI_CPU_ON, core->id, entry, (u64)core) == PSCI_SUCCESS;
}

_Noreturn void arch_cpu_stop(void) {
  psci_call(PSCI_CPU_OFF, 0, 0, 0);
  for (;;) __asm__ volatile("wfi"); /* not reached where there is PSCI, and elsewhere none was started */
}

bool arch_cpu_stopped(unsigned cpu) {
  return psci_call(PSCI_AFFINITY_INFO, cores[cpu].id, 0, 0) == PSCI_CPU_IS_OFF;
}

void arch_cpu_kick(unsigned cpu) { gic_kick(cpu); }

void arch_relax(void) { __asm__ volatile("yield"); }

/* wfi ends when an interrupt is pending, though interrupts are off here; so nothing that came since our
 * caller last looked is slept through. Then the interrupt is let in. */
void arch_idle(void) {
  dsb();
  __asm__ volatile("wfi");
  interrupts_in();
}

void interrupts_in(void) { __asm__ volatile("msr daifclr, #2\n isb\n msr daifset, #2" ::: "memory"); }
