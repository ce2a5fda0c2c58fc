/* Instructions, those that must trap to the kernel, and timers. */
#include "arch.h"
#include "arm.h"
#include "board.h"
#include "checks.h"
#include "task.h"

/* ---- Integers ----------------------------------------------------------------------------- */

/* NZCV after an instruction on x0 and x1 that sets it. */
#define FLAGS(instruction, a, b)                                                                       \
  ({                                                                                                   \
    u64 flags_result;                                                                                  \
    register u64 x0 __asm__("x0") = (u64)(a);                                                          \
    register u64 x1 __asm__("x1") = (u64)(b);                                                          \
    __asm__ volatile(instruction "\n mrs %0, nzcv" : "=r"(flags_result) : "r"(x0), "r"(x1) : "cc", "x9"); \
    flags_result >> 28;                                                                                \
  })
enum { N = 8, Z = 4, C = 2, V = 1 };
#define LARGEST 0x7ffffffffffffffful

enum verdict check_flags(struct buffer *note) {
  EXPECT(FLAGS("adds x9, x0, x1", LARGEST, 1) == (N | V));
  EXPECT(FLAGS("adds x9, x0, x1", ~0ul, 1) == (Z | C));
  EXPECT(FLAGS("subs x9, x0, x1", 5, 5) == (Z | C));
  EXPECT(FLAGS("subs x9, x0, x1", 4, 5) == N);
  EXPECT(FLAGS("subs x9, x0, x1", 1ul << 63, 1) == (C | V));
  EXPECT(FLAGS("adds w9, w0, w1", 0x7fffffff, 1) == (N | V));
  EXPECT(FLAGS("subs w9, w0, w1", 1ul << 32, 0) == (Z | C)); /* only the low half counts */
  EXPECT(FLAGS("ands x9, x0, x1", 1ul << 63, ~0ul) == N);
  EXPECT(FLAGS("cmp x0, x1\n adcs x9, x0, x1", ~0ul, 0) == (Z | C)); /* no borrow is a carry */
  EXPECT(FLAGS("cmp x0, x1\n ccmp x0, #3, #9, eq", 1, 2) == (N | V)); /* not equal: as it says */
  EXPECT(FLAGS("cmp x0, x1\n ccmp x0, #3, #9, ne", 3, 2) == (Z | C)); /* compared */
  return PASS;
}

#define OP(instruction, a, b)                                                                    \
  ({                                                                                             \
    u64 op_result;                                                                               \
    __asm__ volatile(instruction : "=&r"(op_result) : "r"((u64)(a)), "r"((u64)(b)) : "cc");      \
    op_result;                                                                                   \
  })

enum verdict check_integer(struct buffer *note) {
  EXPECT(OP("umulh %0, %1, %2", ~0ul, ~0ul) == ~1ul);
  EXPECT(OP("smulh %0, %1, %2", ~0ul, ~0ul) == 0);
  EXPECT(OP("sdiv %0, %1, %2", 1ul << 63, ~0ul) == 1ul << 63);
  EXPECT(OP("udiv %0, %1, %2", 7, 0) == 0); /* no trap, but zero */
  EXPECT(OP("sdiv %w0, %w1, %w2", 0x80000000, 0xffffffff) == 0x80000000);
  EXPECT(OP("lsl %0, %1, %2", 1, 65) == 2); /* by the amount's low bits */
  EXPECT(OP("asr %w0, %w1, %w2", 0x80000000, 31) == 0xffffffff);
  EXPECT(OP("extr %0, %1, %2, #4", 0xf, 0x10) == 0xf000000000000001);
  EXPECT(OP("sbfx %0, %1, #4, #4", 0x80, 0) == (u64)-8);
  EXPECT(OP("ubfiz %0, %1, #60, #4", 0xff, 0) == 0xf000000000000000);
  EXPECT(OP("clz %0, %1", 1, 0) == 63 && OP("clz %w0, %w1", 0, 0) == 32 && OP("cls %0, %1", ~0ul, 0) == 63);
  EXPECT(OP("rbit %0, %1", 1, 0) == 1ul << 63);
  EXPECT(OP("rev16 %0, %1", 0x0102030405060708, 0) == 0x0201040306050807);
  EXPECT(OP("add %0, %1, %w2, sxtb #2", 8, 0xff) == 4);
  EXPECT(OP("cmp %1, %2\n csinc %0, %1, %2, gt", 1, 2) == 3);
  EXPECT(OP("cmp %1, %2\n csneg %0, %1, %2, lt", 9, 2) == (u64)-2);
  EXPECT(OP("smaddl %0, %w1, %w2, xzr", 0xffffffff, 3) == (u64)-3);
  EXPECT(OP("movz %0, #0x1234, lsl #48\n movk %0, #1", 0, 0) == 0x1234000000000001);
  EXPECT(OP("eor %0, %1, #0x5555555555555555", ~0ul, 0) == 0xaaaaaaaaaaaaaaaa);
  return PASS;
}

enum verdict check_crc(struct buffer *note) {
  if (id_field("id_aa64isar0_el1", 16) == 0) return SKIP;
  u64 crc = 0xffffffff, castagnoli = 0xffffffff;
  for (const char *p = "123456789"; *p; p++) { /* the input that catalogues of CRCs are indexed by */
    crc = OP(".arch_extension crc\n crc32b %w0, %w1, %w2", crc, (u8)*p);
    castagnoli = OP(".arch_extension crc\n crc32cb %w0, %w1, %w2", castagnoli, (u8)*p);
  }
  EXPECT((crc ^ 0xffffffff) == 0xcbf43926 && (castagnoli ^ 0xffffffff) == 0xe3069283);
  return PASS;
}

static u64 move_float(u64) {
  __asm__ volatile(".arch_extension fp\n fmov d0, xzr");
  return 0;
}

enum verdict check_float(struct buffer *note) {
  if (!arch_has_float()) return SKIP;
  u64 value;
  float_allow(false);
  s64 cause = outcome(move_float, 0, &value);
  float_allow(true);
  unsigned wrong = float_check();
  float_allow(false); /* the shell uses none */
  EXPECT(TRAPPED(cause, CLASS_FLOAT));
  if (wrong != 0) buffer_print(note, "number %u is wrong", wrong);
  return wrong == 0 ? PASS : FAIL;
}

/* ---- Atomic accesses ---------------------------------------------------------------------- */

static u64 place[2] __attribute__((aligned(16)));

static u64 exclusive_misaligned(u64 at) {
  u64 value;
  __asm__ volatile("ldxr %0, [%1]" : "=r"(value) : "r"(at) : "memory");
  return value;
}

enum verdict check_exclusives(struct buffer *note) {
  u64 old, high, failed, value;
  int tries = 0;
  place[0] = 5;
  do { /* a store may fail now and then, but not always */
    __asm__ volatile("ldxr %0, [%2]\n stxr %w1, %3, [%2]"
                     : "=&r"(old), "=&r"(failed) : "r"(place), "r"(77ul) : "memory");
  } while (failed && ++tries < 1000);
  EXPECT(!failed && old == 5 && place[0] == 77);
  __asm__ volatile("stxr %w0, %2, [%1]" : "=&r"(failed) : "r"(place), "r"(78ul) : "memory");
  EXPECT(failed && place[0] == 77); /* the monitor is open since the store */
  __asm__ volatile("ldaxr %w0, [%2]\n clrex\n stlxr %w1, %w3, [%2]"
                   : "=&r"(old), "=&r"(failed) : "r"(place), "r"(79ul) : "memory");
  EXPECT(failed && place[0] == 77);
  tries = 0;
  do {
    __asm__ volatile("ldxp %0, %1, [%3]\n stxp %w2, %1, %0, [%3]"
                     : "=&r"(old), "=&r"(high), "=&r"(failed) : "r"(place) : "memory");
  } while (failed && ++tries < 1000);
  EXPECT(!failed && place[1] == 77 && place[0] == high);
  u64 at = (u64)place + 9; /* across 16 bytes: no processor does that */
  EXPECT(FAULTED(outcome(exclusive_misaligned, at, &value), CLASS_DATA, STATUS_ALIGNMENT));
  EXPECT(value == at);
  return PASS;
}

#define ATOMIC(operation, operand)                                                             \
  ({                                                                                           \
    u64 atomic_old = (u64)(operand);                                                           \
    __asm__ volatile(".arch_extension lse\n" operation : "+r"(atomic_old) : "r"(place) : "memory"); \
    atomic_old;                                                                                \
  })

enum verdict check_lse(struct buffer *note) {
  if (id_field("id_aa64isar0_el1", 20) < 2) return SKIP;
  place[0] = 5;
  EXPECT(ATOMIC("ldadd %0, %0, [%1]", 3) == 5 && place[0] == 8);
  EXPECT(ATOMIC("swpal %0, %0, [%1]", -1) == 8 && place[0] == ~0ul);
  EXPECT(ATOMIC("ldclr %0, %0, [%1]", ~0xf0ul) == ~0ul && place[0] == 0xf0);
  EXPECT(ATOMIC("ldset %0, %0, [%1]", 0x0f) == 0xf0 && place[0] == 0xff);
  EXPECT(ATOMIC("ldeor %0, %0, [%1]", 0xf0) == 0xff && place[0] == 0x0f);
  EXPECT(ATOMIC("ldsmin %0, %0, [%1]", -2) == 0x0f && place[0] == (u64)-2);
  EXPECT(ATOMIC("ldumax %0, %0, [%1]", 1) == (u64)-2 && place[0] == (u64)-2);
  EXPECT(ATOMIC("ldaddb %w0, %w0, [%1]", 2) == 0xfe && place[0] == 0xffffffffffffff00);
  EXPECT(ATOMIC("ldsmaxh %w0, %w0, [%1]", 1) == 0xff00 && place[0] == 0xffffffffffff0001);
  u64 expected = place[0];
  __asm__ volatile(".arch_extension lse\n casal %0, %1, [%2]" : "+r"(expected) : "r"(7ul), "r"(place) : "memory");
  EXPECT(expected == 0xffffffffffff0001 && place[0] == 7);
  expected = 8;
  __asm__ volatile(".arch_extension lse\n cas %0, %1, [%2]" : "+r"(expected) : "r"(9ul), "r"(place) : "memory");
  EXPECT(expected == 7 && place[0] == 7);
  return PASS;
}

/* ---- Traps -------------------------------------------------------------------------------- */

#define BODY(name, instruction)                                     \
  static u64 name(u64 argument) {                                   \
    u64 result = argument;                                          \
    __asm__ volatile(instruction : "+r"(result) : : "memory", "x9"); \
    return result;                                                  \
  }

BODY(read_virtual_count, "isb\n mrs %0, cntvct_el0")
BODY(read_physical_count, "isb\n mrs %0, cntpct_el0")
BODY(read_hcr, "mrs %0, hcr_el2")
BODY(read_reserved_id, "mrs %0, S3_0_C0_C7_7")
BODY(execute_udf, "udf #7")
BODY(execute_brk, "brk #0x1234")
BODY(execute_svc, "svc #0x77")
BODY(branch_misaligned, "add x9, %0, #2\n br x9")
BODY(load_word, "ldr %w0, [%0]")
BODY(store_word, "str wzr, [%0]")

enum verdict check_counters(struct buffer *note) {
  u64 (*const counters[])(u64) = {read_virtual_count, read_physical_count};
  for (unsigned i = 0; i < COUNT(counters); i++) {
    u64 first, second;
    EXPECT(outcome(counters[i], 0, &first) == WORKED);
    u64 start = arch_ticks();
    while (arch_ticks() - start < 2) continue;
    EXPECT(outcome(counters[i], 0, &second) == WORKED);
    EXPECT(second > first);
  }
  return PASS;
}

/* EL2's registers are undefined in EL1, with a hypervisor below or without. */
enum verdict check_el2_register(struct buffer *note) {
  u64 value;
  EXPECT(TRAPPED(outcome(read_hcr, 0, &value), CLASS_UNKNOWN));
  return PASS;
}

enum verdict check_id_registers(struct buffer *note) {
  u64 value;
  EXPECT(outcome(read_reserved_id, 1, &value) == WORKED && value == 0); /* reserved ones read as zero */
  EXPECT((sys_read("mpidr_el1") & 0xff00ffffff) == this_core()->id);
  EXPECT((sys_read("id_aa64pfr0_el1") & 0xf0) != 0); /* EL1 in AArch64: here we are */
  EXPECT((sys_read("CurrentEL") & 0xc) == 1 << 2);
  return PASS;
}

static s64 cause_of(u64 (*body)(u64), u64 argument, struct fault *fault) {
  u64 value;
  return guarded(body, argument, &value, fault) ? WORKED : (s64)fault->cause;
}

enum { LONG_INSTRUCTION = 1 << 25 }; /* ESR_ELx.IL */

enum verdict check_undefined(struct buffer *note) {
  struct fault fault;
  EXPECT(cause_of(execute_udf, 0, &fault) == LONG_INSTRUCTION); /* class 0, and nothing more */
  EXPECT(*(u32 *)fault.pc == 7);
  return PASS;
}

enum verdict check_brk(struct buffer *note) {
  struct fault fault;
  EXPECT(cause_of(execute_brk, 0, &fault) == (s64)((u64)CLASS_BREAKPOINT << 26 | LONG_INSTRUCTION | 0x1234));
  EXPECT((*(u32 *)fault.pc & 0xffe0001f) == 0xd4200000); /* it points to the instruction itself */
  return PASS;
}

enum verdict check_svc(struct buffer *note) {
  struct fault fault;
  EXPECT(cause_of(execute_svc, 0, &fault) == (s64)((u64)CLASS_SVC << 26 | LONG_INSTRUCTION | 0x77));
  EXPECT(((u32 *)fault.pc)[-1] == 0xd4000001 + (0x77 << 5)); /* it points behind the instruction */
  return PASS;
}

enum verdict check_pc_alignment(struct buffer *note) {
  struct fault fault;
  u64 target = (u64)check_load;
  EXPECT(TRAPPED(cause_of(branch_misaligned, target, &fault), CLASS_PC_ALIGNMENT));
  EXPECT(fault.value == target + 2 && fault.pc == target + 2);
  return PASS;
}

/* Plain accesses may be unaligned, unless SCTLR_EL1.A says otherwise. */
enum verdict check_alignment(struct buffer *note) {
  static u64 words[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  u64 at = (u64)words + 6, value, sctlr = sys_read("sctlr_el1");
  EXPECT(outcome(load_word, at, &value) == WORKED && value == 0x09080706);
  struct fault load, store;
  sys_write("sctlr_el1", sctlr | 2);
  isb();
  s64 loaded = cause_of(load_word, at, &load), stored = cause_of(store_word, at, &store);
  sys_write("sctlr_el1", sctlr);
  isb();
  EXPECT(FAULTED(loaded, CLASS_DATA, STATUS_ALIGNMENT) && load.value == at && !was_write(load.cause));
  EXPECT(FAULTED(stored, CLASS_DATA, STATUS_ALIGNMENT) && store.value == at && was_write(store.cause));
  EXPECT(words[0] == 0x0706050403020100);
  return PASS;
}

/* ---- Waiting and time --------------------------------------------------------------------- */

enum { TIMER_ON = 1, TIMER_MASKED = 2, TIMER_DUE = 4 };

static bool irq_pending(void) {
  isb();
  return sys_read("isr_el1") & 1 << 7;
}

/* With interrupts off it only ends the wait. */
enum verdict check_wait(struct buffer *note) {
  if (board.gic_version == 0) return SKIP;
  u64 before = interrupts.timer, wish = arch_ticks() + ticks_of_ms(1);
  arch_set_alarm(wish);
  while (!(sys_read("cntv_ctl_el0") & TIMER_DUE)) __asm__ volatile("wfi");
  EXPECT(arch_ticks() >= wish);
  EXPECT(interrupts.timer == before && irq_pending());
  timer_quiet();
  EXPECT(sys_read("cntv_ctl_el0") == 0 || sys_read("cntv_ctl_el0") == TIMER_DUE);
  return PASS;
}

/* An event that was sent is kept for the next wait. */
enum verdict check_event(struct buffer *note) {
  u64 start = arch_ticks();
  __asm__ volatile("sevl\n wfe\n sev\n wfe" ::: "memory");
  EXPECT(arch_ticks() - start < ticks_of_ms(PATIENCE_MS));
  return PASS;
}

enum verdict check_virtual_timer(struct buffer *note) {
  sys_write("cntv_ctl_el0", TIMER_ON | TIMER_MASKED);
  sys_write("cntv_cval_el0", 0);
  isb();
  u64 past = sys_read("cntv_ctl_el0");
  sys_write("cntv_tval_el0", 0x7fffffff);
  isb();
  u64 future = sys_read("cntv_ctl_el0"), left = sys_read("cntv_tval_el0");
  u64 distance = sys_read("cntv_cval_el0") - arch_ticks();
  sys_write("cntv_ctl_el0", 0);
  isb();
  EXPECT(past == (TIMER_ON | TIMER_MASKED | TIMER_DUE));
  EXPECT(future == (TIMER_ON | TIMER_MASKED));
  EXPECT((left & 0xffffffff) <= 0x7fffffff && distance <= 0x7fffffff);
  return PASS;
}

enum verdict check_physical_timer(struct buffer *note) {
  unsigned irq = board.physical_timer_irq;
  if (irq == 0 || board.gic_version == 0) return SKIP;
  u64 before = gic_taken(irq), start = arch_ticks(), deadline = start + ticks_of_ms(PATIENCE_MS);
  gic_enable(irq);
  sys_write("cntp_tval_el0", ticks_of_ms(1));
  sys_write("cntp_ctl_el0", TIMER_ON);
  isb();
  arch_set_alarm(deadline);
  while (gic_taken(irq) == before && arch_ticks() < deadline) arch_idle();
  u64 end = arch_ticks();
  arch_set_alarm(NEVER);
  gic_disable(irq);
  sys_write("cntp_ctl_el0", 0);
  EXPECT(gic_taken(irq) == before + 1);
  EXPECT(end - start >= ticks_of_ms(1));
  buffer_print(note, "1 ms took %lu us", nanoseconds(end - start) / 1000);
  return PASS;
}
