/* Instructions that compute, and what tells of the processor. */
#include "arch.h"
#include "board.h"
#include "checks.h"
#include "string.h"
#include "task.h"

/* ---- Integers ----------------------------------------------------------------------------- */

enum { C = FLAG_CARRY, P = FLAG_PARITY, A = FLAG_ADJUST, Z = FLAG_ZERO, S = FLAG_SIGN, O = FLAG_OVERFLOW };
enum { ARITHMETIC = C | P | A | Z | S | O };

/* The flags after an instruction on %0 and %1. */
#define FLAGS(instruction, a, b)                                                              \
  ({                                                                                          \
    u64 flags_first = (u64)(a), flags_result;                                                 \
    __asm__ volatile(instruction "\n pushfq\n popq %1"                                        \
                     : "+a"(flags_first), "=&r"(flags_result)                                 \
                     : "c"((u64)(b))                                                          \
                     : "cc", "rdx");                                                          \
    flags_result & ARITHMETIC;                                                                \
  })
#define LARGEST 0x7ffffffffffffffful
#define LOWEST (1ul << 63)

enum verdict check_flags(struct buffer *note) {
  EXPECT(FLAGS("addq %2, %0", LARGEST, 1) == (O | S | A | P));
  EXPECT(FLAGS("addq %2, %0", ~0ul, 1) == (Z | C | A | P));
  EXPECT(FLAGS("addb %b2, %b0", 0x7f, 1) == (O | S | A));
  EXPECT(FLAGS("addl %k2, %k0", 0xffffffff00000000, 0) == (Z | P)); /* only the low half counts */
  EXPECT(FLAGS("subq %2, %0", 4, 5) == (C | S | A | P));
  EXPECT(FLAGS("cmpq %2, %0", LOWEST, 1) == (O | A | P));
  EXPECT(FLAGS("cmpw %w2, %w0", 5, 5) == (Z | P));
  EXPECT(FLAGS("stc\n adcq %2, %0", ~0ul, 0) == (Z | C | A | P));
  EXPECT(FLAGS("stc\n sbbq %2, %0", 0, 0) == (C | S | A | P));
  EXPECT(FLAGS("stc\n incq %0", ~0ul, 0) == (Z | A | P | C)); /* the carry stays */
  EXPECT(FLAGS("clc\n decb %b0", 0x80, 0) == (O | A));
  EXPECT(FLAGS("negq %0", LOWEST, 0) == (O | S | C | P));
  EXPECT((FLAGS("andq %2, %0", LOWEST, ~0ul) & ~A) == (S | P)); /* what is undefined is not looked at */
  EXPECT((FLAGS("xorl %k0, %k0", 1, 0) & ~A) == (Z | P));
  EXPECT((FLAGS("shlq $1, %0", LOWEST, 0) & ~A) == (Z | P | C | O));
  EXPECT((FLAGS("shrb $1, %b0", 0x81, 0) & ~A) == (C | O));
  EXPECT((FLAGS("sarq %%cl, %0", -8, 3) & (C | Z | S)) == S);
  EXPECT(FLAGS("addq $0, %0\n shlq %%cl, %0", 0, 64) == (Z | P)); /* a count of zero leaves them alone */
  EXPECT((FLAGS("stc\n rclq $1, %0", LOWEST, 0) & (C | O)) == (C | O));
  EXPECT((FLAGS("rorl $1, %k0", 1, 0) & (C | O)) == (C | O));
  EXPECT((FLAGS("imulq %2, %0", 1ul << 62, 4) & (C | O)) == (C | O));
  EXPECT((FLAGS("mulq %2", 1ul << 32, 1ul << 31) & (C | O)) == 0);
  EXPECT((FLAGS("btq $63, %0", LOWEST, 0) & C) == C && (FLAGS("bsfq %2, %0", 0, 0) & Z) == Z);
  EXPECT((FLAGS("movb $0xd5, %%ah\n sahf", 0, 0) & ~O) == (S | Z | A | P | C));
  return PASS;
}

#define OP(instruction, a, b)                                                                        \
  ({                                                                                                 \
    u64 op_result = (u64)(a), op_second = (u64)(b);                                                  \
    __asm__ volatile(instruction : "+&a"(op_result), "+&c"(op_second) : : "cc", "memory", "rdx", "r8", "r9"); \
    op_result;                                                                                       \
  })

static u64 bits[8];

enum verdict check_integer(struct buffer *note) {
  EXPECT(OP("mulq %1\n movq %%rdx, %0", ~0ul, ~0ul) == ~1ul);
  EXPECT(OP("imulq %1\n movq %%rdx, %0", ~0ul, ~0ul) == 0);
  EXPECT(OP("movq $1, %%rdx\n divq %1", 0, 3) == 0x5555555555555555);
  EXPECT(OP("cqo\n idivq %1\n movq %%rdx, %0", -7, 2) == (u64)-1);
  EXPECT(OP("cwtd\n idivw %w1", 0x12340000 | 100, -7) == (0x12340000 | (u16)-14)); /* 16 bits, the rest stays */
  EXPECT(OP("movl %k0, %k0", ~0ul, 0) == 0xffffffff);                              /* 32 bits clear the rest */
  EXPECT(OP("movb $0x12, %%ah", 0xffff, 0) == 0x12ff);
  EXPECT(OP("cltq", 0x80000000, 0) == 0xffffffff80000000 && OP("cwtl", 0x8000, 0) == 0xffff8000);
  EXPECT(OP("movsbq %b1, %0", 0, 0x80) == (u64)-128 && OP("movzwl %w1, %k0", ~0ul, 0xf0000) == 0);
  EXPECT(OP("shldq $4, %1, %0", 1, 0xful << 60) == 0x1f && OP("shrdl $4, %k1, %k0", 0xf0, 0xa) == 0xa000000f);
  EXPECT(OP("rolw %%cl, %w0", 0x8001, 17) == 3 && OP("rcrb $9, %b0", 0x81, 0) == 0x81);
  EXPECT(OP("bsfq %1, %0", 0, 0x50) == 4 && OP("bsrq %1, %0", 0, 0x50) == 6);
  EXPECT(OP("bswapq %0", 0x0102030405060708, 0) == 0x0807060504030201);
  EXPECT(OP("leaq 3(%0,%1,8), %0", 5, 2) == 24 && OP("leal (%0,%0), %k0", 0x80000000, 0) == 0);
  EXPECT(OP("cmpq %1, %0\n cmovlq %1, %0", -3, 2) == 2 && OP("cmpq %1, %0\n setb %b0", -3, 2) == (u64)-256);
  EXPECT(OP("cmpl %k1, %k0\n cmovzl %k1, %k0", 0x700000001, 2) == 1); /* the high half goes even if not moved */
  EXPECT(OP("movq %1, %%r8\n cmpxchgq %%r8, %1\n setz %b0", 7, 7) == 1);
  EXPECT(OP("xaddq %0, %1\n addq %1, %0", 3, 4) == 4 + 7);
  EXPECT(OP("clc\n cmc\n adcq $0, %0", 1, 0) == 2 && OP("xchgb %%al, %%ah", 0x1122, 0) == 0x2211);
  EXPECT(OP("movabsq $0x123456789abcdef0, %0", 0, 0) == 0x123456789abcdef0);
  bits[0] = bits[5] = 0; /* a bit offset in a register reaches beyond the operand */
  EXPECT(OP("btsq %1, (%0)\n setc %b0\n movzbq %b0, %0", bits, 5 * 64 + 3) == 0 && bits[5] == 8 && bits[0] == 0);
  EXPECT(OP("pushq %1\n pushw $0x1234\n popw %w0\n popq %1\n addq %1, %0", 0, 5) == 0x1239);
  EXPECT(OP("enter $16, $0\n movq %1, -8(%%rbp)\n movq -8(%%rbp), %0\n leave", 0, 99) == 99);
  return PASS;
}

/* ---- Strings of bytes --------------------------------------------------------------------- */

struct string_result {
  u64 di, si, count, flags;
};

#define STRING(instruction, to, from, times, value)                                                      \
  ({                                                                                                     \
    struct string_result s = {(u64)(to), (u64)(from), (u64)(times), 0};                                  \
    u64 a = (u64)(value);                                                                                \
    __asm__ volatile(instruction "\n pushfq\n popq %3\n cld"                                             \
                     : "+D"(s.di), "+S"(s.si), "+c"(s.count), "=&r"(s.flags), "+a"(a)                    \
                     :                                                                                   \
                     : "memory", "cc");                                                                  \
    s;                                                                                                   \
  })

enum verdict check_strings(struct buffer *note) {
  static char text[64];
  memcpy(text, "0123456789abcdef", 17);
  struct string_result s = STRING("rep movsb", text + 20, text, 16, 0);
  EXPECT(s.count == 0 && s.di == (u64)text + 36 && s.si == (u64)text + 16 && memcmp(text + 20, text, 16) == 0);
  STRING("rep movsb", text + 1, text, 8, 0); /* byte by byte: what was written is read again */
  EXPECT(memcmp(text, "0000000009abcdef", 16) == 0);
  s = STRING("std\n rep movsq", text + 28, text + 8, 2, 0); /* downwards */
  EXPECT(s.di == (u64)text + 12 && memcmp(text + 20, "0000000009abcdef", 16) == 0);
  s = STRING("repne scasb", text + 20, 0, 40, '9');
  EXPECT(s.di == (u64)text + 30 && s.count == 30 && s.flags & Z);
  s = STRING("repe cmpsb", text, text + 20, 40, 0);
  EXPECT(!(s.flags & Z) && s.count == 40 - 21);
  s = STRING("rep stosw", text, 0, 3, 0x6261);
  EXPECT(memcmp(text, "ababab", 6) == 0 && text[6] == '0');
  s = STRING("rep stosb", text, 0, 0, 'x'); /* no times */
  EXPECT(s.di == (u64)text && text[0] == 'a');
  s = STRING("repe cmpsb", text, text, 0, 0);
  EXPECT(s.count == 0);
  s = STRING("lodsl\n stosl", text + 40, text, 7, 0);
  EXPECT(s.count == 7 && s.si == (u64)text + 4 && memcmp(text + 40, "abab", 4) == 0);
  return PASS;
}

/* ---- Extensions --------------------------------------------------------------------------- */

static bool crc_is_right(void) {
  u64 crc = 0xffffffff;
  for (const char *p = "123456789"; *p; p++) crc = OP("crc32b %b1, %k0", crc, (u8)*p);
  return (crc ^ 0xffffffff) == 0xe3069283; /* the input that catalogues of CRCs are indexed by */
}

enum verdict check_extensions(struct buffer *note) {
  u64 swapped = 0x0102030405060708;
  if (features.popcnt) EXPECT(OP("popcntq %1, %0", 0, 0xf0f0000000000001) == 9);
  if (features.lzcnt) EXPECT(OP("lzcntq %1, %0", 9, 1) == 63 && OP("lzcntl %k1, %k0", 9, 0) == 32);
  if (features.movbe) EXPECT(OP("movbeq (%1), %0", 0, &swapped) == 0x0807060504030201);
  if (features.sse42) EXPECT(crc_is_right());
  if (features.bmi1) {
    EXPECT(OP("tzcntq %1, %0", 0, 0) == 64 && OP("andnq %0, %1, %0", 0xff, 0x0f) == 0xf0);
    EXPECT(OP("blsrq %1, %0", 0, 0x50) == 0x40 && OP("blsiq %1, %0", 0, 0x50) == 0x10);
    EXPECT(OP("movl $0x804, %%edx\n bextrq %%rdx, %1, %0", 0, 0xabcd) == 0xbc);
  }
  if (features.bmi2) {
    EXPECT(OP("pdepq %1, %0, %0", 0x5, 0xf0f0) == 0x50 && OP("pextq %1, %0, %0", 0xabcd, 0xf0f0) == 0xac);
    EXPECT(OP("movq %1, %%rdx\n mulxq %%rdx, %%r8, %0", 0, ~0ul) == ~1ul && OP("rorxq $4, %1, %0", 0, 1) == 1ul << 60);
    EXPECT(OP("bzhiq %1, %0, %0", ~0ul, 8) == 0xff && OP("shlxq %1, %0, %0", 1, 65) == 2);
  }
  if (features.adx) EXPECT(OP("addq $-1, %1\n adcxq %0, %0\n adoxq %0, %0", 1, 1) == 6);
  buffer_print(note, "%s%s%s%s%s%s", features.popcnt ? " popcnt" : "", features.movbe ? " movbe" : "",
               features.sse42 ? " crc32" : "", features.bmi1 ? " bmi1" : "", features.bmi2 ? " bmi2" : "",
               features.adx ? " adx" : "");
  return PASS;
}

static u64 place[4] __attribute__((aligned(16)));

enum verdict check_atomics(struct buffer *note) {
  u64 a = 5, d = 0;
  u8 equal;
  place[0] = 5, place[1] = 0;
  __asm__ volatile("lock cmpxchgq %3, %1\n setz %2" : "+a"(a), "+m"(place[0]), "=q"(equal) : "r"(9ul) : "cc");
  EXPECT(equal && place[0] == 9);
  __asm__ volatile("lock cmpxchgq %3, %1\n setz %2" : "+a"(a), "+m"(place[0]), "=q"(equal) : "r"(1ul) : "cc");
  EXPECT(!equal && a == 9 && place[0] == 9);
  __asm__ volatile("lock cmpxchg8b %2\n setz %3"
                   : "+a"(a), "+d"(d), "+m"(place[0]), "=q"(equal) : "b"(1), "c"(2) : "cc");
  EXPECT(equal && place[0] == 0x200000001);
  if (features.cx16) {
    u64 low = 3, high = 4;
    __asm__ volatile("lock cmpxchg16b %2\n setz %3"
                     : "+a"(low), "+d"(high), "+m"(*(u8(*)[16])place), "=q"(equal) : "b"(7ul), "c"(8ul) : "cc");
    EXPECT(!equal && low == 0x200000001 && high == 0);
    __asm__ volatile("lock cmpxchg16b %2\n setz %3"
                     : "+a"(low), "+d"(high), "+m"(*(u8(*)[16])place), "=q"(equal) : "b"(7ul), "c"(8ul) : "cc");
    EXPECT(equal && place[0] == 7 && place[1] == 8);
  }
  place[0] = 1;
  __asm__ volatile("lock negq %0\n lock btsq $1, %1\n lock addb $1, %2"
                   : "+m"(place[0]), "+m"(place[2]), "+m"(*((u8 *)&place[2] + 4)) : : "cc");
  EXPECT(place[0] == ~0ul && place[2] == 0x100000002);
  u64 exchanged = 6;
  __asm__ volatile("xchgq %0, %1" : "+r"(exchanged), "+m"(place[0]));
  EXPECT(exchanged == ~0ul && place[0] == 6);
  return PASS;
}

/* ---- Floating point ----------------------------------------------------------------------- */

BODY(move_float, "movq %%xmm0, %0")
BODY(wait_float, "fnop")

enum verdict check_float(struct buffer *note) {
  s64 sse = trap_of(move_float, 0), x87 = trap_of(wait_float, 0);
  float_allow(true);
  unsigned wrong = float_check();
  s64 simd = trap_of(float_unmasked_sse, 0), old = trap_of(float_unmasked_x87, 0);
  __asm__ volatile("fninit");
  float_allow(false); /* the shell uses none */
  EXPECT(TRAPPED(sse, VECTOR_NO_FLOAT, 0) && TRAPPED(x87, VECTOR_NO_FLOAT, 0));
  if (wrong != 0) buffer_print(note, "number %u is wrong", wrong);
  if (wrong != 0) return FAIL;
  EXPECT(TRAPPED(old, VECTOR_X87, 0));
  EXPECT(TRAPPED(simd, VECTOR_SIMD, 0) || simd == WORKED); /* which QEMU does not raise */
  if (simd == WORKED) buffer_print(note, "never traps");
  return PASS;
}

BODY(read_xcr0, "xorl %%ecx, %%ecx\n xgetbv\n movl %%eax, %k0")
BODY(set_xcr0, "xorl %%ecx, %%ecx\n movl $3, %%eax\n xorl %%edx, %%edx\n xsetbv")
BODY(clear_xcr0, "xorl %%ecx, %%ecx\n xorl %%eax, %%eax\n xorl %%edx, %%edx\n xsetbv")

static u8 area[1024] __attribute__((aligned(64)));

enum verdict check_xsave(struct buffer *note) {
  if (!features.xsave) return SKIP;
  s64 off = trap_of(read_xcr0, 0);
  control_write("cr4", control_read("cr4") | CR4_OSXSAVE);
  bool told = cpuid(1, 0).c >> 27 & 1;
  u64 enabled, after = 0;
  s64 set = trap_of(set_xcr0, 0);
  struct fault read = attempt(read_xcr0, 0, &enabled);
  s64 clear = trap_of(clear_xcr0, 0); /* x87 cannot be left out */
  float_allow(true);
  u64 value = 0x123456789;
  __asm__ volatile("movq %1, %%xmm5\n xsave64 %0\n pxor %%xmm5, %%xmm5" : "+m"(area) : "r"(value), "a"(3), "d"(0));
  __asm__ volatile("xrstor64 %1\n movq %%xmm5, %0" : "=r"(after) : "m"(area), "a"(2), "d"(0));
  float_allow(false);
  control_write("cr4", control_read("cr4") & ~(u64)CR4_OSXSAVE);
  EXPECT(TRAPPED(off, VECTOR_UNDEFINED, 0) && told && set == WORKED);
  EXPECT((s64)read.cause == WORKED && enabled == 3 && TRAPPED(clear, VECTOR_PROTECTION, 0));
  EXPECT(after == value && (area[512] & 2)); /* XSTATE_BV */
  buffer_print(note, "%u bytes", cpuid(13, 0).b);
  return PASS;
}

/* ---- What tells of the processor ---------------------------------------------------------- */

enum verdict check_cpuid(struct buffer *note) {
  struct cpuid zero = cpuid(0, 0), one = cpuid(1, 0), extended = cpuid(0x80000001, 0);
  char vendor[13] = "";
  memcpy(vendor, &zero.b, 4);
  memcpy(vendor + 4, &zero.d, 4);
  memcpy(vendor + 8, &zero.c, 4);
  EXPECT(zero.a >= 1 && (one.d & 0x06000021) == 0x06000021); /* FPU, MSR, SSE, SSE2 */
  EXPECT((extended.d >> 29 & 1) && (extended.d >> 11 & 1));  /* 64-bit mode, SYSCALL: here we are */
  EXPECT(one.b >> 24 == (this_core()->apic_id & 0xff));
  EXPECT(!features.rdtscp || msr_read(MSR_TSC_AUX) == this_core()->cpu);
  buffer_print(note, "%s, leaves to %x and %x", vendor, zero.a, cpuid(0x80000000, 0).a);
  if (features.under_hypervisor) buffer_print(note, ", under a hypervisor");
  return PASS;
}

BODY(read_tscp, "rdtscp\n movl %%ecx, %k0")

enum verdict check_tsc(struct buffer *note) {
  u64 first = timestamp(), last = first, aux;
  for (int i = 0; i < 1000; i++) {
    u64 now = timestamp();
    EXPECT(now >= last);
    last = now;
  }
  EXPECT(last > first);
  u64 before = timestamp(), msr = msr_read(0x10), after = timestamp();
  EXPECT((before <= msr && msr <= after) || msr == 0); /* QEMU has no such register */
  if (features.rdtscp) EXPECT((s64)attempt(read_tscp, 0, &aux).cause == WORKED && aux == this_core()->cpu);
  return PASS;
}
