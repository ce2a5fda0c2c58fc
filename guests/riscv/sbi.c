#include "sbi.h"

#include "arch.h"
#include "riscv.h"

static bool has_time, has_ipi, has_console;

struct sbi_result sbi_call5(u64 extension, u64 function, u64 arg0, u64 arg1, u64 arg2, u64 arg3, u64 arg4) {
  register u64 a0 __asm__("a0") = arg0;
  register u64 a1 __asm__("a1") = arg1;
  register u64 a2 __asm__("a2") = arg2;
  register u64 a3 __asm__("a3") = arg3;
  register u64 a4 __asm__("a4") = arg4;
  register u64 a6 __asm__("a6") = function;
  register u64 a7 __asm__("a7") = extension;
  __asm__ volatile("ecall"
                   : "+r"(a0), "+r"(a1)
                   : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7)
                   : "memory");
  return (struct sbi_result){(s64)a0, a1};
}

bool sbi_has(u64 extension) {
  struct sbi_result result = sbi_call(SBI_BASE, BASE_PROBE, extension, 0, 0);
  return result.error == SBI_SUCCESS && result.value != 0;
}

void sbi_init(void) {
  has_time = sbi_has(SBI_TIME);
  has_ipi = sbi_has(SBI_IPI);
  has_console = sbi_has(SBI_DBCN);
}

void sbi_set_timer(u64 ticks) {
  if (has_time) sbi_call(SBI_TIME, 0, ticks, 0, 0);
  else sbi_call(LEGACY_SET_TIMER, 0, ticks, 0, 0);
}

void sbi_kick(u64 hart) {
  u64 mask = 1ul << hart;
  if (has_ipi) sbi_call(SBI_IPI, 0, 1, hart, 0);
  else sbi_call(LEGACY_SEND_IPI, 0, (u64)&mask, 0, 0); /* takes the mask's virtual address */
}

void arch_putc(char c) {
  if (has_console) sbi_call(SBI_DBCN, DBCN_WRITE_BYTE, (u8)c, 0, 0);
  else sbi_call(LEGACY_PUTCHAR, 0, (u8)c, 0, 0);
}

int arch_getc(void) {
  if (!has_console) return (int)sbi_call(LEGACY_GETCHAR, 0, 0, 0, 0).error; /* it answers in a0 alone */
  static u8 byte;
  struct sbi_result result = sbi_call(SBI_DBCN, DBCN_READ, 1, image_address(&byte), 0);
  return result.error == SBI_SUCCESS && result.value == 1 ? byte : -1;
}
