/* The other harts: start, stop and wake them by way of the firmware. */
#include "arch.h"
#include "board.h"
#include "csr.h"
#include "layout.h"
#include "riscv.h"
#include "sbi.h"
#include "task.h"

struct hart harts[MAX_CPUS];

static u8 hart_stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));

/* On the hart itself, once tp is right. */
void hart_init(unsigned cpu) {
  this_hart->id = board.hart_ids[cpu];
  this_hart->cpu = cpu;
  csr_write("sscratch", 0);
  csr_write("stvec", (u64)trap_entry);
  csr_write("scounteren", 7); /* programs may read cycle, time and instret */
}

_Noreturn void riscv_secondary_main(void) {
  sv39_use_kernel();
  hart_init(this_hart->cpu);
  csr_write("sie", 1 << INTERRUPT_SOFTWARE);
  cpu_main(this_hart->cpu);
}

unsigned arch_cpu_self(void) { return this_hart->cpu; }

bool arch_cpu_start(unsigned cpu) {
  struct hart *hart = &harts[cpu];
  if (cpu >= machine.cpu_count || !sbi_has(SBI_HSM)) return false;
  /* If it runs already the firmware refuses; and these are the values it has. */
  hart->cpu = cpu;
  hart->id = board.hart_ids[cpu];
  hart->stack_top = (vaddr)(hart_stacks[cpu] + STACK_SIZE);
  paddr entry = image_address((void *)start_secondary);
  return sbi_call(SBI_HSM, HSM_START, hart->id, entry, (u64)hart).error == SBI_SUCCESS;
}

_Noreturn void arch_cpu_stop(void) {
  csr_write("sie", 0);
  sbi_call(SBI_HSM, HSM_STOP, 0, 0, 0);
  for (;;) __asm__ volatile("wfi"); /* not reached where HSM exists, and elsewhere no hart was started */
}

bool arch_cpu_stopped(unsigned cpu) {
  struct sbi_result result = sbi_call(SBI_HSM, HSM_STATUS, harts[cpu].id, 0, 0);
  return result.error == SBI_SUCCESS && result.value == HSM_STOPPED;
}

void arch_cpu_kick(unsigned cpu) { sbi_kick(harts[cpu].id); }

void arch_relax(void) { __asm__ volatile(".word 0x0100000f"); } /* pause */

/* wfi ends when an enabled interrupt is pending, though interrupts are off here; so nothing that
 * came since our caller last looked is slept through. Then the interrupt is let in. */
void arch_idle(void) {
  __asm__ volatile("wfi");
  csr_set("sstatus", STATUS_SIE);
  csr_clear("sstatus", STATUS_SIE);
}
