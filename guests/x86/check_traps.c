/* Exceptions of the kernel: vectors, error codes, and where they point to; segments; debugging. */
#include "arch.h"
#include "checks.h"
#include "layout.h"
#include "task.h"

#define NOT_CANONICAL (1ul << 62)

/* ---- Exceptions --------------------------------------------------------------------------- */

BODY(divide_by_zero, "xorl %%edx, %%edx\n xorl %%ecx, %%ecx\n divl %%ecx")
BODY(divide_too_large, "movl $1, %%edx\n movl $1, %%ecx\n divl %%ecx")
BODY(undefined, "ud2")
BODY(bound_to_long, ".byte 0x62, 0x00") /* BOUND, which 64-bit mode has not */
BODY(locked_register, "lock addl %%eax, %%eax") /* only memory can be locked */
BODY(breakpoint, "int3")
BODY(load, "movq (%0), %0")
BODY(load_by_frame, "movq %%rbp, %%r11\n movq %0, %%rbp\n movq (%%rbp), %0\n movq %%r11, %%rbp")
BODY(jump, "jmp *%0")
BODY(interrupt_software, "int $0x60")

enum verdict check_exceptions(struct buffer *note) {
  u64 unused;
  struct fault fault = attempt(divide_by_zero, 1, &unused);
  EXPECT(TRAPPED(fault.cause, VECTOR_DIVIDE, 0) && *(u16 *)fault.pc == 0xf1f7); /* at the instruction */
  EXPECT(TRAPPED(trap_of(divide_too_large, 1), VECTOR_DIVIDE, 0));
  fault = attempt(undefined, 0, &unused);
  EXPECT(TRAPPED(fault.cause, VECTOR_UNDEFINED, 0) && *(u16 *)fault.pc == 0x0b0f);
  EXPECT(TRAPPED(trap_of(bound_to_long, 0), VECTOR_UNDEFINED, 0));
  EXPECT(TRAPPED(trap_of(locked_register, 0), VECTOR_UNDEFINED, 0));
  fault = attempt(breakpoint, 0, &unused);
  EXPECT(TRAPPED(fault.cause, VECTOR_BREAKPOINT, 0) && ((u8 *)fault.pc)[-1] == 0xcc); /* behind it */
  EXPECT(TRAPPED(trap_of(load, NOT_CANONICAL), VECTOR_PROTECTION, 0));
  s64 by_stack = trap_of(load_by_frame, NOT_CANONICAL);
  EXPECT(TRAPPED(by_stack, VECTOR_STACK, 0) || TRAPPED(by_stack, VECTOR_PROTECTION, 0)); /* so QEMU has it */
  EXPECT(TRAPPED(trap_of(jump, NOT_CANONICAL), VECTOR_PROTECTION, 0));
  return PASS;
}

enum verdict check_software(struct buffer *note) {
  u64 before = trap_count(VECTOR_TEST);
  EXPECT(trap_of(interrupt_software, 0) == WORKED && trap_count(VECTOR_TEST) == before + 1);
  return PASS;
}

/* An exception whose handler is missing brings another, and the two are one double fault. */
enum verdict check_double_fault(struct buffer *note) {
  trap_gate(VECTOR_PROTECTION, false);
  s64 twice = trap_of(load, NOT_CANONICAL);
  trap_gate(VECTOR_PROTECTION, true);
  trap_gate(VECTOR_BREAKPOINT, false);
  s64 once = trap_of(breakpoint, 0); /* which is benign: only the second counts */
  trap_gate(VECTOR_BREAKPOINT, true);
  EXPECT(TRAPPED(twice, VECTOR_DOUBLE, 0));
  EXPECT(GATE_TRAPPED(once, VECTOR_NOT_PRESENT, VECTOR_BREAKPOINT));
  return PASS;
}

/* ---- Segments ----------------------------------------------------------------------------- */

BODY(load_ds, "movl %k0, %%ds")
BODY(load_ss, "movl %k0, %%ss")
BODY(load_tr, "ltr %w0")
BODY(return_far, "pushq $8\n leaq 1f(%%rip), %%rax\n pushq %%rax\n lretq\n 1:")
BODY(return_to_data, "pushq $16\n leaq 1f(%%rip), %%rax\n pushq %%rax\n lretq\n 1:")
BODY(load_fs_0, "movq %%fs:0, %0")

#define DATA_SEGMENT 0x00cf93000000ffff
#define DESCRIPTOR_PRESENT (1ul << 47)

static u64 limit_of(u64 selector, bool *valid) {
  u64 limit = 0;
  __asm__ volatile("lslq %2, %0\n setz %1" : "+r"(limit), "=q"(*valid) : "r"(selector) : "cc");
  return limit;
}

enum verdict check_segments(struct buffer *note) {
  static u64 pointed = 0x1234;
  u64 *spare = &this_core()->descriptors[SPARE / 8], value;
  *spare = DATA_SEGMENT & ~DESCRIPTOR_PRESENT;
  s64 absent = trap_of(load_ds, SPARE), absent_stack = trap_of(load_ss, SPARE);
  *spare = DATA_SEGMENT;
  s64 present = trap_of(load_ds, SPARE);
  bool accessed = *spare >> 40 & 1, valid, none;
  u64 limit = limit_of(SPARE, &valid);
  limit_of(0, &none);
  *spare = 0;
  EXPECT(TRAPPED(absent, VECTOR_NOT_PRESENT, SPARE) && TRAPPED(absent_stack, VECTOR_STACK, SPARE));
  EXPECT(present == WORKED && accessed && valid && !none && limit == 0xffffffff);
  EXPECT(trap_of(load_ds, 0) == WORKED);
  EXPECT(TRAPPED(trap_of(load_ds, 0x1000), VECTOR_PROTECTION, 0x1000)); /* beyond the table */
  EXPECT(TRAPPED(trap_of(load_ss, USER_DATA), VECTOR_PROTECTION, USER_DATA & ~3));
  EXPECT(TRAPPED(trap_of(load_tr, TASK_STATE), VECTOR_PROTECTION, TASK_STATE)); /* busy already */
  EXPECT(trap_of(return_far, 0) == WORKED);
  EXPECT(TRAPPED(trap_of(return_to_data, 0), VECTOR_PROTECTION, KERNEL_DATA));
  msr_write(MSR_FS_BASE, (u64)&pointed);
  EXPECT((s64)attempt(load_fs_0, 0, &value).cause == WORKED && value == 0x1234);
  msr_write(MSR_FS_BASE, 0);
  return PASS;
}

/* ---- MSRs and control registers ----------------------------------------------------------- */

BODY(read_unknown_msr, "movl $0x12345, %%ecx\n rdmsr")
BODY(write_bad_lstar, "movl $0xc0000082, %%ecx\n movl $0x40000000, %%edx\n xorl %%eax, %%eax\n wrmsr")
BODY(read_gs_base, "rdgsbase %0")
BODY(write_cr0, "movq %0, %%cr0")
BODY(clear_efer, "movl $0xc0000080, %%ecx\n xorl %%edx, %%edx\n movl $0x801, %%eax\n wrmsr")

enum verdict check_msrs(struct buffer *note) {
  u64 lstar = msr_read(MSR_LSTAR);
  s64 unknown = trap_of(read_unknown_msr, 0), bad = trap_of(write_bad_lstar, 0);
  msr_write(MSR_LSTAR, lstar);
  EXPECT(WORKED_OR_PROTECTED(unknown) && WORKED_OR_PROTECTED(bad));
  EXPECT((msr_read(MSR_EFER) & 0xd01) == 0xd01); /* NXE, LMA, LME, SCE */
  u64 efer = msr_read(MSR_EFER);
  s64 leave = trap_of(clear_efer, 0); /* LME, while paging is on */
  msr_write(MSR_EFER, efer);
  EXPECT(WORKED_OR_PROTECTED(leave) && msr_read(MSR_EFER) == efer);
  EXPECT((msr_read(MSR_APIC_BASE) & 0x900) == 0x900);            /* enabled, and this one booted */
  msr_write(MSR_KERNEL_GS_BASE, 0x12345000);
  u64 swapped;
  __asm__ volatile("swapgs" ::: "memory");
  swapped = msr_read(MSR_GS_BASE);
  __asm__ volatile("swapgs" ::: "memory");
  msr_write(MSR_KERNEL_GS_BASE, 0);
  EXPECT(swapped == 0x12345000);
  buffer_print(note, unknown == WORKED ? "unknown ones work" : "unknown ones trap");
  return PASS;
}

enum verdict check_controls(struct buffer *note) {
  u64 cr0 = control_read("cr0"), cr4 = control_read("cr4"), base;
  s64 no_write = trap_of(write_cr0, (cr0 | 1ul << 29) & ~(1ul << 30)); /* NW without CD */
  control_write("cr0", cr0);
  EXPECT(WORKED_OR_PROTECTED(no_write));
  EXPECT(control_read("cr0") == cr0 && control_read("cr4") == cr4);
  u64 old = control_read("cr8");
  control_write("cr8", 5);
  u64 priority = apic_read(APIC_PRIORITY);
  control_write("cr8", old);
  EXPECT(priority == 0x50 && apic_read(APIC_PRIORITY) == old << 4);
  EXPECT(TRAPPED(trap_of(read_gs_base, 0), VECTOR_UNDEFINED, 0)); /* CR4.FSGSBASE is off */
  if (!features.fsgsbase) return PASS;
  control_write("cr4", cr4 | CR4_FSGSBASE);
  s64 cause = (s64)attempt(read_gs_base, 0, &base).cause;
  control_write("cr4", cr4);
  EXPECT(cause == WORKED && base == (u64)this_core());
  return PASS;
}

/* ---- Debugging ---------------------------------------------------------------------------- */

enum { SINGLE_STEP = 1 << 14, GENERAL_DETECT = 1 << 13, DR7_ALWAYS = 0x400, DR7_DETECT = 1 << 13 };
enum { ENABLE_0 = 2, ON_WRITE_0 = 1 << 16, ON_ACCESS_0 = 3 << 16, FOUR_BYTES_0 = 3 << 18 };

BODY(step, "pushfq\n orl $0x100, (%%rsp)\n popfq\n nop\n nop")
BODY(step_out, "pushfq\n orl $0x100, (%%rsp)\n popfq\n cpuid\n nop")
BODY(execute_there, ".global watched_code\n nop\n watched_code: incq %0\n incq %0")
BODY(store_4, "movl $7, (%0)\n nop\n nop")
BODY(load_4, "movl (%0), %k0\n nop\n nop")
BODY(fill_there, "pushq %%rdi\n movq %0, %%rdi\n movl $16, %%ecx\n rep stosb\n popq %%rdi\n nop")
BODY(read_dr7, "movq %%dr7, %0")
BODY(read_dr4, "movq %%dr4, %0")
BODY(write_dr7, "movq %0, %%dr7")
extern u8 watched_code[];

static void debug_off(void) {
  control_write("dr7", DR7_ALWAYS);
  control_write("dr6", 0xffff0ff0);
}

enum verdict check_single_step(struct buffer *note) {
  u64 unused;
  struct fault plain = attempt(step, 0, &unused), exiting = attempt(step_out, 0, &unused);
  debug_off();
  EXPECT(TRAPPED(plain.cause, VECTOR_DEBUG, 0) && ((u8 *)plain.pc)[-1] == 0x90 && ((u8 *)plain.pc)[0] == 0x90);
  EXPECT((plain.value & (SINGLE_STEP | 15)) == SINGLE_STEP);
  EXPECT(TRAPPED(exiting.cause, VECTOR_DEBUG, 0) && ((u16 *)exiting.pc)[-1] == 0xa20f); /* behind CPUID */
  return PASS;
}

enum verdict check_breakpoints(struct buffer *note) {
  u64 value;
  control_write("dr0", watched_code);
  control_write("dr6", 0);
  control_write("dr7", DR7_ALWAYS | ENABLE_0);
  struct fault fault = attempt(execute_there, 5, &value);
  debug_off();
  struct fault nothing = attempt(execute_there, 5, &value);
  EXPECT(TRAPPED(fault.cause, VECTOR_DEBUG, 0) && fault.pc == (u64)watched_code && (fault.value & 15) == 1);
  EXPECT((s64)nothing.cause == WORKED);
  return PASS;
}

enum verdict check_watchpoint(struct buffer *note) {
  static u32 watched[8] __attribute__((aligned(16)));
  u64 value, at = (u64)&watched[2];
  control_write("dr0", at);
  control_write("dr6", 0);
  control_write("dr7", DR7_ALWAYS | ENABLE_0 | ON_WRITE_0 | FOUR_BYTES_0);
  struct fault read = attempt(load_4, at, &value), write = attempt(store_4, at, &value);
  struct fault beside = attempt(store_4, at + 4, &value), astride = attempt(store_4, at - 3, &value);
  control_write("dr6", 0);
  struct fault filled = attempt(fill_there, (u64)watched, &value);
  control_write("dr7", DR7_ALWAYS | ENABLE_0 | ON_ACCESS_0 | FOUR_BYTES_0);
  struct fault access = attempt(load_4, at, &value);
  debug_off();
  EXPECT((s64)read.cause == WORKED && (s64)beside.cause == WORKED);
  /* A trap: the store is done, and the next instruction, a nop, is not. */
  EXPECT(TRAPPED(write.cause, VECTOR_DEBUG, 0) && (write.value & 15) == 1 && *(u16 *)write.pc == 0x9090);
  EXPECT(TRAPPED(astride.cause, VECTOR_DEBUG, 0) && TRAPPED(access.cause, VECTOR_DEBUG, 0));
  EXPECT(TRAPPED(filled.cause, VECTOR_DEBUG, 0)); /* between two of REP's, or after the last */
  return PASS;
}

enum verdict check_debug_registers(struct buffer *note) {
  u64 value;
  u64 cr4 = control_read("cr4");
  control_write("dr3", 0xffffffff80001234);
  EXPECT(control_read("dr3") == 0xffffffff80001234);
  control_write("dr3", 0);
  control_write("dr6", 0);
  EXPECT((control_read("dr6") & 0xffff0ff0) == 0xffff0ff0 && (control_read("dr7") & 0x400) == 0x400);
  EXPECT(trap_of(read_dr4, 0) == WORKED); /* it is DR6, */
  control_write("cr4", cr4 | CR4_DE);
  s64 without = trap_of(read_dr4, 0); /* unless debugging extensions are on */
  control_write("cr4", cr4);
  EXPECT(TRAPPED(without, VECTOR_UNDEFINED, 0));
  EXPECT(WORKED_OR_PROTECTED(trap_of(write_dr7, 1ul << 32)));
  control_write("dr7", DR7_ALWAYS | DR7_DETECT);
  struct fault detected = attempt(read_dr7, 0, &value);
  bool off = !(control_read("dr7") & DR7_DETECT); /* taking the exception turns it off */
  debug_off();
  if ((s64)detected.cause == WORKED) { /* QEMU's has no such protection */
    buffer_print(note, "unprotected");
    return PASS;
  }
  EXPECT(TRAPPED(detected.cause, VECTOR_DEBUG, 0) && detected.value & GENERAL_DETECT && off);
  return PASS;
}
