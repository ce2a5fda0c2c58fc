/* Address translation as the processor (and whatever second stage lies below) really does it. */
#include "arch.h"
#include "arm.h"
#include "checks.h"
#include "cpus.h"
#include "layout.h"
#include "pages.h"
#include "task.h"

enum { LEVEL_3 = 3 };
#define NEVER_EXECUTED (PTE_NO_KERNEL_EXECUTE | PTE_NO_USER_EXECUTE)

static void set_entry(u64 value) { replace_entry(kernel_entry(TEST_BASE, 3), value, TEST_BASE); }

enum verdict check_rights(struct buffer *note) {
  paddr page = page_new();
  u64 value, write_at, fetch_at, above;
  set_entry(pte_of(page, PTE_READ_ONLY | NEVER_EXECUTED));
  s64 read = outcome(check_load, TEST_BASE, &value);
  s64 write = outcome(check_store, TEST_BASE + 16, &write_at);
  s64 fetch = outcome(check_call, TEST_BASE + 8, &fetch_at);
  set_entry(0);
  s64 nothing = outcome(check_load, TEST_BASE + 24, &value);
  page_free(page);

  EXPECT(read == WORKED);
  EXPECT(FAULTED(write, CLASS_DATA, STATUS_PERMISSION | LEVEL_3) && was_write((u64)write));
  EXPECT(FAULTED(fetch, CLASS_FETCH, STATUS_PERMISSION | LEVEL_3));
  EXPECT(FAULTED(nothing, CLASS_DATA, STATUS_TRANSLATION | LEVEL_3) && !was_write((u64)nothing));
  EXPECT(write_at == TEST_BASE + 16 && fetch_at == TEST_BASE + 8 && value == TEST_BASE + 24);

  s64 gap = outcome(check_load, 1ul << 45, &above); /* neither half has such addresses */
  EXPECT(TRAPPED(gap, CLASS_DATA) && (fault_status((u64)gap) & ~3u) == STATUS_TRANSLATION && above == 1ul << 45);
  s64 code = outcome(check_store, (u64)image_start, &value); /* our own */
  EXPECT(FAULTED(code, CLASS_DATA, STATUS_PERMISSION | LEVEL_3));
  return PASS;
}

static u64 load_as_user(u64 at) {
  u64 value;
  __asm__ volatile("ldtr %0, [%1]" : "=r"(value) : "r"(at) : "memory");
  return value;
}

static u64 store_as_user(u64 at) {
  __asm__ volatile("sttr %0, [%0]" : : "r"(at) : "memory");
  return 0;
}

/* What programs may write, the kernel never executes. Its unprivileged loads see what programs would. */
enum verdict check_user_pages(struct buffer *note) {
  paddr page = page_new();
  u64 value;
  set_entry(pte_of(page, PTE_USER));
  s64 plain = outcome(check_load, TEST_BASE, &value), as_user = outcome(load_as_user, TEST_BASE, &value);
  s64 fetch = outcome(check_call, TEST_BASE, &value);
  set_entry(pte_of(page, PTE_USER | PTE_READ_ONLY | NEVER_EXECUTED));
  s64 read_only = outcome(store_as_user, TEST_BASE, &value);
  set_entry(pte_of(page, NEVER_EXECUTED));
  s64 kernel_page = outcome(load_as_user, TEST_BASE, &value);
  set_entry(0);
  page_free(page);
  EXPECT(plain == WORKED && as_user == WORKED);
  EXPECT(FAULTED(fetch, CLASS_FETCH, STATUS_PERMISSION | LEVEL_3));
  EXPECT(FAULTED(read_only, CLASS_DATA, STATUS_PERMISSION | LEVEL_3));
  EXPECT(FAULTED(kernel_page, CLASS_DATA, STATUS_PERMISSION | LEVEL_3));
  return PASS;
}

/* msr pan, #0 and #1, which the assembler knows for later processors only. */
static void set_pan(bool on) {
  if (on) __asm__ volatile(".inst 0xd500419f" ::: "memory");
  else __asm__ volatile(".inst 0xd500409f" ::: "memory");
}

enum verdict check_pan(struct buffer *note) {
  if (id_field("id_aa64mmfr1_el1", 20) == 0) return SKIP;
  paddr page = page_new();
  u64 value;
  set_entry(pte_of(page, PTE_USER | NEVER_EXECUTED));
  set_pan(true);
  s64 plain = outcome(check_load, TEST_BASE, &value), as_user = outcome(load_as_user, TEST_BASE, &value);
  set_pan(false);
  s64 without = outcome(check_load, TEST_BASE, &value);
  set_entry(0);
  page_free(page);
  EXPECT(FAULTED(plain, CLASS_DATA, STATUS_PERMISSION | LEVEL_3));
  EXPECT(as_user == WORKED && without == WORKED);
  return PASS;
}

#define HARDWARE_ACCESS_FLAG (1ul << 39) /* TCR_EL1.HA */

/* Without its flag an entry faults, unless the processor was told to set it (and can). */
enum verdict check_access_flag(struct buffer *note) {
  paddr page = page_new();
  u64 value, tcr = sys_read("tcr_el1"), old = pte_of(page, NEVER_EXECUTED) & ~PTE_ACCESSED;
  set_entry(old);
  s64 fault = outcome(check_load, TEST_BASE, &value);
  bool untouched = *(volatile u64 *)kernel_entry(TEST_BASE, 3) == old, set = true;
  s64 with_hardware = WORKED;
  bool hardware = id_field("id_aa64mmfr1_el1", 0) != 0;
  if (hardware) {
    sys_write("tcr_el1", tcr | HARDWARE_ACCESS_FLAG);
    set_entry(old);
    with_hardware = outcome(check_load, TEST_BASE, &value);
    set = *(volatile u64 *)kernel_entry(TEST_BASE, 3) == (old | PTE_ACCESSED);
    sys_write("tcr_el1", tcr);
  }
  set_entry(0);
  page_free(page);
  EXPECT(FAULTED(fault, CLASS_DATA, STATUS_ACCESS_FLAG | LEVEL_3) && untouched);
  EXPECT(with_hardware == WORKED && set);
  buffer_print(note, hardware ? "hardware can set it" : "left to faults");
  return PASS;
}

/* A block of 2 MiB over memory that we also see in the direct map. */
enum verdict check_block(struct buffer *note) {
  vaddr at = TEST_BASE + 0x200000;
  u64 *entry = kernel_entry(at, 2), value, unused;
  replace_entry(entry, pte_of(image_load_address, PTE_READ_ONLY | NEVER_EXECUTED) & ~PTE_PAGE, at);
  s64 good = outcome(check_load, at + 0x1008, &value), bad = outcome(check_store, at + 0x1008, &unused);
  replace_entry(entry, 0, at);
  s64 nothing = outcome(check_load, at + 0x1008, &unused);
  EXPECT(good == WORKED && value == *(u64 *)arch_at(image_load_address + 0x1008));
  EXPECT(FAULTED(bad, CLASS_DATA, STATUS_PERMISSION | 2));
  EXPECT(FAULTED(nothing, CLASS_DATA, STATUS_TRANSLATION | 2));
  return PASS;
}

#define TRANSLATE(operation, at)                                                       \
  ({                                                                                   \
    __asm__ volatile("at " operation ", %0\n isb" ::"r"((vaddr)(at)) : "memory");       \
    sys_read("par_el1");                                                               \
  })

/* The instructions that translate: PAR_EL1 has the address, or why there is none. */
enum verdict check_translate(struct buffer *note) {
  paddr page = page_new();
  set_entry(pte_of(page, PTE_READ_ONLY | NEVER_EXECUTED));
  u64 read = TRANSLATE("s1e1r", TEST_BASE + 0x123), write = TRANSLATE("s1e1w", TEST_BASE);
  u64 user = TRANSLATE("s1e0r", TEST_BASE);
  set_entry(0);
  u64 nothing = TRANSLATE("s1e1r", TEST_BASE);
  page_free(page);
  EXPECT((read & 1) == 0 && (read & 0xfffffffff000) == page);
  EXPECT((write & 1) && (write >> 1 & 63) == (STATUS_PERMISSION | LEVEL_3));
  EXPECT((user & 1) && (user >> 1 & 63) == (STATUS_PERMISSION | LEVEL_3));
  EXPECT((nothing & 1) && (nothing >> 1 & 63) == (STATUS_TRANSLATION | LEVEL_3));
  return PASS;
}

/* A function that is written, called, rewritten and called again: mov w0, #n; ret. */
enum verdict check_code_change(struct buffer *note) {
  paddr page = page_new();
  volatile u32 *code = arch_at(page);
  set_entry(pte_of(page, PTE_READ_ONLY | PTE_NO_USER_EXECUTE));
  u64 results[3];
  for (u32 n = 0; n < 3; n++) {
    code[0] = 0x52800000 | (n + 1) << 5;
    code[1] = 0xd65f03c0;
    code_written((void *)code, 8);
    results[n] = check_call(TEST_BASE);
  }
  set_entry(0);
  page_free(page);
  EXPECT(results[0] == 1 && results[1] == 2 && results[2] == 3);
  return PASS;
}

/* TLB maintenance reaches the other processors. */
enum verdict check_remote_tlb(struct buffer *note) {
  if (!cpu_online(1)) return SKIP;
  paddr a = page_new(), b = page_new();
  *(u64 *)arch_at(a) = 111;
  *(u64 *)arch_at(b) = 222;
  u64 first = 0, second = 0;
  set_entry(pte_of(a, NEVER_EXECUTED));
  bool answered = cpu_call(1, check_load, TEST_BASE, &first);
  set_entry(pte_of(b, NEVER_EXECUTED));
  answered = cpu_call(1, check_load, TEST_BASE, &second) && answered;
  set_entry(0);
  page_free(a);
  page_free(b);
  EXPECT(answered && first == 111 && second == 222);
  return PASS;
}
