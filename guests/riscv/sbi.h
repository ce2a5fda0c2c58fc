/* Calls to the firmware below us, or to the hypervisor that answers in its place
 * (RISC-V Supervisor Binary Interface, version 2.0, and the legacy calls of version 0.1). */
#pragma once

#include "types.h"

enum {
  SBI_BASE = 0x10,
  SBI_TIME = 0x54494d45,
  SBI_IPI = 0x735049,
  SBI_RFENCE = 0x52464e43,
  SBI_HSM = 0x48534d,
  SBI_SRST = 0x53525354,
  SBI_DBCN = 0x4442434e,
  SBI_PMU = 0x504d55,
};

enum {
  LEGACY_SET_TIMER = 0,
  LEGACY_PUTCHAR = 1,
  LEGACY_GETCHAR = 2,
  LEGACY_CLEAR_IPI = 3,
  LEGACY_SEND_IPI = 4,
  LEGACY_FENCE_I = 5,
  LEGACY_FENCE_VMA = 6,
  LEGACY_FENCE_VMA_ASID = 7,
  LEGACY_SHUTDOWN = 8,
};

enum { BASE_SPEC_VERSION, BASE_IMPL_ID, BASE_IMPL_VERSION, BASE_PROBE, BASE_VENDOR, BASE_ARCH, BASE_IMPL };
enum { RFENCE_I, RFENCE_VMA, RFENCE_VMA_ASID };
enum { HSM_START, HSM_STOP, HSM_STATUS, HSM_SUSPEND };
enum { HSM_STARTED, HSM_STOPPED };
enum { SRST_SHUTDOWN, SRST_COLD_REBOOT };
enum { DBCN_WRITE, DBCN_READ, DBCN_WRITE_BYTE };

enum {
  SBI_SUCCESS = 0,
  SBI_FAILED = -1,
  SBI_NOT_SUPPORTED = -2,
  SBI_INVALID_PARAM = -3,
  SBI_ALREADY_AVAILABLE = -6,
};

struct sbi_result {
  s64 error;
  u64 value;
};

struct sbi_result sbi_call5(u64 extension, u64 function, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4);
#define sbi_call(extension, function, a0, a1, a2) sbi_call5(extension, function, a0, a1, a2, 0, 0)

bool sbi_has(u64 extension); /* asks; works for legacy calls as well */

/* Looks once which ways there are to do the things below, then does them the best way. */
void sbi_init(void);
void sbi_set_timer(u64 ticks);
void sbi_kick(u64 hart);
