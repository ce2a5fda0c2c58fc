/* Address translation as the processor (and whatever second stage lies below) really does it. */
#include "arch.h"
#include "checks.h"
#include "cpus.h"
#include "layout.h"
#include "pages.h"
#include "task.h"

#define USED (PTE_PRESENT | PTE_ACCESSED)

static void set_entry(u64 value) {
  *(volatile u64 *)kernel_entry(TEST_BASE, 1) = value;
  flush_page(TEST_BASE);
}
static u64 entry_now(void) { return *(volatile u64 *)kernel_entry(TEST_BASE, 1); }

enum verdict check_rights(struct buffer *note) {
  paddr page = page_new();
  u64 unused;
  set_entry(page | USED | PTE_NO_EXECUTE);
  s64 read = trap_of(check_load, TEST_BASE);
  struct fault write = attempt(check_store, TEST_BASE + 16, &unused);
  struct fault fetch = attempt(check_call, TEST_BASE + 8, &unused);
  set_entry(0);
  struct fault nothing = attempt(check_load, TEST_BASE + 24, &unused);
  page_free(page);
  EXPECT(read == WORKED);
  EXPECT(TRAPPED(write.cause, VECTOR_PAGE, PAGE_PROTECTION | PAGE_WRITE) && write.value == TEST_BASE + 16);
  EXPECT(TRAPPED(fetch.cause, VECTOR_PAGE, PAGE_PROTECTION | PAGE_FETCH) && fetch.value == TEST_BASE + 8);
  EXPECT(fetch.pc == TEST_BASE + 8);
  EXPECT(TRAPPED(nothing.cause, VECTOR_PAGE, 0) && nothing.value == TEST_BASE + 24);
  struct fault code = attempt(check_store, (u64)image_start, &unused); /* our own */
  EXPECT(TRAPPED(code.cause, VECTOR_PAGE, PAGE_PROTECTION | PAGE_WRITE));
  return PASS;
}

/* Without CR0.WP the kernel writes where programs may not. */
enum verdict check_write_protect(struct buffer *note) {
  paddr page = page_new();
  set_entry(page | USED | PTE_NO_EXECUTE);
  control_write("cr0", control_read("cr0") & ~(u64)CR0_WP);
  s64 off = trap_of(check_store, TEST_BASE);
  control_write("cr0", control_read("cr0") | CR0_WP);
  s64 on = trap_of(check_store, TEST_BASE);
  u64 written = *(u64 *)arch_at(page);
  set_entry(0);
  page_free(page);
  EXPECT(off == WORKED && written == 1);
  EXPECT(TRAPPED(on, VECTOR_PAGE, PAGE_PROTECTION | PAGE_WRITE));
  return PASS;
}

/* A page of a program's, made here in its half of a space of its own. */
static struct fault attempt_in_user_page(u64 (*body)(u64), bool allowed) {
  struct space space = {.slot = MAX_TASKS};
  paddr page = page_new();
  u64 unused;
  *(u8 *)arch_at(page) = 0xc3; /* ret */
  arch_space_new(&space);
  arch_map(&space, 0x10000, page, RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE);
  arch_space_use(&space);
  arch_user_access(allowed);
  struct fault fault = attempt(body, 0x10000, &unused);
  arch_user_access(false);
  arch_space_use(NULL);
  arch_space_free(&space);
  return fault;
}

/* What programs may write, the kernel does not execute, */
enum verdict check_smep(struct buffer *note) {
  if (!features.smep) return SKIP;
  struct fault fault = attempt_in_user_page(check_call, true);
  EXPECT(TRAPPED(fault.cause, VECTOR_PAGE, PAGE_PROTECTION | PAGE_FETCH) && fault.value == 0x10000);
  return PASS;
}

/* and does not touch, unless it says so. */
enum verdict check_smap(struct buffer *note) {
  if (!features.smap) return SKIP;
  struct fault load = attempt_in_user_page(check_load, false), store = attempt_in_user_page(check_store, false);
  EXPECT(TRAPPED(load.cause, VECTOR_PAGE, PAGE_PROTECTION));
  EXPECT(TRAPPED(store.cause, VECTOR_PAGE, PAGE_PROTECTION | PAGE_WRITE));
  EXPECT((s64)attempt_in_user_page(check_load, true).cause == WORKED);
  EXPECT((s64)attempt_in_user_page(check_store, true).cause == WORKED);
  return PASS;
}

enum verdict check_accessed_dirty(struct buffer *note) {
  paddr page = page_new();
  set_entry(page | PTE_PRESENT | PTE_WRITABLE | PTE_NO_EXECUTE);
  u64 before = entry_now();
  check_load(TEST_BASE);
  u64 loaded = entry_now();
  check_store(TEST_BASE);
  u64 stored = entry_now();
  set_entry(0);
  page_free(page);
  EXPECT(!(before & (PTE_ACCESSED | PTE_DIRTY)));
  EXPECT((loaded & (PTE_ACCESSED | PTE_DIRTY)) == PTE_ACCESSED);
  EXPECT((stored & (PTE_ACCESSED | PTE_DIRTY)) == (PTE_ACCESSED | PTE_DIRTY));
  return PASS;
}

/* A piece of 2 MiB or 1 GiB over memory that we also see in the direct map. */
static enum verdict check_large(struct buffer *note, int level, paddr from, u64 offset) {
  u64 *entry = kernel_entry(TEST_BASE, level), saved = *entry, value, unused;
  u64 at = TEST_BASE + offset, seen = *(u64 *)arch_at(from + offset);
  *entry = from | USED | PTE_LARGE | PTE_NO_EXECUTE;
  control_write("cr3", image_address(kernel_root));
  flush_page(at);
  struct fault good = attempt(check_load, at, &value), bad = attempt(check_store, at, &unused);
  *entry = saved;
  flush_page(at);
  s64 nothing = trap_of(check_load, at);
  EXPECT((s64)good.cause == WORKED && value == seen);
  EXPECT(TRAPPED(bad.cause, VECTOR_PAGE, PAGE_PROTECTION | PAGE_WRITE) && bad.value == at);
  EXPECT(TRAPPED(nothing, VECTOR_PAGE, 0));
  return PASS;
}

enum verdict check_2m(struct buffer *note) { return check_large(note, 2, LOAD_BASE, 0x1008); }
enum verdict check_1g(struct buffer *note) {
  return features.page1g ? check_large(note, 3, 0, LOAD_BASE + 0x1008) : SKIP;
}

/* There are no pages of 512 GiB: at the highest level, the bit that would make one must be zero. */
enum verdict check_reserved(struct buffer *note) {
  enum { UNUSED = 300 };
  vaddr at = (vaddr)UNUSED << 39 | 0xffff000000000000;
  u64 unused;
  kernel_root[UNUSED] = image_address(kernel_root) | USED | PTE_LARGE;
  struct fault fault = attempt(check_load, at, &unused);
  kernel_root[UNUSED] = 0;
  flush_page(at);
  u64 cause = fault.cause | PAGE_PROTECTION << 8; /* it is present: QEMU forgets that */
  EXPECT(TRAPPED(cause, VECTOR_PAGE, PAGE_PROTECTION | PAGE_RESERVED) && fault.value == at);
  return PASS;
}

/* Global pages stay in the TLB when CR3 changes, and go when CR4.PGE does. */
enum verdict check_global(struct buffer *note) {
  paddr a = page_new(), b = page_new();
  *(u64 *)arch_at(a) = 111;
  *(u64 *)arch_at(b) = 222;
  set_entry(a | USED | PTE_GLOBAL | PTE_NO_EXECUTE);
  u64 first = check_load(TEST_BASE);
  *(volatile u64 *)kernel_entry(TEST_BASE, 1) = b | USED | PTE_GLOBAL | PTE_NO_EXECUTE;
  control_write("cr3", image_address(kernel_root));
  u64 kept = check_load(TEST_BASE);
  u64 cr4 = control_read("cr4");
  control_write("cr4", cr4 & ~(u64)CR4_PGE);
  control_write("cr4", cr4);
  u64 second = check_load(TEST_BASE);
  set_entry(0);
  page_free(a);
  page_free(b);
  EXPECT(first == 111 && second == 222 && (kept == 111 || kept == 222));
  buffer_print(note, kept == 111 ? "kept" : "not kept");
  return PASS;
}

static void invpcid(u64 kind, u64 pcid, vaddr at) {
  struct {
    u64 pcid, at;
  } what = {pcid, at};
  __asm__ volatile("invpcid %0, %1" ::"m"(what), "r"(kind) : "memory");
}

BODY(invpcid_unknown, "subq $16, %%rsp\n invpcid (%%rsp), %0\n addq $16, %%rsp")

enum verdict check_invpcid(struct buffer *note) {
  if (!features.invpcid) return SKIP;
  paddr a = page_new(), b = page_new();
  *(u64 *)arch_at(a) = 111;
  *(u64 *)arch_at(b) = 222;
  volatile u64 *entry = kernel_entry(TEST_BASE, 1);
  u64 seen[4];
  for (u64 kind = 0; kind < 4; kind++) { /* one address, one PCID, everything, everything but global pages */
    set_entry(a | USED | PTE_NO_EXECUTE);
    check_load(TEST_BASE);
    *entry = b | USED | PTE_NO_EXECUTE;
    invpcid(kind, 0, TEST_BASE);
    seen[kind] = check_load(TEST_BASE);
  }
  set_entry(0);
  page_free(a);
  page_free(b);
  for (int kind = 0; kind < 4; kind++) EXPECT(seen[kind] == 222);
  EXPECT(TRAPPED(trap_of(invpcid_unknown, 4), VECTOR_PROTECTION, 0));
  return PASS;
}

/* A function that is written, called, rewritten and called again, without a word to the processor:
 * mov eax, n; ret. */
enum verdict check_code_change(struct buffer *note) {
  paddr page = page_new();
  set_entry(page | USED | PTE_WRITABLE | PTE_DIRTY);
  volatile u8 *code = (u8 *)TEST_BASE;
  code[0] = 0xb8;
  code[5] = 0xc3;
  u64 results[3];
  for (u8 n = 0; n < 3; n++) {
    code[1] = n + 1;
    results[n] = check_call(TEST_BASE);
  }
  set_entry(0);
  page_free(page);
  EXPECT(results[0] == 1 && results[1] == 2 && results[2] == 3);
  return PASS;
}

static u64 flush_there(u64 at) {
  flush_page(at);
  return 0;
}

/* Another processor's TLB is its own affair: it has to be asked. */
enum verdict check_remote_tlb(struct buffer *note) {
  if (!cpu_online(1)) return SKIP;
  paddr a = page_new(), b = page_new();
  *(u64 *)arch_at(a) = 111;
  *(u64 *)arch_at(b) = 222;
  u64 first = 0, second = 0, unused;
  set_entry(a | USED | PTE_NO_EXECUTE);
  bool answered = cpu_call(1, check_load, TEST_BASE, &first);
  set_entry(b | USED | PTE_NO_EXECUTE);
  answered = cpu_call(1, flush_there, TEST_BASE, &unused) && answered;
  answered = cpu_call(1, check_load, TEST_BASE, &second) && answered;
  set_entry(0);
  cpu_call(1, flush_there, TEST_BASE, &unused);
  page_free(a);
  page_free(b);
  EXPECT(answered && first == 111 && second == 222);
  return PASS;
}
