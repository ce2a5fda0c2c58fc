// The processor's own answers. Without arguments: names of the operations this machine has, one a line, in
// order. With "run": records {u32 operation, u32 mxcsr, u64 a, b, c} from standard input give records
// {u64 result, u32 flags, u32 0} on standard output.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct request { uint32_t operation, mxcsr; uint64_t a, b, c; };
struct answer { uint64_t result; uint32_t flags, pad; };

typedef uint64_t (*operation)(const struct request *q, uint32_t *mxcsr);

static float f32(uint64_t v) { uint32_t low = (uint32_t)v; float r; memcpy(&r, &low, 4); return r; }
static double f64(uint64_t v) { double r; memcpy(&r, &v, 8); return r; }
static uint64_t bits32(float v) { uint32_t r; memcpy(&r, &v, 4); return r; }
static uint64_t bits64(double v) { uint64_t r; memcpy(&r, &v, 8); return r; }

// One instruction between loading and storing the control and status register.
#define GUARDED(text, outputs, ...) \
  __asm__ volatile("ldmxcsr %[csr]\n\t" text "\n\tstmxcsr %[csr]" : outputs, [csr] "+m"(*csr) : __VA_ARGS__ : "cc")

#define FUNCTION(name) static uint64_t name(const struct request *q, uint32_t *csr)

#define TWO(name, kind, instruction)                                              \
  FUNCTION(name) {                                                                \
    __typeof__(kind(0)) x = kind(q->a), y = kind(q->b);                           \
    GUARDED(instruction " %[y], %[x]", [x] "+x"(x), [y] "x"(y));                  \
    return BITS_##kind(x);                                                        \
  }
#define BITS_f32 bits32
#define BITS_f64 bits64
TWO(add32, f32, "addss") TWO(sub32, f32, "subss") TWO(mul32, f32, "mulss") TWO(div32, f32, "divss")
TWO(add64, f64, "addsd") TWO(sub64, f64, "subsd") TWO(mul64, f64, "mulsd") TWO(div64, f64, "divsd")
TWO(min32, f32, "minss") TWO(max32, f32, "maxss") TWO(min64, f64, "minsd") TWO(max64, f64, "maxsd")

#define COMPARE(name, kind, instruction)                                          \
  FUNCTION(name) {                                                                \
    __typeof__(kind(0)) x = kind(q->a), y = kind(q->b);                           \
    GUARDED(instruction " %[y], %[x]", [x] "+x"(x), [y] "x"(y));                  \
    return BITS_##kind(x) & 1;                                                    \
  }
COMPARE(eq32, f32, "cmpeqss") COMPARE(lt32, f32, "cmpltss") COMPARE(le32, f32, "cmpless") COMPARE(un32, f32, "cmpunordss")
COMPARE(eq64, f64, "cmpeqsd") COMPARE(lt64, f64, "cmpltsd") COMPARE(le64, f64, "cmplesd") COMPARE(un64, f64, "cmpunordsd")

#define ORDER(name, kind, instruction)                                            \
  FUNCTION(name) {                                                                \
    __typeof__(kind(0)) x = kind(q->a), y = kind(q->b);                           \
    uint8_t parity, below, zero;                                                  \
    __asm__ volatile("ldmxcsr %[csr]\n\t" instruction " %[y], %[x]\n\t"           \
                     "setp %[p]\n\tsetb %[b]\n\tsete %[z]\n\tstmxcsr %[csr]"      \
                     : [csr] "+m"(*csr), [p] "=q"(parity), [b] "=q"(below), [z] "=q"(zero) \
                     : [x] "x"(x), [y] "x"(y) : "cc");                            \
    return parity ? 3 : zero ? 1 : below ? 0 : 2;                                 \
  }
ORDER(order32, f32, "ucomiss") ORDER(orders32, f32, "comiss") ORDER(order64, f64, "ucomisd") ORDER(orders64, f64, "comisd")

#define ONE(name, from, type, instruction, result)                                \
  FUNCTION(name) {                                                                \
    __typeof__(from(0)) x = from(q->a);                                           \
    type r = 0;                                                                   \
    GUARDED(instruction " %[x], %[r]", [r] "+x"(r), [x] "x"(x));                  \
    return result;                                                                \
  }
ONE(sqrt32, f32, float, "sqrtss", bits32(r)) ONE(sqrt64, f64, double, "sqrtsd", bits64(r))
ONE(widen, f32, double, "cvtss2sd", bits64(r)) ONE(narrow, f64, float, "cvtsd2ss", bits32(r))

#define TO(name, from, type, instruction)                                         \
  FUNCTION(name) {                                                                \
    __typeof__(from(0)) x = from(q->a);                                           \
    type r = 0;                                                                   \
    GUARDED(instruction " %[x], %[r]", [r] "=r"(r), [x] "x"(x));                  \
    return r;                                                                     \
  }
TO(toI32of32, f32, uint32_t, "cvtss2si") TO(toI32of64, f64, uint32_t, "cvtsd2si")
TO(toI64of32, f32, uint64_t, "cvtss2si") TO(toI64of64, f64, uint64_t, "cvtsd2si")
TO(toU32of32, f32, uint32_t, "vcvtss2usi") TO(toU32of64, f64, uint32_t, "vcvtsd2usi")
TO(toU64of32, f32, uint64_t, "vcvtss2usi") TO(toU64of64, f64, uint64_t, "vcvtsd2usi")

#define FROM(name, type, real, instruction, bits)                                 \
  FUNCTION(name) {                                                                \
    type v = (type)q->a;                                                          \
    real r = 0;                                                                   \
    GUARDED(instruction " %[v], %[r]", [r] "+x"(r), [v] "r"(v));                  \
    return bits(r);                                                               \
  }
FROM(fromI32to32, uint32_t, float, "cvtsi2ssl", bits32) FROM(fromI64to32, uint64_t, float, "cvtsi2ssq", bits32)
FROM(fromI32to64, uint32_t, double, "cvtsi2sdl", bits64) FROM(fromI64to64, uint64_t, double, "cvtsi2sdq", bits64)

#define ROUND(name, from, type, instruction, bits)                                \
  FUNCTION(name) {                                                                \
    type x = from(q->a), r = 0;                                                   \
    if (q->c) GUARDED(instruction " $4, %[x], %[r]", [r] "+x"(r), [x] "x"(x));    \
    else GUARDED(instruction " $12, %[x], %[r]", [r] "+x"(r), [x] "x"(x));        \
    return bits(r);                                                               \
  }
ROUND(integral32, f32, float, "roundss", bits32) ROUND(integral64, f64, double, "roundsd", bits64)

// The digits name the operands in the order factor, factor, addend; the first is also the destination.
#define FUSED(name, from, type, instruction, bits, first, second, third)          \
  FUNCTION(name) {                                                                \
    type a = from(q->a), b = from(q->b), c = from(q->c);                          \
    GUARDED(instruction " %[z], %[y], %[x]", [x] "+x"(first), [y] "x"(second), [z] "x"(third)); \
    return bits(first);                                                           \
  }
FUSED(fma132of32, f32, float, "vfmadd132ss", bits32, a, c, b) FUSED(fma132of64, f64, double, "vfmadd132sd", bits64, a, c, b)
FUSED(fma213of32, f32, float, "vfmadd213ss", bits32, b, a, c) FUSED(fma213of64, f64, double, "vfmadd213sd", bits64, b, a, c)
FUSED(fma231of32, f32, float, "vfmadd231ss", bits32, c, a, b) FUSED(fma231of64, f64, double, "vfmadd231sd", bits64, c, a, b)

FUNCTION(widenHalf) {
  float r, x = f32(q->a);
  GUARDED("vcvtph2ps %[x], %[r]", [r] "=x"(r), [x] "x"(x));
  return bits32(r);
}
FUNCTION(narrowHalf) {
  float r, x = f32(q->a);
  GUARDED("vcvtps2ph $4, %[x], %[r]", [r] "=x"(r), [x] "x"(x));
  return bits32(r) & 0xffff;
}

static const struct { const char *name; operation run; const char *needs; } operations[] = {
  {"f32.add", add32}, {"f32.sub", sub32}, {"f32.mul", mul32}, {"f32.div", div32}, {"f32.sqrt", sqrt32},
  {"f64.add", add64}, {"f64.sub", sub64}, {"f64.mul", mul64}, {"f64.div", div64}, {"f64.sqrt", sqrt64},
  {"f32.minSecond", min32}, {"f32.maxSecond", max32}, {"f64.minSecond", min64}, {"f64.maxSecond", max64},
  {"f32.eq", eq32}, {"f32.lt", lt32}, {"f32.le", le32}, {"f32.unordered", un32},
  {"f64.eq", eq64}, {"f64.lt", lt64}, {"f64.le", le64}, {"f64.unordered", un64},
  {"f32.order", order32}, {"f32.orderSignaling", orders32}, {"f64.order", order64}, {"f64.orderSignaling", orders64},
  {"f64.fromF32", widen}, {"f32.fromF64", narrow},
  {"f32.toI32", toI32of32}, {"f64.toI32", toI32of64}, {"f32.toI64", toI64of32}, {"f64.toI64", toI64of64},
  {"f32.fromI32", fromI32to32}, {"f64.fromI32", fromI32to64}, {"f32.fromI64", fromI64to32}, {"f64.fromI64", fromI64to64},
  {"f32.roundToIntegral", integral32, "sse4.1"}, {"f64.roundToIntegral", integral64, "sse4.1"},
  {"f32.fma 132", fma132of32, "fma"}, {"f32.fma 213", fma213of32, "fma"}, {"f32.fma 231", fma231of32, "fma"},
  {"f64.fma 132", fma132of64, "fma"}, {"f64.fma 213", fma213of64, "fma"}, {"f64.fma 231", fma231of64, "fma"},
  {"f32.fromF16", widenHalf, "f16c"}, {"f16.fromF32", narrowHalf, "f16c"},
  {"f32.toU32", toU32of32, "avx512f"}, {"f64.toU32", toU32of64, "avx512f"},
  {"f32.toU64", toU64of32, "avx512f"}, {"f64.toU64", toU64of64, "avx512f"},
};

static int present(const char *feature) {
  if (!feature) return 1;
  if (!strcmp(feature, "sse4.1")) return __builtin_cpu_supports("sse4.1");
  if (!strcmp(feature, "fma")) return __builtin_cpu_supports("fma");
  if (!strcmp(feature, "f16c")) return __builtin_cpu_supports("f16c");
  return __builtin_cpu_supports("avx512f");
}

int main(int count, char **words) {
  (void)words;
  if (count < 2) {
    for (unsigned i = 0; i < sizeof operations / sizeof operations[0]; i++)
      puts(present(operations[i].needs) ? operations[i].name : "-");
    return 0;
  }
  struct request q;
  while (fread(&q, sizeof q, 1, stdin) == 1) {
    uint32_t csr = q.mxcsr;
    struct answer r = {operations[q.operation].run(&q, &csr), csr & 63, 0};
    uint32_t clean = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(clean));
    fwrite(&r, sizeof r, 1, stdout);
  }
  return 0;
}
