/* Traps: interrupts, system calls and faults. */
#include "arch.h"
#include "arm.h"
#include "board.h"
#include "console.h"
#include "syscall.h"
#include "task.h"

_Noreturn void guard_resume(u64 stack); /* trap.S */

void float_allow(bool on) {
  sys_write("cpacr_el1", on ? 3ul << 20 : 0);
  isb();
}

/* ---- Faults of programs ----------------------------------------------------------------- */

static void memory_fault(u64 esr, u64 at, unsigned rights) {
  unsigned status = fault_status(esr) & ~3u;
  current->faults++;
  if (status != STATUS_TRANSLATION && status != STATUS_PERMISSION) {
    task_end(fault_status(esr) == STATUS_ALIGNMENT ? END_ALIGNMENT : END_OTHER, 0, at);
  }
  if (!space_fault(&current->space, at, rights)) task_end(END_PAGE, 0, at);
}

static void user_trap(struct frame *frame, u64 esr, u64 far) {
  switch (class_of(esr)) {
    case CLASS_SVC:
      frame->x[0] = (u64)syscall(frame->x[8], frame->x[0], frame->x[1]);
      return;
    case CLASS_FETCH_USER:
      return memory_fault(esr, far, RIGHT_EXECUTE);
    case CLASS_DATA_USER:
      return memory_fault(esr, far, was_write(esr) ? RIGHT_WRITE : RIGHT_READ);
    case CLASS_FLOAT:
      if (!arch_has_float()) task_end(END_INSTRUCTION, 0, frame->pc);
      return float_begin(current);
    case CLASS_UNKNOWN:
    case CLASS_SYSTEM:
      task_end(END_INSTRUCTION, 0, frame->pc);
    case CLASS_BREAKPOINT:
      task_end(END_BREAKPOINT, 0, frame->pc);
    case CLASS_PC_ALIGNMENT:
    case CLASS_SP_ALIGNMENT:
      task_end(END_ALIGNMENT, 0, frame->pc);
    default:
      task_end(END_OTHER, 0, frame->pc);
  }
}

/* ---- Faults of the kernel --------------------------------------------------------------- */

static void die(const struct frame *frame, const char *what, u64 esr, u64 far) {
  print("\nkernel %s on processor %u: ESR %lx, FAR %016lx\n", what, arch_cpu_self(), esr, far);
  print("pc  %016lx status %lx\n", frame->pc, frame->status);
  for (int i = 0; i < 31; i++) print("x%-2d %016lx%c", i, frame->x[i], i % 4 == 3 ? '\n' : ' ');
  print("\n");
  arch_power_off(1);
}

/* ----------------------------------------------------------------------------------------- */

/* Vectors come in groups of four, by where the trap came from. */
enum { SYNCHRONOUS, IRQ, FIQ, SERROR };
enum { FROM_KERNEL = 1, FROM_PROGRAM = 2 };

void trap_handler(struct frame *frame, unsigned vector) {
  u64 esr = sys_read("esr_el1"), far = sys_read("far_el1"), stack;
  unsigned kind = vector % 4, from = vector / 4;
  if (from != FROM_KERNEL && from != FROM_PROGRAM) die(frame, "trap from nowhere", esr, far);
  else if (kind == IRQ) gic_interrupt();
  else if (kind != SYNCHRONOUS) die(frame, kind == SERROR ? "SError" : "FIQ", esr, far);
  else if (from == FROM_PROGRAM) user_trap(frame, esr, far);
  else if (guard_catch((struct fault){esr, far, frame->pc}, &stack)) guard_resume(stack);
  else die(frame, "trap", esr, far);
  if (from == FROM_PROGRAM) on_return_to_user();
}
