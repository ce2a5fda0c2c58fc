/* Control and status registers, and the bits of them used here (RISC-V Privileged Architecture). */
#pragma once

#include "types.h"

#define csr_read(name)                               \
  ({                                                 \
    u64 csr_value;                                   \
    __asm__ volatile("csrr %0, " name : "=r"(csr_value)); \
    csr_value;                                       \
  })
#define csr_write(name, value) __asm__ volatile("csrw " name ", %0" ::"rK"((u64)(value)) : "memory")
#define csr_set(name, bits) __asm__ volatile("csrs " name ", %0" ::"rK"((u64)(bits)) : "memory")
#define csr_clear(name, bits) __asm__ volatile("csrc " name ", %0" ::"rK"((u64)(bits)) : "memory")

/* Names the assembler may not know yet. */
#define CSR_STIMECMP "0x14d"
#define CSR_HSTATUS "0x600"

enum {
  STATUS_SIE = 1 << 1,      /* interrupts on */
  STATUS_SPIE = 1 << 5,     /* interrupts on after sret */
  STATUS_SPP = 1 << 8,      /* the trap came from supervisor mode */
  STATUS_FS = 3 << 13,      /* floating-point unit: */
  STATUS_FS_CLEAN = 2 << 13,
  STATUS_FS_DIRTY = 3 << 13,
  STATUS_SUM = 1 << 18,     /* loads and stores may use user pages */
  STATUS_MXR = 1 << 19,     /* loads may use executable pages */
};

/* Numbers in scause, and of bits in sie and sip. */
enum { INTERRUPT_SOFTWARE = 1, INTERRUPT_TIMER = 5, INTERRUPT_EXTERNAL = 9 };
#define CAUSE_INTERRUPT (1ul << 63)

enum {
  CAUSE_FETCH_MISALIGNED = 0,
  CAUSE_FETCH_ACCESS = 1,
  CAUSE_ILLEGAL = 2,
  CAUSE_BREAKPOINT = 3,
  CAUSE_LOAD_MISALIGNED = 4,
  CAUSE_LOAD_ACCESS = 5,
  CAUSE_STORE_MISALIGNED = 6,
  CAUSE_STORE_ACCESS = 7,
  CAUSE_USER_CALL = 8,
  CAUSE_FETCH_PAGE = 12,
  CAUSE_LOAD_PAGE = 13,
  CAUSE_STORE_PAGE = 15,
};

#define SATP_SV39 (8ul << 60)
#define SATP_ASID_SHIFT 44
#define SATP_ASID_MASK 0xfffful

static inline void fence_all(void) { __asm__ volatile("sfence.vma" ::: "memory"); }
static inline void fence_page(vaddr at) { __asm__ volatile("sfence.vma %0" ::"r"(at) : "memory"); }
static inline void fence_asid(u64 asid) { __asm__ volatile("sfence.vma zero, %0" ::"r"(asid) : "memory"); }
static inline void fence_code(void) { __asm__ volatile("fence.i" ::: "memory"); }
