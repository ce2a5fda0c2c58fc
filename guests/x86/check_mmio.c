/* Device registers in memory: each kind of instruction, as a hypervisor must decode and answer it. */
#include "arch.h"
#include "board.h"
#include "checks.h"
#include "io.h"
#include "layout.h"
#include "string.h"
#include "task.h"

#define VIRTIO_MAGIC 0x74726976 /* "virt" */

/* The I/O APIC's register selection: it keeps what is written, of which only the low byte may count. */
static u64 selection(void) { return (u64)arch_at(board.io_apic); }

/* An instruction on the register at %1, with %0: what the register is then, and %0 above it. */
#define FORM(before, instruction, operand)                                                        \
  ({                                                                                              \
    u64 form_operand = (u64)(operand);                                                            \
    mmio_write32(board.io_apic, before);                                                          \
    __asm__ volatile(instruction : "+a"(form_operand) : "r"(selection()) : "memory", "cc", "rcx"); \
    form_operand << 32 | mmio_read32(board.io_apic);                                              \
  })
#define IS(operand, now) ((u64)(operand) << 32 | (now))

enum verdict check_mmio_forms(struct buffer *note) {
  if (board.io_apic == 0) return SKIP;
  EXPECT(FORM(0x12, "movl (%1), %k0", ~0ul) == IS(0x12, 0x12));
  EXPECT(FORM(0x12, "movl %k0, (%1)", 0x34) == IS(0x34, 0x34));
  EXPECT(FORM(0x12, "movl $0x56, (%1)", 0) == IS(0, 0x56));
  EXPECT(FORM(0x12, "movzbl (%1), %k0", ~0ul) == IS(0x12, 0x12));
  EXPECT(FORM(0x92, "movsbl (%1), %k0", 0) == IS(0xffffff92, 0x92));
  EXPECT(FORM(0x92, "movslq (%1), %0", ~0ul) == IS(0x92, 0x92));
  EXPECT(FORM(0x12, "movb (%1), %b0", 0xff00) == IS(0xff12, 0x12));
  EXPECT(FORM(0x12, "movb %%ah, (%1)", 0x3400) == IS(0x3400, 0x34));
  EXPECT(FORM(0x12, "movl $0x77, 0(%1)\n testl $0x70, (%1)\n setnz %b0", 0) == IS(1, 0x77));
  EXPECT(FORM(0x12, "cmpl $0x12, (%1)\n sete %b0", 0) == IS(1, 0x12));
  EXPECT(FORM(0x12, "cmpl (%1), %k0\n setb %b0\n movzbl %b0, %k0", 0x11) == IS(1, 0x12));
  EXPECT(FORM(0x12, "addl (%1), %k0", 1) == IS(0x13, 0x12));
  EXPECT(FORM(0x12, "orl %k0, (%1)", 0x21) == IS(0x21, 0x33));
  EXPECT(FORM(0x13, "andl $0x11, (%1)", 0) == IS(0, 0x11));
  EXPECT(FORM(0x13, "xorl %k0, (%1)", 0x11) == IS(0x11, 0x02));
  EXPECT(FORM(0x13, "incl (%1)\n addl $2, (%1)\n subl %k0, (%1)", 1) == IS(1, 0x15));
  EXPECT(FORM(0x12, "btsl $3, (%1)\n setc %b0", 0) == IS(0, 0x1a));
  EXPECT(FORM(0x12, "xchgl %k0, (%1)", 0x34) == IS(0x12, 0x34));
  EXPECT(FORM(0x12, "lock xaddl %k0, (%1)", 0x30) == IS(0x12, 0x42));
  EXPECT(FORM(0x12, "movl $0x55, %%ecx\n lock cmpxchgl %%ecx, (%1)", 0x12) == IS(0x12, 0x55));
  EXPECT(FORM(0x12, "pushq (%1)\n popq %0\n movzbl %b0, %k0", 0) == IS(0x12, 0x12));
  mmio_write32(board.io_apic, 0);
  return PASS;
}

enum verdict check_mmio_strings(struct buffer *note) {
  if (board.io_apic == 0) return SKIP;
  u32 words[4] = {0, 0x21, 0x43, 0};
  u64 di = (u64)words, si = selection(), count = 1;
  mmio_write32(board.io_apic, 0x12);
  __asm__ volatile("rep movsl" : "+D"(di), "+S"(si), "+c"(count) : : "memory");
  EXPECT(words[0] == 0x12 && di == (u64)(words + 1) && si == selection() + 4 && count == 0);
  di = selection();
  si = (u64)(words + 1);
  __asm__ volatile("movsl" : "+D"(di), "+S"(si) : : "memory");
  EXPECT(mmio_read32(board.io_apic) == 0x21 && di == selection() + 4);
  di = selection();
  __asm__ volatile("stosl" : "+D"(di) : "a"(0x65) : "memory");
  EXPECT(mmio_read32(board.io_apic) == 0x65);
  si = selection();
  u64 loaded;
  __asm__ volatile("lodsl" : "=a"(loaded), "+S"(si) : : "memory");
  mmio_write32(board.io_apic, 0);
  EXPECT(loaded == 0x65 && si == selection() + 4);
  return PASS;
}

/* check_mmio.S */
enum { REGISTERS = 15 };
void load_each_register(u64 address, u64 results[REGISTERS]);
u64 store_each_register(u64 address, u64 first);

enum verdict check_mmio_registers(struct buffer *note) {
  if (board.io_apic == 0) return SKIP;
  u64 loaded[REGISTERS];
  mmio_write32(board.io_apic, 0x12);
  load_each_register(selection(), loaded);
  for (int i = 0; i < REGISTERS; i++) EXPECT(loaded[i] == 0x12);
  u64 sum = store_each_register(selection(), 0x10);
  mmio_write32(board.io_apic, 0);
  EXPECT(sum == 15 * 0x10 + 15 * 14 / 2);
  return PASS;
}

#define LOAD(instruction, at)                                                            \
  ({                                                                                     \
    u64 load_value;                                                                      \
    __asm__ volatile(instruction : "=r"(load_value) : "r"((u64)(at)) : "memory");         \
    load_value;                                                                          \
  })

enum verdict check_mmio_widths(struct buffer *note) {
  if (board.virtio_count == 0) return SKIP;
  u64 at = (u64)arch_at(board.virtio[0].base);
  EXPECT(LOAD("movl (%1), %k0", at) == VIRTIO_MAGIC && LOAD("movslq (%1), %0", at) == VIRTIO_MAGIC);
  /* It need not answer to other widths, but then with zeros or ones; and it must stay what it is. */
  u64 byte = LOAD("movzbl (%1), %k0", at), half = LOAD("movzwl (%1), %k0", at);
  EXPECT(byte == (VIRTIO_MAGIC & 0xff) || byte == 0 || byte == 0xff);
  EXPECT(half == (VIRTIO_MAGIC & 0xffff) || half == 0 || half == 0xffff);
  u64 both = LOAD("movl 4(%1), %k0", at) << 32 | VIRTIO_MAGIC;
  EXPECT(LOAD("movq (%1), %0", at) == both); /* two words, the low one first */
  EXPECT(LOAD("movl (%1), %k0", at) == VIRTIO_MAGIC);
  return PASS;
}

/* Where there is nothing, nothing answers and nothing traps: ones, or zeros. */
enum verdict check_nowhere(struct buffer *note) {
  enum { NOTHING = 0xfec80000 }; /* between what all PCs have */
  u64 *entry = kernel_entry(TEST_BASE, 1);
  *entry = NOTHING | PTE_PRESENT | PTE_WRITABLE | PTE_ACCESSED | PTE_DIRTY | PTE_UNCACHED | PTE_NO_EXECUTE;
  flush_page(TEST_BASE);
  s64 store = trap_of(check_store, TEST_BASE + 8);
  u64 word = LOAD("movl (%1), %k0", TEST_BASE + 4), byte = LOAD("movzbl (%1), %k0", TEST_BASE);
  u64 wide = LOAD("movq (%1), %0", TEST_BASE + 8);
  *entry = 0;
  flush_page(TEST_BASE);
  EXPECT(store == WORKED && (word == 0 || word == 0xffffffff));
  EXPECT(byte == (word & 0xff) && wide == (word | (u64)word << 32));
  buffer_print(note, "%x at %x", (u32)word, NOTHING);
  return PASS;
}

/* ---- HPET (IA-PC HPET specification 1.0a) -------------------------------------------------- */

enum { CAPABILITIES = 0x00, CONFIGURATION = 0x10, COUNTER = 0xf0, TIMER_0 = 0x100, COMPARATOR_0 = 0x108 };
enum { ON = 1, INTERRUPTS = 4, ROUTE_SHIFT = 9 };

enum verdict check_hpet(struct buffer *note) {
  if (board.hpet == 0) return SKIP;
  u64 capabilities = mmio_read64(board.hpet + CAPABILITIES), period = capabilities >> 32; /* femtoseconds */
  EXPECT(period > 0 && period <= 100000000);
  EXPECT(mmio_read32(board.hpet + CAPABILITIES + 4) == period);
  mmio_write64(board.hpet + CONFIGURATION, 0);
  mmio_write64(board.hpet + COUNTER, 0x123456789);
  EXPECT(mmio_read64(board.hpet + COUNTER) == 0x123456789); /* it stands */
  mmio_write64(board.hpet + COUNTER, 0);
  int tries = 0;
  bool right = false;
  for (; !right && tries < 20; tries++) {
    u64 first_count = mmio_read64(board.hpet + COUNTER), start = arch_ticks();
    mmio_write64(board.hpet + CONFIGURATION, ON);
    wait_us(2000);
    u64 ticks = arch_ticks() - start, count = mmio_read64(board.hpet + COUNTER) - first_count;
    mmio_write64(board.hpet + CONFIGURATION, 0);
    right = agree(count, nanoseconds(ticks) * 1000000 / period);
  }
  EXPECT(right);

  u64 timer = mmio_read64(board.hpet + TIMER_0);
  u32 routes = timer >> 32;
  unsigned gsi = 31;
  while (gsi > 16 && !(routes >> gsi & 1)) gsi--;
  if (gsi <= 16 || gsi >= lines_count()) return PASS; /* no line that nobody else has */
  u64 before = trap_count(VECTOR_FIRST_LINE + gsi);
  line_enable(gsi, false);
  mmio_write64(board.hpet + TIMER_0, (u64)gsi << ROUTE_SHIFT | INTERRUPTS);
  mmio_write64(board.hpet + COMPARATOR_0, mmio_read64(board.hpet + COUNTER) + 1000000000000 / period);
  mmio_write64(board.hpet + CONFIGURATION, ON);
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  arch_set_alarm(deadline);
  while (trap_count(VECTOR_FIRST_LINE + gsi) == before && arch_ticks() < deadline) arch_idle();
  arch_set_alarm(NEVER);
  mmio_write64(board.hpet + TIMER_0, timer);
  mmio_write64(board.hpet + CONFIGURATION, 0);
  line_disable(gsi);
  EXPECT(trap_count(VECTOR_FIRST_LINE + gsi) == before + 1);
  buffer_print(note, "%lu MHz, line %u", 1000000000 / period, gsi);
  return PASS;
}
