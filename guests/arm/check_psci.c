/* Calls to the firmware: what each answers when asked rightly, and when asked for nonsense. */
#include "arch.h"
#include "arm.h"
#include "board.h"
#include "checks.h"
#include "task.h"

#define NO_SUCH_CALL 0x8400ff00
#define NO_SUCH_CORE 0xffffff

enum verdict check_psci_version(struct buffer *note) {
  if (board.psci == PSCI_NONE) return SKIP;
  s64 version = psci_call(PSCI_VERSION, 0, 0, 0);
  EXPECT(version >= 2); /* 0.2, the first that is asked for its version */
  if (version >= 0x10000) {
    EXPECT(psci_call(PSCI_FEATURES, PSCI_CPU_ON, 0, 0) == 0);
    EXPECT(psci_call(PSCI_FEATURES, PSCI_SYSTEM_RESET, 0, 0) == 0);
    EXPECT(psci_call(PSCI_FEATURES, NO_SUCH_CALL, 0, 0) == PSCI_NOT_SUPPORTED);
  }
  s64 migrate = psci_call(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0);
  EXPECT(migrate == PSCI_NOT_SUPPORTED || (migrate >= 0 && migrate <= 2));
  buffer_print(note, "%ld.%ld", version >> 16, version & 0xffff);
  return PASS;
}

enum verdict check_psci_unknown(struct buffer *note) {
  if (board.psci == PSCI_NONE) return SKIP;
  EXPECT(psci_call(NO_SUCH_CALL, 0, 0, 0) == PSCI_NOT_SUPPORTED);
  return PASS;
}

enum verdict check_psci_cpu(struct buffer *note) {
  if (board.psci == PSCI_NONE) return SKIP;
  u64 self = this_core()->id;
  paddr entry = image_address((void *)start_secondary);
  EXPECT(psci_call(PSCI_AFFINITY_INFO, self, 0, 0) == PSCI_CPU_IS_ON);
  EXPECT(psci_call(PSCI_AFFINITY_INFO, NO_SUCH_CORE, 0, 0) == PSCI_INVALID_PARAMETERS);
  EXPECT(psci_call(PSCI_CPU_ON, self, entry, 0) == PSCI_ALREADY_ON);
  EXPECT(psci_call(PSCI_CPU_ON, NO_SUCH_CORE, entry, 0) == PSCI_INVALID_PARAMETERS);
  return PASS;
}

/* A suspend that keeps everything is a wfi by another name. */
enum verdict check_psci_suspend(struct buffer *note) {
  if (board.psci == PSCI_NONE) return SKIP;
  u64 start = arch_ticks(), wish = start + ticks_of_ms(1), end;
  arch_set_alarm(wish);
  s64 error;
  do { /* it may end early, for no reason */
    error = psci_call(PSCI_CPU_SUSPEND, 0, 0, 0);
    end = arch_ticks();
  } while (error == PSCI_SUCCESS && end < wish);
  arch_set_alarm(NEVER);
  if (error == PSCI_NOT_SUPPORTED) return SKIP;
  EXPECT(error == PSCI_SUCCESS);
  buffer_print(note, "1 ms took %lu us", nanoseconds(end - start) / 1000);
  return PASS;
}
