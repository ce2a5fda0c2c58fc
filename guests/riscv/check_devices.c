/* Device registers: each kind of load and store, as a hypervisor must decode and answer them. */
#include "arch.h"
#include "board.h"
#include "checks.h"
#include "console.h"
#include "csr.h"
#include "io.h"
#include "layout.h"
#include "ns16550.h"
#include "riscv.h"
#include "task.h"

#define VIRTIO_MAGIC 0x74726976 /* "virt" */
#define UART_SCRATCH 7

/* A register with bit 31 set, which shows whether a load extends the sign: the enable bits of
 * interrupt lines 0 to 31, of which we want nothing but the last for a moment. */
#define NEGATIVE 0x80000000u

/* One exact, uncompressed instruction. */
#define LOAD(instruction, address)                                                      \
  ({                                                                                    \
    u64 load_value;                                                                     \
    __asm__ volatile(".option push\n .option norvc\n" instruction " %0, 0(%1)\n .option pop" \
                     : "=r"(load_value)                                                 \
                     : "r"(address)                                                     \
                     : "memory");                                                       \
    load_value;                                                                         \
  })
#define STORE(instruction, address, value)                                              \
  __asm__ volatile(".option push\n .option norvc\n" instruction " %0, 0(%1)\n .option pop" \
                   :                                                                    \
                   : "r"((u64)(value)), "r"(address)                                    \
                   : "memory")

static u64 lh(u64 at) { return LOAD("lh", at); }
static u64 lhu(u64 at) { return LOAD("lhu", at); }
static u64 ld(u64 at) { return LOAD("ld", at); }
static u64 sh(u64 at) {
  STORE("sh", at, 0);
  return 0;
}
static u64 sd(u64 at) {
  STORE("sd", at, 0);
  return 0;
}

static u64 virtio(void) { return (u64)arch_at(board.virtio[0].base); }

enum verdict check_mmio_byte(struct buffer *note) {
  if (board.uart.base == 0) return SKIP;
  u64 scratch = (u64)arch_at(board.uart.base + ((u64)UART_SCRATCH << board.uart_shift));
  STORE("sb", scratch, 0xa5);
  EXPECT(LOAD("lbu", scratch) == 0xa5);
  EXPECT(LOAD("lb", scratch) == (u64)(s8)0xa5);
  STORE("sb", scratch, 0x15a); /* only the low byte counts */
  EXPECT(LOAD("lbu", scratch) == 0x5a && LOAD("lb", scratch) == 0x5a);
  return PASS;
}

/* Few devices answer to half words and double words. They may refuse them, but only by the
 * access fault that the manual names. */
enum verdict check_mmio_half(struct buffer *note) {
  if (board.virtio_count == 0) return SKIP;
  for (u64 offset = 0; offset <= 2; offset += 2) {
    u64 is_signed, is_unsigned, unused;
    struct fault fault;
    bool works = guarded(lhu, virtio() + offset, &is_unsigned, &fault);
    EXPECT(works || fault.cause == CAUSE_LOAD_ACCESS);
    EXPECT(guarded(lh, virtio() + offset, &is_signed, &fault) == works);
    if (works) EXPECT(is_unsigned <= 0xffff && is_signed == (u64)(s16)is_unsigned);
    works = guarded(sh, virtio() + offset, &unused, &fault); /* to a register that cannot be written */
    EXPECT(works || fault.cause == CAUSE_STORE_ACCESS);
  }
  EXPECT(LOAD("lwu", virtio()) == VIRTIO_MAGIC);
  return PASS;
}

enum verdict check_mmio_word(struct buffer *note) {
  if (board.virtio_count > 0) {
    EXPECT(LOAD("lw", virtio()) == VIRTIO_MAGIC);
    EXPECT(LOAD("lwu", virtio()) == VIRTIO_MAGIC);
  }
  if (board.plic.base == 0) return board.virtio_count > 0 ? PASS : SKIP;

  u64 enables = (u64)arch_at(plic_enable_word(31));
  u64 before = LOAD("lwu", enables);
  EXPECT(before <= 0xffffffff);
  STORE("sw", enables, before | NEGATIVE);
  u64 is_signed = LOAD("lw", enables), is_unsigned = LOAD("lwu", enables);
  STORE("sw", enables, before);
  EXPECT(LOAD("lwu", enables) == before);
  EXPECT(is_signed == (u64)(s32)is_unsigned);
  if (board.plic_sources >= 31) EXPECT(is_unsigned == (before | NEGATIVE));
  return PASS;
}

enum verdict check_mmio_double(struct buffer *note) {
  if (board.virtio_count == 0) return SKIP;
  u64 value, unused;
  struct fault fault;
  if (guarded(ld, virtio(), &value, &fault)) {
    EXPECT(value == (LOAD("lwu", virtio() + 4) << 32 | VIRTIO_MAGIC)); /* two words, the low one first */
    buffer_print(note, "works");
  } else {
    EXPECT(fault.cause == CAUSE_LOAD_ACCESS);
    buffer_print(note, "faults");
  }
  EXPECT(guarded(sd, virtio(), &unused, &fault) || fault.cause == CAUSE_STORE_ACCESS);
  EXPECT(LOAD("lwu", virtio()) == VIRTIO_MAGIC);
  return PASS;
}

/* c.lw and c.sw, in the registers that compressed instructions can name. */
enum verdict check_mmio_compressed(struct buffer *note) {
  if (board.plic.base == 0) return SKIP;
  register u64 address __asm__("a4") = (u64)arch_at(plic_enable_word(31));
  register u64 value __asm__("a5");
  u64 before = LOAD("lwu", address);
  value = before | NEGATIVE;
  __asm__ volatile("c.sw %0, 0(%1)" ::"r"(value), "r"(address) : "memory");
  __asm__ volatile("c.lw %0, 0(%1)" : "=r"(value) : "r"(address) : "memory");
  u64 is_signed = value;
  value = before;
  __asm__ volatile("c.sw %0, 0(%1)" ::"r"(value), "r"(address) : "memory");
  __asm__ volatile("c.lw %0, 0(%1)" : "=r"(value) : "r"(address) : "memory");
  EXPECT(value == (u64)(s32)before);
  u64 expected = board.plic_sources >= 31 ? before | NEGATIVE : before;
  EXPECT(is_signed == (u64)(s32)expected);
  return PASS;
}

/* check_devices.S: a load into, and a store from, each of the registers but x0, sp, gp, tp and a0. */
enum { REGISTERS = 27 };
void load_each_register(u64 address, u64 results[REGISTERS]);
u64 store_each_register(u64 address, u64 first, u64 step);

enum verdict check_mmio_registers(struct buffer *note) {
  if (board.virtio_count > 0) {
    u64 loaded[REGISTERS];
    load_each_register(virtio(), loaded);
    for (int i = 0; i < REGISTERS; i++) EXPECT(loaded[i] == VIRTIO_MAGIC);
  }
  if (board.uart.base == 0) return board.virtio_count > 0 ? PASS : SKIP;
  u64 scratch = (u64)arch_at(board.uart.base + ((u64)UART_SCRATCH << board.uart_shift));
  u64 sum = store_each_register(scratch, 3, 7); /* reads each back */
  u64 expected = 0;
  for (u64 i = 0; i < REGISTERS; i++) expected += 3 + 7 * i;
  EXPECT(sum == expected);
  return PASS;
}

/* Where the device tree has nothing there is nothing: an access fault, not a value. */
static u64 execute(u64 at) {
  ((void (*)(void))at)();
  return 0;
}
static u64 lw(u64 at) { return LOAD("lw", at); }
static u64 sw(u64 at) {
  STORE("sw", at, 0);
  return 0;
}

enum verdict check_nowhere(struct buffer *note) {
  u64 *entry = kernel_entry(TEST_BASE, 0);
  *entry = pte_of(board.nowhere, PTE_R | PTE_W | PTE_X | PTE_A | PTE_D);
  fence_page(TEST_BASE);
  u64 unused;
  struct fault load, store, fetch;
  bool loads = guarded(lw, TEST_BASE + 4, &unused, &load);
  bool stores = guarded(sw, TEST_BASE + 8, &unused, &store);
  bool fetches = guarded(execute, TEST_BASE, &unused, &fetch);
  *entry = 0;
  fence_page(TEST_BASE);
  EXPECT(!loads && load.cause == CAUSE_LOAD_ACCESS);
  EXPECT(!stores && store.cause == CAUSE_STORE_ACCESS);
  EXPECT(!fetches && fetch.cause == CAUSE_FETCH_ACCESS);
  EXPECT(load.value == TEST_BASE + 4 && store.value == TEST_BASE + 8);
  buffer_print(note, "at %lx", board.nowhere);
  return PASS;
}

/* ---- Interrupts -------------------------------------------------------------------------- */

enum verdict check_plic(struct buffer *note) {
  if (board.plic.base == 0 || board.plic_sources < 2) return SKIP;
  paddr priority = board.plic.base + 4 * 2;
  u32 before = io_read32(priority);
  io_write32(priority, 3);
  EXPECT(io_read32(priority) == 3);
  io_write32(priority, before);
  EXPECT(io_read32(priority) == before);
  EXPECT(io_read32(board.plic.base) == 0); /* line 0 does not exist */

  paddr threshold = board.plic.base + 0x200000 + 0x1000 * board.plic_context;
  io_write32(threshold, 5);
  EXPECT(io_read32(threshold) == 5);
  io_write32(threshold, 0);
  EXPECT(io_read32(threshold + 4) == 0); /* nothing to claim */
  buffer_print(note, "%u lines, context %u", board.plic_sources, board.plic_context);
  return PASS;
}

enum verdict check_uart_interrupt(struct buffer *note) {
  if (console != &ns16550) return SKIP;
  u64 before = plic_claims(board.uart.irq);
  ns16550_interrupt_when_empty();
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  arch_set_alarm(deadline);
  while (ns16550_last_cause() != 2 && arch_ticks() < deadline) arch_idle();
  EXPECT(plic_claims(board.uart.irq) > before);
  EXPECT(ns16550_last_cause() == 2);
  buffer_print(note, "line %u", board.uart.irq);
  return PASS;
}
