/* A few instructions of floating point whose results IEEE 754 and the manual leave no choice in. Built with SSE;
 * the caller has allowed it. */
#include "float_bits.h"
#include "types.h"

#define DOUBLE(instruction, a, b)                                                            \
  ({                                                                                         \
    double out = (a);                                                                        \
    __asm__ volatile(instruction " %1, %0" : "+x"(out) : "x"((double)(b)));                  \
    bits_of(out);                                                                            \
  })

static void control(u32 value) { __asm__ volatile("ldmxcsr %0" ::"m"(value)); }
static u32 status(void) {
  u32 value;
  __asm__ volatile("stmxcsr %0" : "=m"(value));
  return value;
}

enum { MASKED = 0x1f80, DOWN = 0x2000, FLUSH = 0x8000, INVALID = 1, DENORMAL = 2, ZERO = 4, INEXACT = 0x20 };
#define NAN 0x7ff8000000000000
#define SIGNALING 0x7ff0000000000001
#define INFINITY 0x7ff0000000000000

static unsigned sse_check(void) {
  unsigned number = 0;
  u64 x;
  control(MASKED);
  EXPECT_BITS(DOUBLE("addsd", 0.1, 0.2), 0x3fd3333333333334);
  EXPECT_BITS(status(), MASKED | INEXACT);
  EXPECT_BITS(DOUBLE("divsd", 1.0, 0.0), INFINITY);
  EXPECT_BITS(status(), MASKED | INEXACT | ZERO);
  control(MASKED);
  EXPECT_BITS(DOUBLE("mulsd", of_bits(INFINITY), 0.0), 0xfff8000000000000); /* the default NaN has a sign here */
  EXPECT_BITS(status(), MASKED | INVALID);
  EXPECT_BITS(DOUBLE("addsd", of_bits(SIGNALING), 1.0), 0x7ff8000000000001); /* a quiet copy */
  EXPECT_BITS(DOUBLE("maxsd", of_bits(NAN), 2.0), 0x4000000000000000); /* the second, if they cannot be compared */
  EXPECT_BITS(DOUBLE("sqrtsd", 0.0, 2.0), 0x3ff6a09e667f3bcd);
  control(MASKED | DOWN);
  EXPECT_BITS(DOUBLE("divsd", -1.0, 3.0), 0xbfd5555555555556);
  control(MASKED | FLUSH);
  EXPECT_BITS(DOUBLE("divsd", of_bits(0x0010000000000000), 2.0), 0);
  control(MASKED);
  EXPECT_BITS(DOUBLE("mulsd", of_bits(1), 1.0), 1);
  EXPECT_BITS(status() | DENORMAL, MASKED | DENORMAL); /* which QEMU does not tell */
  __asm__ volatile("cvttsd2si %1, %0" : "=r"(x) : "x"(1e300));
  EXPECT_BITS(x, 0x8000000000000000); /* the integer indefinite */
  __asm__ volatile("cvtsd2si %1, %k0" : "=r"(x) : "x"(2.5));
  EXPECT_BITS(x, 2); /* to even */
  __asm__ volatile("movq %1, %%xmm0\n punpcklbw %%xmm0, %%xmm0\n packuswb %%xmm0, %%xmm0\n movq %%xmm0, %0"
                   : "=r"(x) : "r"(0x0102030405060708ul) : "xmm0");
  EXPECT_BITS(x, 0xffffffffffffffff); /* each 0xnn0nn, saturated */
  __asm__ volatile("movq %1, %%xmm1\n movq %1, %%xmm2\n psadbw %%xmm2, %%xmm1\n pmuludq %%xmm2, %%xmm2\n"
                   "paddq %%xmm2, %%xmm1\n movq %%xmm1, %0"
                   : "=r"(x) : "r"(0x100000003ul) : "xmm1", "xmm2");
  EXPECT_BITS(x, 9);
  return 0;
}

static unsigned x87_check(void) {
  unsigned number = 100;
  u64 x;
  u16 word;
  struct __attribute__((packed)) {
    u64 significand;
    u16 exponent;
  } wide;
  __asm__ volatile("fninit\n fldpi\n fstpl %0\n fnstsw %1" : "=m"(x), "=m"(word));
  EXPECT_BITS(x, 0x400921fb54442d18);
  EXPECT_BITS(word & 0x3f, 0x20); /* inexact, as a double */
  __asm__ volatile("fldln2\n fstpt %0" : "=m"(wide));
  EXPECT_BITS(wide.significand, 0xb17217f7d1cf79ac);
  EXPECT_BITS(wide.exponent, 0x3ffe);
  __asm__ volatile("fld1\n fldl2e\n fcomip %%st(1), %%st\n fstp %%st(0)\n seta %b0" : "=r"(x) : "0"(0ul) : "cc");
  EXPECT_BITS(x, 1);
  u16 single = 0x07f; /* single precision */
  float three = 3;
  __asm__ volatile("fldcw %1\n fld1\n fdivs %2\n fstpt %0\n fninit" : "=m"(wide) : "m"(single), "m"(three));
  EXPECT_BITS(wide.significand, 0xaaaaab0000000000);
  EXPECT_BITS(wide.exponent, 0x3ffd);
  x = 0x0123456789abcdef;
  __asm__ volatile("fildll %0\n fistpll %0" : "+m"(x)); /* 64 bits of significand lose nothing */
  EXPECT_BITS(x, 0x0123456789abcdef);
  return 0;
}

unsigned float_check(void) {
  unsigned wrong = sse_check();
  return wrong != 0 ? wrong : x87_check();
}

u64 float_unmasked_sse(u64 argument) {
  double zero = 0, one = 1;
  control(MASKED & ~(ZERO << 7));
  __asm__ volatile("divsd %1, %0" : "+x"(one) : "x"(zero));
  return argument;
}

u64 float_unmasked_x87(u64 argument) {
  u16 all_but_zero = 0x37b;
  float zero = 0;
  __asm__ volatile("fninit\n fldcw %0\n fld1\n fdivs %1\n fwait" ::"m"(all_but_zero), "m"(zero));
  return argument;
}
