/* The local APIC: by its registers in memory, or by MSRs where the processor has x2APIC. */
#include "arch.h"
#include "board.h"
#include "io.h"
#include "x86.h"

enum { BASE_ENABLED = 1 << 11, BASE_X2APIC = 1 << 10 };
enum { SPURIOUS_ENABLED = 0x100, COMMAND_PENDING = 0x1000, COMMAND_HIGH = 0x310 };

void apic_init_cpu(void) {
  u64 base = msr_read(MSR_APIC_BASE) | BASE_ENABLED;
  msr_write(MSR_APIC_BASE, base);
  if (features.x2apic) msr_write(MSR_APIC_BASE, base | BASE_X2APIC);
  apic_write(APIC_SPURIOUS, SPURIOUS_ENABLED | VECTOR_SPURIOUS);
  apic_write(APIC_PRIORITY, 0);
  apic_write(APIC_LINT0, APIC_MASKED); /* the 8259s' */
  apic_write(APIC_LINT1, APIC_MASKED);
  apic_write(APIC_ERROR_ENTRY, APIC_MASKED);
}

u32 apic_read(unsigned reg) {
  return features.x2apic ? (u32)msr_read(MSR_X2APIC + reg / 16) : mmio_read32(board.local_apic + reg);
}

void apic_write(unsigned reg, u32 value) {
  if (features.x2apic) msr_write(MSR_X2APIC + reg / 16, value);
  else mmio_write32(board.local_apic + reg, value);
}

u32 apic_id(void) {
  u32 id = apic_read(APIC_ID);
  return features.x2apic ? id : id >> 24;
}

void apic_send(u32 to, u32 command) {
  if (features.x2apic) {
    msr_write(MSR_X2APIC + APIC_COMMAND / 16, (u64)to << 32 | command);
    return;
  }
  apic_write(COMMAND_HIGH, to << 24);
  apic_write(APIC_COMMAND, command);
  while (apic_read(APIC_COMMAND) & COMMAND_PENDING) arch_relax();
}

void apic_end(void) { apic_write(APIC_EOI, 0); }
