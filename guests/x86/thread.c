/* Kernel stacks, and what changes hands when one task follows another. */
#include "arch.h"
#include "task.h"
#include "x86.h"

void switch_stacks(u64 *from, u64 to); /* trap.S */

static struct frame *first_frame(const struct task *task) {
  return (struct frame *)(task->stack + STACK_SIZE) - 1;
}

void arch_thread_new(struct task *task, void (*start)(void)) {
  u64 *saved = (u64 *)first_frame(task) - 8; /* as switch_stacks takes them off: six registers, where to go; */
  saved[6] = (u64)start;                     /* and start() finds the stack as after a call */
  task->arch.stack_pointer = (u64)saved;
}

/* Floating point is on for programs that used it, and only while they run. */
void arch_thread_switch(struct task *from, struct task *to) {
  if (from->arch.uses_float) __asm__ volatile("fxsave64 %0" : "=m"(from->arch.fx));
  float_allow(to->arch.uses_float);
  if (to->arch.uses_float) __asm__ volatile("fxrstor64 %0" ::"m"(to->arch.fx));
  core_set_stack((vaddr)(to->stack + STACK_SIZE));
  switch_stacks(&from->arch.stack_pointer, to->arch.stack_pointer);
}

void float_allow(bool on) {
  if (on) __asm__ volatile("clts");
  else control_write("cr0", control_read("cr0") | CR0_TS);
}

enum { ALL_MASKED_X87 = 0x37f, ALL_MASKED_SSE = 0x1f80, MXCSR_AT = 24 };

void float_begin(struct task *task) {
  task->arch.uses_float = true;
  *(u16 *)task->arch.fx = ALL_MASKED_X87;
  *(u32 *)(task->arch.fx + MXCSR_AT) = ALL_MASKED_SSE;
  float_allow(true);
  __asm__ volatile("fxrstor64 %0" ::"m"(task->arch.fx));
}

_Noreturn void arch_enter_user(vaddr pc, vaddr stack, u64 argument) {
  struct frame *frame = first_frame(current);
  core_set_stack((vaddr)(frame + 1));
  *frame = (struct frame){
      .pc = pc,
      .cs = USER_CODE,
      .flags = FLAG_ALWAYS | FLAG_INTERRUPT,
      .stack = stack - 8, /* as after a call */
      .ss = USER_DATA,
      .di = argument,
  };
  trap_return(frame);
}
