/* A few instructions of floating point and vectors whose results IEEE 754 and the manual leave no choice in.
 * Built with floating point; the caller has allowed it. */
#include "checks.h"
#include "float_bits.h"
#include "types.h"

#define DOUBLE(instruction, a, b)                                                         \
  ({                                                                                      \
    double out;                                                                           \
    __asm__ volatile(instruction " %d0, %d1, %d2" : "=w"(out) : "w"((double)(a)), "w"((double)(b))); \
    bits_of(out);                                                                         \
  })

unsigned float_check(void) {
  unsigned number = 0;
  u64 fpcr = 0, fpsr, x;
  __asm__ volatile("msr fpcr, %0\n msr fpsr, %0" ::"r"(fpcr));
  EXPECT_BITS(DOUBLE("fadd", 0.1, 0.2), 0x3fd3333333333334);
  EXPECT_BITS(DOUBLE("fdiv", 1.0, 3.0), 0x3fd5555555555555);
  EXPECT_BITS(DOUBLE("fmaxnm", of_bits(0x7ff8000000000000), 2.0), 0x4000000000000000);
  EXPECT_BITS(DOUBLE("fmul", of_bits(0x7ff0000000000000), 0.0), 0x7ff8000000000000); /* the default NaN */
  __asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
  EXPECT_BITS(fpsr, 0x11); /* invalid, inexact */
  EXPECT_BITS(DOUBLE("fadd", of_bits(0x7ff0000000000001), 1.0), 0x7ff8000000000001); /* a quiet copy */

  fpcr = 2ul << 22; /* towards minus infinity */
  __asm__ volatile("msr fpcr, %0" ::"r"(fpcr));
  EXPECT_BITS(DOUBLE("fdiv", -1.0, 3.0), 0xbfd5555555555556);
  fpcr = 1ul << 25; /* every NaN is the default one */
  __asm__ volatile("msr fpcr, %0" ::"r"(fpcr));
  EXPECT_BITS(DOUBLE("fadd", of_bits(0x7ff0000000000001), 1.0), 0x7ff8000000000000);
  __asm__ volatile("msr fpcr, xzr");

  __asm__ volatile("fcvtzs %0, %d1" : "=r"(x) : "w"(-1e300));
  EXPECT_BITS(x, 0x8000000000000000); /* saturates */
  __asm__ volatile("fcvtzu %w0, %d1" : "=r"(x) : "w"(-1.0));
  EXPECT_BITS(x, 0);
  double out;
  __asm__ volatile("fmadd %d0, %d1, %d1, %d2" : "=w"(out) : "w"(of_bits(0x3ff0000002000000)), "w"(-1.0));
  EXPECT_BITS(bits_of(out), 0x3e50000001000000); /* rounded once: twice would lose the last bit */

  __asm__ volatile("movi v0.16b, #0x81\n addv b1, v0.16b\n umov %w0, v1.b[0]" : "=r"(x) : : "v0", "v1");
  EXPECT_BITS(x, 0x10); /* 16 * 0x81 */
  __asm__ volatile("movi v0.16b, #0xff\n movi v1.16b, #2\n uqadd v2.16b, v0.16b, v1.16b\n umov %0, v2.d[1]"
                   : "=r"(x) : : "v0", "v1", "v2");
  EXPECT_BITS(x, 0xffffffffffffffff);
  __asm__ volatile("dup v0.2d, %1\n cnt v0.16b, v0.16b\n uaddlv h1, v0.16b\n umov %w0, v1.h[0]"
                   : "=r"(x) : "r"(0xf0f0000000000001ul) : "v0", "v1");
  EXPECT_BITS(x, 18);
  return 0;
}
