/* Traps: interrupts, system calls and faults. */
#include "arch.h"
#include "board.h"
#include "console.h"
#include "csr.h"
#include "riscv.h"
#include "syscall.h"
#include "task.h"

/* ---- Interrupts ------------------------------------------------------------------------- */

static void interrupt(u64 number) {
  switch (number) {
    case INTERRUPT_TIMER:
      interrupts.timer++;
      timer_quiet();
      on_alarm();
      break;
    case INTERRUPT_SOFTWARE:
      __atomic_fetch_add(&interrupts.software, 1, __ATOMIC_RELAXED); /* the only kind other harts get too */
      csr_clear("sip", 1 << INTERRUPT_SOFTWARE);
      on_kick();
      break;
    case INTERRUPT_EXTERNAL:
      interrupts.external++;
      plic_interrupt();
      break;
    default:
      print("interrupt %lu, which nobody asked for\n", number);
      arch_power_off(1);
  }
}

/* ---- Faults of programs ----------------------------------------------------------------- */

static unsigned access_of(u64 cause) {
  if (cause == CAUSE_FETCH_PAGE) return RIGHT_EXECUTE;
  return cause == CAUSE_LOAD_PAGE ? RIGHT_READ : RIGHT_WRITE;
}

/* Whether the instruction failed only because the floating-point unit is still off for this program. */
static bool switch_float_on(struct frame *frame) {
  if (!board.has_float || (frame->status & STATUS_FS) != 0) return false;
  frame->status |= STATUS_FS_DIRTY;
  csr_set("sstatus", STATUS_FS);
  float_restore(current->arch.f); /* zeros */
  return true;
}

static void user_trap(struct frame *frame, u64 cause, u64 value) {
  switch (cause) {
    case CAUSE_USER_CALL:
      frame->pc += 4;
      frame->x[10] = (u64)syscall(frame->x[17], frame->x[10], frame->x[11]);
      return;
    case CAUSE_FETCH_PAGE:
    case CAUSE_LOAD_PAGE:
    case CAUSE_STORE_PAGE:
      current->faults++;
      if (!space_fault(&current->space, value, access_of(cause))) task_end(END_PAGE, 0, value);
      return;
    case CAUSE_ILLEGAL:
      if (!switch_float_on(frame)) task_end(END_INSTRUCTION, 0, frame->pc);
      return;
    case CAUSE_BREAKPOINT:
      task_end(END_BREAKPOINT, 0, frame->pc);
    case CAUSE_FETCH_MISALIGNED:
    case CAUSE_LOAD_MISALIGNED:
    case CAUSE_STORE_MISALIGNED:
      task_end(END_ALIGNMENT, 0, value);
    default:
      task_end(END_OTHER, 0, frame->pc);
  }
}

/* ---- Faults of the kernel --------------------------------------------------------------- */

static void kernel_trap(struct frame *frame, u64 cause, u64 value) {
  if (guard_catch((struct fault){cause, value, frame->pc}, &frame->x[2])) {
    frame->pc = (u64)guard_leave;
    return;
  }
  print("\nkernel trap on processor %u: cause %lu, value %016lx\n", this_hart->cpu, cause, value);
  print("pc  %016lx ", frame->pc);
  for (int i = 1; i < 32; i++) print("x%-2d %016lx%c", i, frame->x[i], i % 4 == 3 ? '\n' : ' ');
  arch_power_off(1);
}

/* ----------------------------------------------------------------------------------------- */

void trap_handler(struct frame *frame) {
  u64 cause = csr_read("scause"), value = csr_read("stval");
  bool user = !(frame->status & STATUS_SPP);
  if (cause & CAUSE_INTERRUPT) interrupt(cause & ~CAUSE_INTERRUPT);
  else if (user) user_trap(frame, cause, value);
  else kernel_trap(frame, cause, value);
  if (user) on_return_to_user();
}
