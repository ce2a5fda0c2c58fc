/* Kernel stacks, and what changes hands when one task follows another. */
#include "arch.h"
#include "board.h"
#include "csr.h"
#include "riscv.h"
#include "string.h"
#include "task.h"

void switch_stacks(u64 *from, u64 to); /* trap.S */

/* Two words above the outermost frame keep the kernel's tp; the stack stays aligned to 16 bytes. */
static struct frame *first_frame(const struct task *task) {
  return (struct frame *)(task->stack + STACK_SIZE - 16) - 1;
}

void arch_thread_new(struct task *task, void (*start)(void)) {
  u64 *saved = (u64 *)first_frame(task) - 14; /* as switch_stacks takes them off: ra, s0 to s11 */
  saved[0] = (u64)start;
  task->arch.stack_pointer = (u64)saved;
}

/* The floating-point unit is on for programs that used it. When it changed its registers since
 * they were last loaded, the processor says so in the program's sstatus. */
static void float_leave(struct task *task) {
  struct frame *frame = first_frame(task);
  if ((frame->status & STATUS_FS) != STATUS_FS_DIRTY) return;
  csr_set("sstatus", STATUS_FS);
  float_save(task->arch.f);
  frame->status = (frame->status & ~(u64)STATUS_FS) | STATUS_FS_CLEAN;
}

static void float_enter(struct task *task) {
  if ((first_frame(task)->status & STATUS_FS) == 0) return;
  csr_set("sstatus", STATUS_FS);
  float_restore(task->arch.f);
}

void arch_thread_switch(struct task *from, struct task *to) {
  if (board.has_float && from->user) float_leave(from);
  if (board.has_float && to->user) float_enter(to);
  switch_stacks(&from->arch.stack_pointer, to->arch.stack_pointer);
}

_Noreturn void arch_enter_user(vaddr pc, vaddr stack, u64 argument) {
  struct frame *frame = first_frame(current);
  *frame = (struct frame){.pc = pc, .status = STATUS_SPIE};
  frame->x[2] = stack;
  frame->x[10] = argument;
  trap_return(frame);
}
