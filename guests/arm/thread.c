/* Kernel stacks, and what changes hands when one task follows another. */
#include "arch.h"
#include "arm.h"
#include "task.h"

void switch_stacks(u64 *from, u64 to); /* trap.S */

static struct frame *first_frame(const struct task *task) {
  return (struct frame *)(task->stack + STACK_SIZE) - 1;
}

void arch_thread_new(struct task *task, void (*start)(void)) {
  u64 *saved = (u64 *)first_frame(task) - 12; /* as switch_stacks takes them off: x19 to x30 */
  saved[11] = (u64)start;
  task->arch.stack_pointer = (u64)saved;
}

/* Floating point is on for programs that used it, and only while they run. */
void arch_thread_switch(struct task *from, struct task *to) {
  if (from->arch.uses_float) float_save(from->arch.v);
  float_allow(to->arch.uses_float);
  if (to->arch.uses_float) float_restore(to->arch.v);
  switch_stacks(&from->arch.stack_pointer, to->arch.stack_pointer);
}

void float_begin(struct task *task) {
  task->arch.uses_float = true;
  float_allow(true);
  float_restore(task->arch.v); /* zeros */
}

/* The program's code was written through the direct map: instruction fetches must see it. */
static void code_is_written(struct space *space) {
  for (unsigned i = 0; i < space->region_count; i++) {
    const struct region *region = &space->regions[i];
    if (!(region->rights & RIGHT_EXECUTE)) continue;
    for (vaddr at = region->start; at < region->end; at += PAGE_SIZE) {
      paddr page = arch_translate(space, at, RIGHT_EXECUTE);
      if (page != 0) code_written(arch_at(page), PAGE_SIZE);
    }
  }
}

_Noreturn void arch_enter_user(vaddr pc, vaddr stack, u64 argument) {
  struct frame *frame = first_frame(current);
  code_is_written(&current->space);
  *frame = (struct frame){.pc = pc, .user_stack = stack, .status = 0}; /* EL0, everything let in */
  frame->x[0] = argument;
  trap_return(frame);
}
