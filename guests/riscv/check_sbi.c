/* Calls to the firmware: what each answers when asked rightly, and when asked for nonsense. */
#include "arch.h"
#include "checks.h"
#include "console.h"
#include "riscv.h"
#include "sbi.h"
#include "string.h"
#include "task.h"

#define NO_SUCH_EXTENSION 0x09999999
#define NO_SUCH_HART 4000
#define ALL_HARTS (~0ul)

static s64 error_of(u64 extension, u64 function, u64 a0, u64 a1, u64 a2) {
  return sbi_call(extension, function, a0, a1, a2).error;
}

enum verdict check_sbi_base(struct buffer *note) {
  struct sbi_result version = sbi_call(SBI_BASE, BASE_SPEC_VERSION, 0, 0, 0);
  if (version.error == SBI_NOT_SUPPORTED) return SKIP; /* firmware before version 0.2 */
  EXPECT(version.error == SBI_SUCCESS && version.value >= 2);
  for (u64 function = BASE_IMPL_ID; function <= BASE_IMPL; function++) {
    if (function != BASE_PROBE) EXPECT(error_of(SBI_BASE, function, 0, 0, 0) == SBI_SUCCESS);
  }
  EXPECT(sbi_has(SBI_BASE));
  buffer_print(note, "version %lu.%lu", version.value >> 24, version.value & 0xffffff);
  return PASS;
}

enum verdict check_sbi_unknown(struct buffer *note) {
  EXPECT(!sbi_has(NO_SUCH_EXTENSION));
  EXPECT(error_of(NO_SUCH_EXTENSION, 0, 0, 0, 0) == SBI_NOT_SUPPORTED);
  EXPECT(error_of(SBI_BASE, 99, 0, 0, 0) == SBI_NOT_SUPPORTED);
  return PASS;
}

/* ---- Timer ------------------------------------------------------------------------------ */

static enum verdict wait_for_timer(struct buffer *note, u64 extension) {
  if (!sbi_has(extension)) return SKIP;
  timer_use_firmware(true);
  u64 before = interrupts.timer, start = arch_ticks(), wish = start + ticks_of_ms(1);
  sbi_call(extension, 0, wish, 0, 0);
  while (interrupts.timer == before && arch_ticks() < start + ticks_of_ms(PATIENCE_MS)) arch_idle();
  u64 end = arch_ticks(), count = interrupts.timer - before;
  timer_use_firmware(false);
  EXPECT(count == 1);
  EXPECT(end >= wish);
  buffer_print(note, "1 ms took %lu us", nanoseconds(end - start) / 1000);
  return PASS;
}

enum verdict check_sbi_timer(struct buffer *note) { return wait_for_timer(note, SBI_TIME); }
enum verdict check_sbi_timer_legacy(struct buffer *note) { return wait_for_timer(note, LEGACY_SET_TIMER); }

/* ---- Console ---------------------------------------------------------------------------- */

enum verdict check_sbi_console(struct buffer *note) {
  if (!sbi_has(SBI_DBCN)) return SKIP;
  static const char line[] = "  (written by DBCN)\r\n";
  for (u64 done = 0; done < strlen(line);) { /* it may take less than it is given */
    u64 left = strlen(line) - done;
    struct sbi_result result = sbi_call(SBI_DBCN, DBCN_WRITE, left, image_address(line + done), 0);
    EXPECT(result.error == SBI_SUCCESS && result.value > 0 && result.value <= left);
    done += result.value;
  }
  EXPECT(error_of(SBI_DBCN, DBCN_WRITE_BYTE, '\r', 0, 0) == SBI_SUCCESS);
  EXPECT(error_of(SBI_DBCN, DBCN_WRITE, 1, 0, 1ul << 60) != SBI_SUCCESS); /* no memory there */

  static char typed[16];
  struct sbi_result result = sbi_call(SBI_DBCN, DBCN_READ, sizeof typed, image_address(typed), 0);
  EXPECT(result.error == SBI_SUCCESS && result.value <= sizeof typed);
  for (u64 i = 0; i < result.value; i++) console_type(typed[i]); /* somebody is waiting for it */
  return PASS;
}

enum verdict check_sbi_console_legacy(struct buffer *note) {
  if (!sbi_has(LEGACY_PUTCHAR)) return SKIP;
  for (const char *p = "  (written by the legacy console)\r\n"; *p; p++) {
    EXPECT(error_of(LEGACY_PUTCHAR, 0, (u8)*p, 0, 0) == SBI_SUCCESS);
  }
  s64 c = error_of(LEGACY_GETCHAR, 0, 0, 0, 0);
  EXPECT(c >= -1 && c <= 255);
  if (c >= 0) console_type((char)c);
  return PASS;
}

/* ---- Interrupts and fences between harts, tried on this one ------------------------------ */

static enum verdict wait_for_ipi(struct buffer *note, u64 before) {
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  arch_set_alarm(deadline);
  while (interrupts.software == before && arch_ticks() < deadline) arch_idle();
  EXPECT(interrupts.software > before);
  return PASS;
}

enum verdict check_sbi_ipi(struct buffer *note) {
  if (!sbi_has(SBI_IPI)) return SKIP;
  u64 before = interrupts.software;
  EXPECT(error_of(SBI_IPI, 0, 1, this_hart->id, 0) == SBI_SUCCESS);
  EXPECT(error_of(SBI_IPI, 0, 1, NO_SUCH_HART, 0) == SBI_INVALID_PARAM);
  return wait_for_ipi(note, before);
}

/* The legacy calls take the virtual address of a hart mask. */
enum verdict check_sbi_ipi_legacy(struct buffer *note) {
  if (!sbi_has(LEGACY_SEND_IPI)) return SKIP;
  u64 before = interrupts.software, mask = 1ul << this_hart->id;
  EXPECT(error_of(LEGACY_SEND_IPI, 0, (u64)&mask, 0, 0) == SBI_SUCCESS);
  return wait_for_ipi(note, before);
}

enum verdict check_sbi_rfence(struct buffer *note) {
  if (!sbi_has(SBI_RFENCE)) return SKIP;
  u64 self = this_hart->id, everything = ~0ul;
  EXPECT(error_of(SBI_RFENCE, RFENCE_I, 1, self, 0) == SBI_SUCCESS);
  EXPECT(error_of(SBI_RFENCE, RFENCE_I, 0, ALL_HARTS, 0) == SBI_SUCCESS);
  EXPECT(sbi_call5(SBI_RFENCE, RFENCE_VMA, 1, self, 0, everything, 0).error == SBI_SUCCESS);
  EXPECT(sbi_call5(SBI_RFENCE, RFENCE_VMA, 1, self, 0x1000, 0x2000, 0).error == SBI_SUCCESS);
  EXPECT(sbi_call5(SBI_RFENCE, RFENCE_VMA_ASID, 1, self, 0, everything, 1).error == SBI_SUCCESS);
  EXPECT(error_of(SBI_RFENCE, RFENCE_I, 1, NO_SUCH_HART, 0) == SBI_INVALID_PARAM);
  EXPECT(error_of(SBI_RFENCE, 99, 1, self, 0) == SBI_NOT_SUPPORTED);
  return PASS;
}

enum verdict check_sbi_rfence_legacy(struct buffer *note) {
  if (!sbi_has(LEGACY_FENCE_VMA)) return SKIP;
  u64 mask = 1ul << this_hart->id;
  EXPECT(error_of(LEGACY_FENCE_I, 0, (u64)&mask, 0, 0) == SBI_SUCCESS);
  EXPECT(error_of(LEGACY_FENCE_VMA, 0, (u64)&mask, 0, PAGE_SIZE) == SBI_SUCCESS);
  EXPECT(sbi_call5(LEGACY_FENCE_VMA_ASID, 0, (u64)&mask, 0, PAGE_SIZE, 1, 0).error == SBI_SUCCESS);
  return PASS;
}

/* ---- Hart states ------------------------------------------------------------------------ */

enum verdict check_sbi_hsm(struct buffer *note) {
  if (!sbi_has(SBI_HSM)) return SKIP;
  struct sbi_result self = sbi_call(SBI_HSM, HSM_STATUS, this_hart->id, 0, 0);
  EXPECT(self.error == SBI_SUCCESS && self.value == HSM_STARTED);
  EXPECT(error_of(SBI_HSM, HSM_STATUS, NO_SUCH_HART, 0, 0) == SBI_INVALID_PARAM);
  paddr entry = image_address((void *)start_secondary);
  EXPECT(error_of(SBI_HSM, HSM_START, this_hart->id, entry, 0) == SBI_ALREADY_AVAILABLE);
  EXPECT(error_of(SBI_HSM, HSM_START, NO_SUCH_HART, entry, 0) == SBI_INVALID_PARAM);
  return PASS;
}

/* A suspend that keeps everything is a wfi by another name. */
enum verdict check_sbi_suspend(struct buffer *note) {
  if (!sbi_has(SBI_HSM)) return SKIP;
  u64 start = arch_ticks(), wish = start + ticks_of_ms(1);
  arch_set_alarm(wish);
  s64 error = error_of(SBI_HSM, HSM_SUSPEND, 0, 0, 0);
  if (error == SBI_NOT_SUPPORTED) return SKIP;
  u64 end = arch_ticks();
  EXPECT(error == SBI_SUCCESS);
  EXPECT(end >= wish);
  buffer_print(note, "1 ms took %lu us", nanoseconds(end - start) / 1000);
  return PASS;
}

enum verdict check_sbi_reset(struct buffer *note) {
  if (!sbi_has(SBI_SRST)) return SKIP;
  EXPECT(error_of(SBI_SRST, 0, 0x12345678, 0, 0) == SBI_INVALID_PARAM);
  EXPECT(error_of(SBI_SRST, 99, 0, 0, 0) == SBI_NOT_SUPPORTED);
  return PASS; /* the right questions are for poweroff and reboot */
}
