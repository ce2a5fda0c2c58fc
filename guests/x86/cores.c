/* The processors: what each needs of its own, and how the others are started, stopped and woken. */
#include "arch.h"
#include "board.h"
#include "layout.h"
#include "string.h"
#include "task.h"
#include "x86.h"

struct core cores[MAX_CPUS];
extern struct {
  vaddr stack, entry;
} starting_core; /* start.S */

static u8 core_stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
static u8 special_stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16))); /* of double faults and NMIs */

void syscall_entry(void); /* trap.S */

static void load_segments(struct core *core) {
  static const u64 segments[] = {
      [KERNEL_CODE / 8] = 0x00af9b000000ffff, [KERNEL_DATA / 8] = 0x00cf93000000ffff,
      [USER_CODE32 / 8] = 0x00cffb000000ffff, [USER_DATA / 8] = 0x00cff3000000ffff,
      [USER_CODE / 8] = 0x00affb000000ffff,
  };
  struct __attribute__((packed)) {
    u16 limit;
    u64 base;
  } table = {sizeof core->descriptors - 1, (u64)core->descriptors};
  u64 state = (u64)&core->task_state;
  memcpy(core->descriptors, segments, sizeof segments);
  core->descriptors[TASK_STATE / 8] = (sizeof core->task_state - 1) | (state & 0xffffff) << 16 | 0x89ul << 40 |
                                      (state >> 24 & 0xff) << 56;
  core->descriptors[TASK_STATE / 8 + 1] = state >> 32;
  core->task_state.ports_at = sizeof core->task_state; /* no map of ports: programs have none */
  core->task_state.special[0] = (u64)special_stacks[core->cpu] + STACK_SIZE;
  __asm__ volatile("lgdt %0\n ltr %w1" ::"m"(table), "r"(TASK_STATE) : "memory");
}

void core_init(unsigned cpu) {
  struct core *core = &cores[cpu];
  core->self = core;
  core->cpu = cpu;
  core->alarm = NEVER;
  core->running = true;
  load_segments(core);
  msr_write(MSR_GS_BASE, (u64)core);
  msr_write(MSR_KERNEL_GS_BASE, 0);
  msr_write(MSR_STAR, (u64)KERNEL_CODE << 32 | (u64)USER_CODE32 << 48);
  msr_write(MSR_LSTAR, (u64)syscall_entry);
  msr_write(MSR_FMASK, FLAG_TRAP | FLAG_INTERRUPT | FLAG_DIRECTION | FLAG_ALIGNMENT);
  if (features.rdtscp) msr_write(MSR_TSC_AUX, cpu);
  traps_init_cpu();
  float_allow(false);
  apic_init_cpu();
  core->apic_id = apic_id();
}

void core_set_stack(vaddr top) { this_core()->kernel_stack = this_core()->task_state.stacks[0] = top; }

_Noreturn void x86_secondary_main(void) {
  unsigned cpu = 0;
  paging_use_kernel();
  while (core_stacks[cpu] + STACK_SIZE != (u8 *)starting_core.stack) cpu++;
  core_init(cpu);
  timer_init_cpu();
  cpu_main(cpu);
}

unsigned arch_cpu_self(void) { return this_core()->cpu; }

/* INIT, and twice where to start, with the waits that Intel's MultiProcessor Specification asks for. */
bool arch_cpu_start(unsigned cpu) {
  if (cpu >= machine.cpu_count || __atomic_load_n(&cores[cpu].running, __ATOMIC_ACQUIRE)) return false;
  memcpy(arch_at(TRAMPOLINE), trampoline, (u64)(trampoline_end - trampoline));
  starting_core.stack = (vaddr)(core_stacks[cpu] + STACK_SIZE);
  apic_send(board.apic_ids[cpu], SEND_INIT);
  wait_us(10000);
  for (int i = 0; i < 2; i++) {
    apic_send(board.apic_ids[cpu], SEND_START | TRAMPOLINE >> 12);
    wait_us(200);
  }
  return true;
}

/* It sleeps until the next INIT. */
_Noreturn void arch_cpu_stop(void) {
  __atomic_store_n(&this_core()->running, false, __ATOMIC_RELEASE);
  for (;;) __asm__ volatile("cli\n hlt");
}

bool arch_cpu_stopped(unsigned cpu) { return !__atomic_load_n(&cores[cpu].running, __ATOMIC_ACQUIRE); }

void arch_cpu_kick(unsigned cpu) { apic_send(board.apic_ids[cpu], SEND_FIXED | VECTOR_KICK); }

void arch_relax(void) { __asm__ volatile("pause"); }

/* An interrupt that is let in by sti comes after the next instruction at the earliest: so none that came since our
 * caller last looked is slept through. */
void arch_idle(void) { __asm__ volatile("sti\n hlt\n cli" ::: "memory"); }
