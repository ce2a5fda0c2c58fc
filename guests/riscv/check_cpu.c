/* Instructions that leave the guest, or that must trap to its kernel. */
#include "arch.h"
#include "checks.h"
#include "csr.h"
#include "riscv.h"
#include "task.h"

/* ---- Guarded single instructions --------------------------------------------------------- */

#define BODY(name, instruction)                                    \
  static u64 name(u64 argument) {                                  \
    u64 result = argument;                                         \
    __asm__ volatile(instruction : "+r"(result) : : "memory", "t0"); \
    return result;                                                 \
  }

BODY(read_time, "rdtime %0")
BODY(read_cycle, "rdcycle %0")
BODY(read_instret, "rdinstret %0")
BODY(read_mstatus, "csrr %0, mstatus")
BODY(read_hstatus, "csrr %0, " CSR_HSTATUS)
BODY(read_hgatp, "csrr %0, 0x680")
BODY(read_unknown, "csrr %0, 0x5ff")
BODY(hfence_gvma, ".word 0x62000073")
BODY(execute_ones, ".word 0xffffffff")
BODY(execute_zeros, ".half 0")
BODY(execute_ebreak, "ebreak")

/* Cause of the trap, or WORKED. */
static s64 cause_of(u64 (*body)(u64)) {
  u64 value;
  return outcome(body, 0, &value);
}

/* ------------------------------------------------------------------------------------------ */

enum verdict check_counters(struct buffer *note) {
  u64 (*const counters[])(u64) = {read_time, read_cycle, read_instret};
  static const char names[][8] = {"time", "cycle", "instret"};
  for (unsigned i = 0; i < COUNT(counters); i++) {
    u64 first, second;
    struct fault fault;
    if (!guarded(counters[i], 0, &first, &fault)) {
      EXPECT(i > 0 && fault.cause == CAUSE_ILLEGAL); /* only time must be there */
      buffer_print(note, "no %s ", names[i]);
      continue;
    }
    u64 start = arch_ticks();
    while (arch_ticks() - start < 2) continue;
    guarded(counters[i], 0, &second, &fault);
    EXPECT(second > first);
  }
  return PASS;
}

enum verdict check_machine_csr(struct buffer *note) {
  EXPECT(cause_of(read_mstatus) == CAUSE_ILLEGAL);
  return PASS;
}

/* Below a hypervisor this is a virtual-instruction trap to it, and it must give us the illegal
 * instruction that a machine without the H extension would give. */
static enum verdict works_or_illegal(struct buffer *note, s64 result) {
  EXPECT(result == WORKED || result == CAUSE_ILLEGAL);
  buffer_print(note, result == WORKED ? "works: we are the host" : "traps: we are a guest, or without H");
  return PASS;
}

enum verdict check_hypervisor_csr(struct buffer *note) {
  EXPECT(cause_of(read_hgatp) == cause_of(read_hstatus));
  return works_or_illegal(note, cause_of(read_hstatus));
}

enum verdict check_hypervisor_fence(struct buffer *note) {
  return works_or_illegal(note, cause_of(hfence_gvma));
}

enum verdict check_unknown_csr(struct buffer *note) {
  EXPECT(cause_of(read_unknown) == CAUSE_ILLEGAL);
  return PASS;
}

enum verdict check_illegal(struct buffer *note) {
  EXPECT(cause_of(execute_ones) == CAUSE_ILLEGAL);
  EXPECT(cause_of(execute_zeros) == CAUSE_ILLEGAL);
  u64 result;
  struct fault fault;
  guarded(execute_ones, 0, &result, &fault);
  EXPECT(fault.value == 0xffffffff || fault.value == 0); /* the instruction, if the hart tells it */
  return PASS;
}

enum verdict check_breakpoint(struct buffer *note) {
  EXPECT(cause_of(execute_ebreak) == CAUSE_BREAKPOINT);
  return PASS;
}

/* ---- Memory accesses ---------------------------------------------------------------------- */

static u64 load_misaligned(u64 at) {
  u64 value;
  __asm__ volatile("ld %0, 0(%1)" : "=r"(value) : "r"(at) : "memory");
  return value;
}

/* The hart may do them, the firmware may do them for it, or we get the trap. */
enum verdict check_misaligned(struct buffer *note) {
  static const u64 words[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  u64 value;
  struct fault fault;
  if (guarded(load_misaligned, (u64)words + 3, &value, &fault)) {
    EXPECT(value == 0x0a09080706050403);
    buffer_print(note, "works");
  } else {
    EXPECT(fault.cause == CAUSE_LOAD_MISALIGNED && fault.value == (u64)words + 3);
    buffer_print(note, "traps");
  }
  return PASS;
}

#define AMO(operation, place, operand)                                                              \
  ({                                                                                                \
    u64 amo_old;                                                                                    \
    __asm__ volatile(operation " %0, %2, %1" : "=r"(amo_old), "+A"(place) : "r"((u64)(operand)) : "memory"); \
    amo_old;                                                                                        \
  })

enum verdict check_atomics(struct buffer *note) {
  static u64 place __attribute__((aligned(8)));
  place = 5;
  EXPECT(AMO("amoadd.d", place, 3) == 5 && place == 8);
  EXPECT(AMO("amoswap.d", place, -1) == 8 && place == ~0ul);
  EXPECT(AMO("amoand.d", place, 0xf0) == ~0ul && place == 0xf0);
  EXPECT(AMO("amoor.d", place, 0x0f) == 0xf0 && place == 0xff);
  EXPECT(AMO("amoxor.d", place, 0xf0) == 0xff && place == 0x0f);
  EXPECT(AMO("amomin.d", place, -2) == 0x0f && place == (u64)-2);
  EXPECT(AMO("amomaxu.d", place, 1) == (u64)-2 && place == (u64)-2);
  EXPECT(AMO("amoadd.w", place, 1) == (u64)-2 && place == (u64)-1); /* the word's result is extended */
  EXPECT(AMO("amominu.w", place, 7) == (u64)-1 && place == 0xffffffff00000007);

  u64 old, failed;
  int tries = 0;
  do { /* a store-conditional may fail now and then, but not always */
    __asm__ volatile("lr.d %0, %2\n sc.d %1, %3, %2" : "=&r"(old), "=&r"(failed), "+A"(place) : "r"(77ul));
  } while (failed && ++tries < 1000);
  EXPECT(!failed && old == 0xffffffff00000007 && place == 77);
  __asm__ volatile("sc.d %0, %2, %1" : "=&r"(failed), "+A"(place) : "r"(78ul)); /* nothing is reserved now */
  EXPECT(failed && place == 77);
  return PASS;
}

/* ---- Waiting and time --------------------------------------------------------------------- */

/* With interrupts off it only ends the wait. */
enum verdict check_wait(struct buffer *note) {
  u64 before = interrupts.timer, wish = arch_ticks() + ticks_of_ms(1);
  arch_set_alarm(wish);
  while (!(csr_read("sip") & 1 << INTERRUPT_TIMER)) __asm__ volatile("wfi");
  EXPECT(arch_ticks() >= wish);
  EXPECT(interrupts.timer == before);
  timer_quiet();
  EXPECT(!(csr_read("sip") & 1 << INTERRUPT_TIMER));
  return PASS;
}

enum verdict check_stimecmp(struct buffer *note) {
  if (!timer_has_sstc()) return SKIP;
  csr_write(CSR_STIMECMP, 0);
  EXPECT(csr_read("sip") & 1 << INTERRUPT_TIMER); /* long past */
  csr_write(CSR_STIMECMP, NEVER);
  EXPECT(!(csr_read("sip") & 1 << INTERRUPT_TIMER));
  EXPECT(csr_read(CSR_STIMECMP) == NEVER);
  return PASS;
}
