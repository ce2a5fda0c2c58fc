/* Sv39 as the hart (and whatever second stage lies below) really does it. */
#include "arch.h"
#include "checks.h"
#include "cpus.h"
#include "csr.h"
#include "layout.h"
#include "pages.h"
#include "riscv.h"
#include "sbi.h"
#include "task.h"

enum { RW = PTE_R | PTE_W | PTE_A | PTE_D };

static void set_entry(vaddr at, u64 entry) {
  *kernel_entry(at, 0) = entry;
  fence_page(at);
}

void arch_test_map(paddr page, unsigned rights) {
  u64 flags = PTE_A;
  if (rights & RIGHT_READ) flags |= PTE_R;
  if (rights & RIGHT_WRITE) flags |= PTE_W | PTE_D;
  if (rights & RIGHT_EXECUTE) flags |= PTE_X;
  set_entry(TEST_BASE, page == 0 ? 0 : pte_of(page, flags));
}

void arch_user_access(bool on) {
  if (on) csr_set("sstatus", STATUS_SUM);
  else csr_clear("sstatus", STATUS_SUM);
}

enum verdict check_rights(struct buffer *note) {
  paddr page = page_new();
  u64 value;
  set_entry(TEST_BASE, pte_of(page, PTE_R | PTE_A));
  s64 read = outcome(check_load, TEST_BASE, &value);
  s64 write = outcome(check_store, TEST_BASE + 16, &value);
  EXPECT(value == TEST_BASE + 16); /* the faulting address is told */
  s64 fetch = outcome(check_call, TEST_BASE + 8, &value);
  set_entry(TEST_BASE, pte_of(page, PTE_X | PTE_A));
  s64 read_code = outcome(check_load, TEST_BASE, &value);
  csr_set("sstatus", STATUS_MXR);
  s64 read_code_mxr = outcome(check_load, TEST_BASE, &value);
  csr_clear("sstatus", STATUS_MXR);
  set_entry(TEST_BASE, 0);
  s64 nothing = outcome(check_load, TEST_BASE, &value);
  page_free(page);

  EXPECT(read == WORKED && write == CAUSE_STORE_PAGE && fetch == CAUSE_FETCH_PAGE);
  EXPECT(read_code == CAUSE_LOAD_PAGE && read_code_mxr == WORKED);
  EXPECT(nothing == CAUSE_LOAD_PAGE);
  EXPECT(outcome(check_load, 1ul << 45, &value) == CAUSE_LOAD_PAGE); /* no address in Sv39 */
  EXPECT(outcome(check_store, (u64)image_start, &value) == CAUSE_STORE_PAGE); /* our own code */
  return PASS;
}

enum verdict check_user_pages(struct buffer *note) {
  paddr page = page_new();
  u64 value;
  set_entry(TEST_BASE, pte_of(page, RW | PTE_X | PTE_U));
  s64 plain = outcome(check_load, TEST_BASE, &value);
  csr_set("sstatus", STATUS_SUM);
  s64 with_sum = outcome(check_load, TEST_BASE, &value);
  fence_page(TEST_BASE); /* QEMU 7 would fetch by what the load left in its TLB */
  s64 fetch = outcome(check_call, TEST_BASE, &value); /* never, whatever SUM says */
  csr_clear("sstatus", STATUS_SUM);
  set_entry(TEST_BASE, 0);
  page_free(page);
  EXPECT(plain == CAUSE_LOAD_PAGE && with_sum == WORKED && fetch == CAUSE_FETCH_PAGE);
  return PASS;
}

/* The hart sets the accessed and dirty bits, or it faults and leaves that to us. */
enum verdict check_accessed_dirty(struct buffer *note) {
  paddr page = page_new();
  u64 value, *entry = kernel_entry(TEST_BASE, 0);
  set_entry(TEST_BASE, pte_of(page, PTE_R | PTE_W));
  s64 read = outcome(check_load, TEST_BASE, &value);
  u64 after_read = *(volatile u64 *)entry;
  set_entry(TEST_BASE, pte_of(page, PTE_R | PTE_W | PTE_A));
  s64 write = outcome(check_store, TEST_BASE, &value);
  u64 after_write = *(volatile u64 *)entry;
  set_entry(TEST_BASE, 0);
  page_free(page);

  if (read == WORKED) {
    EXPECT(after_read & PTE_A && !(after_read & PTE_D));
    EXPECT(write == WORKED && after_write & PTE_D);
    buffer_print(note, "set by hardware");
  } else {
    EXPECT(read == CAUSE_LOAD_PAGE && !(after_read & PTE_A));
    EXPECT(write == CAUSE_STORE_PAGE && !(after_write & PTE_D));
    buffer_print(note, "left to faults");
  }
  return PASS;
}

/* A 2 MiB page over memory that we also see in the direct map; and one whose address is not a
 * multiple of 2 MiB, which must fault. */
enum verdict check_big_page(struct buffer *note) {
  vaddr at = TEST_BASE + 0x200000;
  u64 *entry = kernel_entry(at, 1);
  paddr big = round_down(image_load_address, 0x200000);
  *entry = pte_of(big, PTE_R | PTE_A);
  fence_all();
  u64 value, wrong;
  s64 good = outcome(check_load, at + 0x1008, &value);
  *entry = pte_of(big + 0x1000, PTE_R | PTE_A);
  fence_all();
  s64 bad = outcome(check_load, at + 0x1008, &wrong);
  *entry = 0;
  fence_all();
  EXPECT(good == WORKED && value == *(u64 *)arch_at(big + 0x1008));
  EXPECT(bad == CAUSE_LOAD_PAGE);
  return PASS;
}

/* A function that is written, called, rewritten and called again: c.li a0, n; c.jr ra. */
enum verdict check_code_change(struct buffer *note) {
  paddr page = page_new();
  volatile u32 *code = arch_at(page);
  set_entry(TEST_BASE, pte_of(page, PTE_R | PTE_X | PTE_A));
  u64 results[3];
  for (u32 n = 0; n < 3; n++) {
    *code = 0x80824501 | (n + 1) << 2;
    fence_code();
    results[n] = check_call(TEST_BASE);
  }
  set_entry(TEST_BASE, 0);
  page_free(page);
  EXPECT(results[0] == 1 && results[1] == 2 && results[2] == 3);
  return PASS;
}

/* Another hart must see a new mapping after a remote fence. */
enum verdict check_remote_fence(struct buffer *note) {
  if (!cpu_online(1) || !sbi_has(SBI_RFENCE)) return SKIP;
  paddr a = page_new(), b = page_new();
  *(u64 *)arch_at(a) = 111;
  *(u64 *)arch_at(b) = 222;
  u64 mask = 1, base = harts[1].id, first = 0, second = 0;
  set_entry(TEST_BASE, pte_of(a, RW));
  sbi_call5(SBI_RFENCE, RFENCE_VMA, mask, base, TEST_BASE, PAGE_SIZE, 0);
  bool answered = cpu_call(1, check_load, TEST_BASE, &first);
  set_entry(TEST_BASE, pte_of(b, RW));
  s64 error = sbi_call5(SBI_RFENCE, RFENCE_VMA, mask, base, TEST_BASE, PAGE_SIZE, 0).error;
  answered = cpu_call(1, check_load, TEST_BASE, &second) && answered;
  set_entry(TEST_BASE, 0);
  sbi_call5(SBI_RFENCE, RFENCE_VMA, mask, base, TEST_BASE, PAGE_SIZE, 0);
  page_free(a);
  page_free(b);
  EXPECT(error == SBI_SUCCESS && answered);
  EXPECT(first == 111 && second == 222);
  return PASS;
}
