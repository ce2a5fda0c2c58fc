/* Checks of the self-test that are the same everywhere; each architecture lists them among its own. */
#include "arch.h"
#include "check.h"
#include "layout.h"
#include "pages.h"
#include "task.h"

/* ---- Things to try ------------------------------------------------------------------------ */

u64 check_load(u64 at) { return *(volatile u64 *)at; }
u64 check_store(u64 at) { return *(volatile u64 *)at = 1; }
u64 check_call(u64 at) { return ((u64(*)(void))at)(); }

s64 outcome(u64 (*body)(u64), u64 argument, u64 *value) {
  struct fault fault;
  u64 result = 0;
  bool worked = guarded(body, argument, &result, &fault);
  *value = worked ? result : fault.value;
  return worked ? WORKED : (s64)fault.cause;
}

/* ---- Time --------------------------------------------------------------------------------- */

enum verdict check_timer(struct buffer *note) {
  u64 first = arch_ticks(), latest = 0;
  for (int i = 0; i < 5; i++) {
    u64 before = interrupts.timer, wish = arch_ticks() + ticks_of_ms(1);
    arch_set_alarm(wish);
    while (interrupts.timer == before && arch_ticks() < wish + ticks_of_ms(PATIENCE_MS)) arch_idle();
    u64 late = arch_ticks() - wish;
    EXPECT(interrupts.timer > before);
    EXPECT((s64)late >= 0);
    if (late > latest) latest = late;
  }
  buffer_print(note, "5 in %lu us, at most %lu us late", nanoseconds(arch_ticks() - first) / 1000,
               nanoseconds(latest) / 1000);
  return PASS;
}

/* ---- Memory ------------------------------------------------------------------------------- */

enum { READ_WRITE = RIGHT_READ | RIGHT_WRITE };

enum verdict check_remap(struct buffer *note) {
  paddr a = page_new(), b = page_new();
  *(u64 *)arch_at(a) = 111;
  *(u64 *)arch_at(b) = 222;
  arch_test_map(a, READ_WRITE);
  u64 first = check_load(TEST_BASE);
  arch_test_map(b, READ_WRITE);
  u64 second = check_load(TEST_BASE);
  check_store(TEST_BASE);
  u64 written = *(volatile u64 *)arch_at(b);
  arch_test_map(0, 0);
  page_free(a);
  page_free(b);
  EXPECT(first == 111 && second == 222 && written == 1);
  return PASS;
}

/* Two programs' spaces with different pages at one address, with and without a fence between. */
enum verdict check_asids(struct buffer *note) {
  struct space spaces[2] = {{.slot = MAX_TASKS}, {.slot = MAX_TASKS + 1}};
  u64 pages_before = pages_available();
  for (u64 i = 0; i < 2; i++) {
    paddr page = page_new();
    EXPECT(arch_space_new(&spaces[i]) && arch_map(&spaces[i], 0x10000, page, READ_WRITE));
    *(u64 *)arch_at(page) = 100 + i;
  }
  arch_user_access(true);
  u64 seen[4];
  for (int i = 0; i < 4; i++) {
    arch_space_use(&spaces[i % 2]);
    seen[i] = check_load(0x10000);
  }
  arch_user_access(false);
  arch_space_use(NULL);
  for (int i = 0; i < 2; i++) arch_space_free(&spaces[i]);

  for (u64 i = 0; i < 4; i++) EXPECT(seen[i] == 100 + i % 2);
  EXPECT(pages_available() == pages_before);
  buffer_print(note, "%u bits", arch_space_tag_bits());
  return PASS;
}
