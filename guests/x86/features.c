/* What CPUID says. */
#include "string.h"
#include "x86.h"

struct features features;

static bool bit(u32 word, int number) { return word >> number & 1; }

static void read_brand(u32 last) {
  if (last < 0x80000004) return copy_text(features.brand, "unnamed", sizeof features.brand);
  for (u32 i = 0; i < 3; i++) {
    struct cpuid part = cpuid(0x80000002 + i, 0);
    memcpy(features.brand + 16 * i, &part, 16);
  }
  features.brand[48] = 0;
}

void features_read(void) {
  u32 last = cpuid(0, 0).a, last_extended = cpuid(0x80000000, 0).a;
  struct cpuid one = cpuid(1, 0), seven = {0}, extended = cpuid(0x80000001, 0);
  if (last >= 7) seven = cpuid(7, 0);
  features = (struct features){
      .pcid = bit(one.c, 17), .x2apic = bit(one.c, 21), .deadline = bit(one.c, 24), .xsave = bit(one.c, 26),
      .xsaveopt = last >= 13 && bit(cpuid(13, 1).a, 0),
      .cx16 = bit(one.c, 13), .sse41 = bit(one.c, 19), .sse42 = bit(one.c, 20), .movbe = bit(one.c, 22),
      .popcnt = bit(one.c, 23), .rdrand = bit(one.c, 30), .under_hypervisor = bit(one.c, 31),
      .fsgsbase = bit(seven.b, 0), .bmi1 = bit(seven.b, 3), .smep = bit(seven.b, 7), .bmi2 = bit(seven.b, 8),
      .invpcid = bit(seven.b, 10), .adx = bit(seven.b, 19), .smap = bit(seven.b, 20), .umip = bit(seven.c, 2),
      .lzcnt = bit(extended.c, 5), .page1g = bit(extended.d, 26), .rdtscp = bit(extended.d, 27),
  };
  read_brand(last_extended);
}
