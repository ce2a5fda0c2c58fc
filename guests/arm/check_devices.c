/* Device registers: each kind of load and store, as a hypervisor must decode and answer them; and the
 * interrupt controller. */
#include "arch.h"
#include "arm.h"
#include "board.h"
#include "checks.h"
#include "console.h"
#include "io.h"
#include "layout.h"
#include "pl011.h"
#include "task.h"

#define VIRTIO_MAGIC 0x74726976 /* "virt" */
enum { PRIORITY = 0x400, SET_PENDING = 0x200, FIRST_SHARED = 32 };

#define LOAD(instruction, address)                                                               \
  ({                                                                                             \
    u64 load_value;                                                                              \
    __asm__ volatile(instruction ", [%1]" : "=r"(load_value) : "r"((u64)(address)) : "memory");  \
    load_value;                                                                                  \
  })
#define STORE(instruction, address, value) \
  __asm__ volatile(instruction ", [%1]" ::"r"((u64)(value)), "r"((u64)(address)) : "memory")

#define BODY(name, instruction)                                     \
  static u64 name(u64 argument) {                                   \
    u64 result = argument;                                          \
    __asm__ volatile(instruction : "+r"(result) : : "memory", "x9"); \
    return result;                                                  \
  }
BODY(load_half, "ldrh %w0, [%0]")
BODY(load_signed_half, "ldrsh %0, [%0]")
BODY(store_half, "strh wzr, [%0]")
BODY(load_word, "ldr %w0, [%0]")
BODY(store_word, "str wzr, [%0]")
BODY(load_double, "ldr %0, [%0]")
BODY(store_double, "str xzr, [%0]")
BODY(load_write_back, "mov x9, %0\n ldr %w0, [x9], #4\n add %0, %0, x9, lsl #32")
BODY(load_pair, "ldp w9, %w0, [%0]\n mov w9, w9\n orr %0, x9, %0, lsl #32")

static u64 virtio(void) { return (u64)arch_at(board.virtio[0].base); }

/* Priorities of the last interrupts there are, which nobody uses: four bytes that keep at least their upper
 * four bits each, and may be accessed as bytes. */
static unsigned last_line(void) { return gic_lines() - 4; }
static u64 priorities(void) { return (u64)arch_at(board.distributor.base + PRIORITY + last_line()); }
static bool has_shared(void) { return board.gic_version != 0 && gic_lines() > FIRST_SHARED; }

enum verdict check_mmio_byte(struct buffer *note) {
  if (!has_shared()) return SKIP;
  u64 at = priorities() + 1, before = LOAD("ldrb %w0", at), beside = LOAD("ldrb %w0", at + 1);
  STORE("strb %w0", at, 0xb0);
  u64 plain = LOAD("ldrb %w0", at), in32 = LOAD("ldrsb %w0", at), in64 = LOAD("ldrsb %0", at);
  u64 still_beside = LOAD("ldrb %w0", at + 1);
  STORE("strb %w0", at, 0x150); /* only the low byte counts */
  u64 low = LOAD("ldrb %w0", at);
  STORE("strb %w0", at, before);
  EXPECT(plain == 0xb0 && in32 == 0xffffffb0 && in64 == (u64)-0x50);
  EXPECT(low == 0x50 && still_beside == beside);
  return PASS;
}

/* Few devices answer to half words and double words. They may refuse them, but only by an external abort. */
#define WORKED_OR_REFUSED(cause) ((cause) == WORKED || FAULTED(cause, CLASS_DATA, STATUS_EXTERNAL))

enum verdict check_mmio_half(struct buffer *note) {
  if (board.virtio_count == 0) return SKIP;
  for (u64 offset = 0; offset <= 2; offset += 2) {
    u64 is_signed, is_unsigned, unused;
    s64 cause = outcome(load_half, virtio() + offset, &is_unsigned);
    EXPECT(WORKED_OR_REFUSED(cause));
    EXPECT((outcome(load_signed_half, virtio() + offset, &is_signed) == WORKED) == (cause == WORKED));
    if (cause == WORKED) EXPECT(is_unsigned <= 0xffff && is_signed == (u64)(s16)is_unsigned);
    cause = outcome(store_half, virtio() + offset, &unused); /* to a register that cannot be written */
    EXPECT(WORKED_OR_REFUSED(cause));
  }
  EXPECT(LOAD("ldr %w0", virtio()) == VIRTIO_MAGIC);
  return PASS;
}

enum verdict check_mmio_word(struct buffer *note) {
  if (board.virtio_count > 0) {
    EXPECT(LOAD("ldr %w0", virtio()) == VIRTIO_MAGIC);
    EXPECT(LOAD("ldrsw %0", virtio()) == VIRTIO_MAGIC);
  }
  if (!has_shared()) return board.virtio_count > 0 ? PASS : SKIP;
  u64 before = LOAD("ldr %w0", priorities());
  STORE("str %w0", priorities(), 0xb0a05040);
  u64 is_unsigned = LOAD("ldr %w0", priorities()), is_signed = LOAD("ldrsw %0", priorities());
  STORE("str %w0", priorities(), before);
  EXPECT(LOAD("ldr %w0", priorities()) == before);
  EXPECT(is_unsigned == 0xb0a05040 && is_signed == 0xffffffffb0a05040);
  return PASS;
}

enum verdict check_mmio_double(struct buffer *note) {
  if (board.virtio_count == 0) return SKIP;
  u64 value, unused, words = LOAD("ldr %w0", virtio() + 4) << 32 | VIRTIO_MAGIC; /* the low one first */
  s64 cause = outcome(load_double, virtio(), &value);
  EXPECT(WORKED_OR_REFUSED(cause));
  if (cause == WORKED) EXPECT(value == words);
  buffer_print(note, cause == WORKED ? "works" : "faults");
  cause = outcome(store_double, virtio(), &unused);
  EXPECT(WORKED_OR_REFUSED(cause));
  EXPECT(LOAD("ldr %w0", virtio()) == VIRTIO_MAGIC);
  return PASS;
}

/* The hardware tells a hypervisor nothing about loads with write-back, or of pairs: it must decode them
 * itself, or refuse. */
enum verdict check_mmio_write_back(struct buffer *note) {
  if (board.virtio_count == 0) return SKIP;
  u64 value, words = LOAD("ldr %w0", virtio() + 4) << 32 | VIRTIO_MAGIC;
  s64 cause = outcome(load_write_back, virtio(), &value);
  EXPECT(WORKED_OR_REFUSED(cause));
  if (cause == WORKED) EXPECT(value == VIRTIO_MAGIC + (virtio() + 4) * (1ul << 32));
  buffer_print(note, cause == WORKED ? "works" : "faults");
  cause = outcome(load_pair, virtio(), &value);
  EXPECT(WORKED_OR_REFUSED(cause));
  if (cause == WORKED) EXPECT(value == words);
  buffer_print(note, cause == WORKED ? ", pairs too" : ", pairs fault");
  return PASS;
}

/* check_devices.S */
enum { LOADS = 31, STORES = 30 };
void load_each_register(u64 address, u64 results[LOADS]);
u64 store_each_register(u64 address, u64 first, u64 step);

enum verdict check_mmio_registers(struct buffer *note) {
  if (board.virtio_count > 0) {
    u64 loaded[LOADS];
    load_each_register(virtio(), loaded);
    for (int i = 0; i < LOADS; i++) EXPECT(loaded[i] == VIRTIO_MAGIC);
  }
  if (board.uart.base == 0) return board.virtio_count > 0 ? PASS : SKIP;
  u64 before = LOAD("ldr %w0", pl011_scratch());
  u64 sum = store_each_register(pl011_scratch(), 3, 7);
  STORE("str %w0", pl011_scratch(), before);
  u64 expected = 0;
  for (u64 i = 0; i < STORES; i++) expected += 3 + 7 * i;
  EXPECT(sum == expected);
  return PASS;
}

/* Where the device tree has nothing there is nothing: an external abort, not a value. */
enum verdict check_nowhere(struct buffer *note) {
  u64 *entry = kernel_entry(TEST_BASE, 3), load_at, store_at;
  replace_entry(entry, pte_of(board.nowhere, PTE_DEVICE | PTE_NO_KERNEL_EXECUTE), TEST_BASE);
  s64 load = outcome(load_word, TEST_BASE + 4, &load_at);
  s64 store = outcome(store_word, TEST_BASE + 8, &store_at);
  replace_entry(entry, 0, TEST_BASE);
  EXPECT(FAULTED(load, CLASS_DATA, STATUS_EXTERNAL) && !was_write((u64)load));
  EXPECT(FAULTED(store, CLASS_DATA, STATUS_EXTERNAL) && was_write((u64)store));
  EXPECT(load_at == TEST_BASE + 4 && store_at == TEST_BASE + 8);
  buffer_print(note, "at %lx", board.nowhere);
  return PASS;
}

/* ---- Interrupts -------------------------------------------------------------------------- */

enum verdict check_gic(struct buffer *note) {
  if (!has_shared()) return SKIP;
  unsigned irq = last_line();
  paddr enables = board.distributor.base + 0x100 + irq / 32 * 4;
  u32 bit = 1u << irq % 32, before = io_read32(enables);
  io_write32(enables, bit); /* ones set, zeros leave alone */
  EXPECT(io_read32(enables) == (before | bit));
  io_write32(enables + 0x80, bit);
  EXPECT(io_read32(enables) == (before & ~bit));
  interrupts_in();
  EXPECT((gic_acknowledge() & 0x3ff) == 1023); /* nothing is pending now */
  buffer_print(note, "version %u, %u interrupts", board.gic_version, gic_lines());
  return PASS;
}

static enum verdict wait_for(struct buffer *note, const volatile u64 *counter, u64 before) {
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  arch_set_alarm(deadline);
  while (*counter == before && arch_ticks() < deadline) arch_idle();
  arch_set_alarm(NEVER);
  EXPECT(*counter == before + 1);
  return PASS;
}

enum verdict check_gic_self(struct buffer *note) {
  if (board.gic_version == 0) return SKIP;
  interrupts_in();
  u64 before = interrupts.software;
  gic_kick(arch_cpu_self());
  return wait_for(note, &interrupts.software, before);
}

/* An interrupt that software makes pending, as a device would: by hand, so that each state is seen. */
enum verdict check_gic_pending(struct buffer *note) {
  if (!has_shared()) return SKIP;
  unsigned irq = last_line();
  paddr pending = board.distributor.base + SET_PENDING + irq / 32 * 4, active = pending + 0x100;
  u32 bit = 1u << irq % 32;
  interrupts_in();
  gic_enable(irq);
  io_write32(pending, bit);
  bool was_pending = io_read32(pending) & bit;
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  while (!(sys_read("isr_el1") & 1 << 7) && arch_ticks() < deadline) isb();
  u32 taken = gic_acknowledge();
  bool still_pending = io_read32(pending) & bit, was_active = io_read32(active) & bit;
  if ((taken & 0x3ff) < 1020) gic_end(taken);
  bool still_active = io_read32(active) & bit;
  gic_disable(irq);
  EXPECT(was_pending && (taken & 0x3ff) == irq);
  EXPECT(!still_pending && was_active && !still_active);
  return PASS;
}

/* What is not above the mask waits. */
enum verdict check_gic_mask(struct buffer *note) {
  if (board.gic_version == 0) return SKIP;
  interrupts_in();
  u64 before = interrupts.software;
  gic_set_mask(0x80);
  gic_kick(arch_cpu_self());
  u64 start = arch_ticks();
  while (arch_ticks() - start < ticks_of_ms(1)) continue;
  bool came = sys_read("isr_el1") & 1 << 7;
  u32 nothing = gic_acknowledge();
  gic_set_mask(0xff);
  if (wait_for(note, &interrupts.software, before) != PASS) return FAIL;
  EXPECT(!came && (nothing & 0x3ff) == 1023);
  return PASS;
}

enum verdict check_uart_interrupt(struct buffer *note) {
  if (console != &pl011) return SKIP;
  u64 before = gic_taken(board.uart.irq);
  unsigned sent = pl011_sent();
  pl011_interrupt_when_sent();
  print("  (written for its interrupt)\n");
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  arch_set_alarm(deadline);
  while (pl011_sent() == sent && arch_ticks() < deadline) arch_idle();
  arch_set_alarm(NEVER);
  EXPECT(gic_taken(board.uart.irq) > before);
  EXPECT(pl011_sent() == sent + 1);
  buffer_print(note, "number %u", board.uart.irq);
  return PASS;
}
