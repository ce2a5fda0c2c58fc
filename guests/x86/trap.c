/* Traps: interrupts, system calls and faults. */
#include "arch.h"
#include "board.h"
#include "console.h"
#include "ns16550.h"
#include "syscall.h"
#include "task.h"
#include "x86.h"

_Noreturn void guard_resume(u64 stack); /* trap.S */
extern u8 vectors[256][16];

struct gate {
  u16 low, selector;
  u8 stack, kind;
  u16 middle;
  u32 high, reserved;
};

enum { GATE_PRESENT = 0x80, GATE = 0x8e, GATE_FOR_PROGRAMS = 0xee }; /* interrupts stay off behind them */

static struct gate gates[256];
static u64 counts[256];

static struct gate gate_to(const u8 *code, u8 kind, u8 stack) {
  u64 at = (u64)code;
  return (struct gate){(u16)at, KERNEL_CODE, stack, kind, (u16)(at >> 16), (u32)(at >> 32), 0};
}

/* Whoever comes with a stack that may be bad, or in a moment when it may not be ours, has one of his own. */
void traps_init(void) {
  for (unsigned i = 0; i < 256; i++) {
    bool for_programs = i == VECTOR_BREAKPOINT || i == VECTOR_OVERFLOW;
    bool special = i == VECTOR_DOUBLE || i == VECTOR_NMI;
    gates[i] = gate_to(vectors[i], for_programs ? GATE_FOR_PROGRAMS : GATE, special ? 1 : 0);
  }
}

void traps_init_cpu(void) {
  struct __attribute__((packed)) {
    u16 limit;
    u64 base;
  } table = {sizeof gates - 1, (u64)gates};
  __asm__ volatile("lidt %0" ::"m"(table) : "memory");
}

void trap_gate(unsigned vector, bool present) {
  if (present) gates[vector].kind |= GATE_PRESENT;
  else gates[vector].kind &= (u8)~GATE_PRESENT;
}

u64 trap_count(unsigned vector) { return counts[vector]; }

/* ---- Interrupts ------------------------------------------------------------------------- */

static void line_interrupt(unsigned gsi) {
  interrupts.external++;
  if (board.has_uart && gsi == board.isa[4].gsi) ns16550_interrupt();
}

static void interrupt(unsigned vector) {
  if (vector == VECTOR_SPURIOUS) return; /* which wants no end */
  if (vector == VECTOR_TIMER) {
    timer_interrupt();
  } else if (vector == VECTOR_KICK) {
    __atomic_fetch_add(&interrupts.software, 1, __ATOMIC_RELAXED); /* the only kind other processors get too */
    on_kick();
  } else if (vector >= VECTOR_FIRST_LINE && vector < VECTOR_TEST) {
    line_interrupt(vector - VECTOR_FIRST_LINE);
  } else if (vector < VECTOR_FIRST_LINE) {
    return pic_end(vector); /* the local APIC only passed it on */
  }
  apic_end();
}

/* ---- Faults of programs ----------------------------------------------------------------- */

static void page_fault(u64 error, u64 at) {
  unsigned rights = error & PAGE_FETCH ? RIGHT_EXECUTE : error & PAGE_WRITE ? RIGHT_WRITE : RIGHT_READ;
  current->faults++;
  if (!space_fault(&current->space, at, rights)) task_end(END_PAGE, 0, at);
}

static void user_fault(struct frame *frame, u64 address) {
  switch (frame->vector) {
    case VECTOR_PAGE:
      return page_fault(frame->error, address);
    case VECTOR_NO_FLOAT:
      return float_begin(current);
    case VECTOR_UNDEFINED:
    case VECTOR_PROTECTION: /* also by an address that is none, which cannot be told apart */
      task_end(END_INSTRUCTION, 0, frame->pc);
    case VECTOR_BREAKPOINT:
      task_end(END_BREAKPOINT, 0, frame->pc);
    case VECTOR_ALIGNMENT:
      task_end(END_ALIGNMENT, 0, frame->pc);
    default:
      task_end(END_OTHER, 0, frame->pc);
  }
}

void syscall_handler(struct frame *frame) {
  frame->ax = (u64)syscall(frame->ax, frame->di, frame->si);
  on_return_to_user();
}

/* ---- Faults of the kernel --------------------------------------------------------------- */

static void die(const struct frame *f, u64 address) {
  print("\nkernel trap on processor %u: vector %lu, error %lx, CR2 %016lx\n", arch_cpu_self(), f->vector, f->error,
        address);
  print("pc  %016lx cs  %016lx flags %lx\n", f->pc, f->cs, f->flags);
  print("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->ax, f->bx, f->cx, f->dx);
  print("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->si, f->di, f->bp, f->stack);
  print("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
  print("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
  arch_power_off(1);
}

/* ----------------------------------------------------------------------------------------- */

void trap_handler(struct frame *frame) {
  u64 stack, address = frame->vector == VECTOR_DEBUG ? control_read("dr6") : control_read("cr2");
  bool user = frame->cs & 3;
  __atomic_fetch_add(&counts[frame->vector], 1, __ATOMIC_RELAXED);
  if (frame->vector == VECTOR_NMI) return; /* which we only send ourselves */
  struct fault fault = {cause_of((unsigned)frame->vector, frame->error), address, frame->pc};
  if (frame->vector >= 32) interrupt((unsigned)frame->vector);
  else if (guard_catch(fault, &stack)) guard_resume(stack);
  else if (user) user_fault(frame, address);
  else die(frame, address);
  if (user) on_return_to_user();
}
