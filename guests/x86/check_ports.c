/* I/O ports: all widths, the string instructions, and the devices that any PC has there. */
#include "arch.h"
#include "board.h"
#include "checks.h"
#include "console.h"
#include "io.h"
#include "layout.h"
#include "pages.h"
#include "string.h"
#include "task.h"

enum { SERIAL = 0x3f8, SCRATCH = 0x3ff, MASK_FIRST = 0x21, MASK_SECOND = 0xa1, NOTHING = 0x2f0 };
enum { PM_ENABLE = 2, PM_RTC = 0x400 };

enum verdict check_port_widths(struct buffer *note) {
  io_write8(MASK_FIRST, 0xa5); /* by number */
  u8 first = io_read8(MASK_FIRST);
  __asm__ volatile("outb %0, %w1" ::"a"((u8)0x5a), "d"((u16)MASK_FIRST)); /* and in DX */
  u8 second = io_read8(MASK_FIRST);
  io_write8(MASK_FIRST, 0xff);
  EXPECT(first == 0xa5 && second == 0x5a);
  u64 kept = 0x1122334455667788;
  __asm__ volatile("inb $0x21, %%al" : "+a"(kept));
  EXPECT(kept == 0x11223344556677ff); /* a byte changes no more */
  if (board.pm_event == 0) return PASS;
  u16 port = board.pm_event + PM_ENABLE, before = io_read16(port);
  io_write16(port, PM_RTC);
  u16 enabled = io_read16(port);
  io_write16(port, before);
  EXPECT(enabled == PM_RTC);
  if (board.pm_timer == 0) return PASS;
  kept = ~0ul;
  __asm__ volatile("inl %w1, %%eax" : "+a"(kept) : "d"(board.pm_timer));
  EXPECT(kept >> 32 == 0); /* 32 bits clear the rest */
  return PASS;
}

#define INS(instruction, port, to, times)                                                          \
  ({                                                                                               \
    u64 ins_di = (u64)(to), ins_count = (u64)(times);                                              \
    __asm__ volatile(instruction : "+D"(ins_di), "+c"(ins_count) : "d"((u16)(port)) : "memory");   \
    ins_di - (u64)(to);                                                                            \
  })
#define OUTS(instruction, port, from, times)                                                       \
  ({                                                                                               \
    u64 outs_si = (u64)(from), outs_count = (u64)(times);                                          \
    __asm__ volatile(instruction : "+S"(outs_si), "+c"(outs_count) : "d"((u16)(port)) : "memory"); \
    outs_si - (u64)(from);                                                                         \
  })

enum verdict check_port_strings(struct buffer *note) {
  static const char line[] = "  (by rep outsb)\r\n";
  static u8 bytes[32] __attribute__((aligned(4096)));
  if (!board.has_uart) return SKIP;
  EXPECT(OUTS("rep outsb", SERIAL, line, 4) == 4); /* no more than the port takes at once */
  for (const char *p = line + 4; *p; p++) arch_putc(*p);
  EXPECT(OUTS("rep outsb", SCRATCH, "abc", 3) == 3 && io_read8(SCRATCH) == 'c'); /* one after the other */
  EXPECT(INS("rep insb", SCRATCH, bytes, 5) == 5 && memcmp(bytes, "ccccc\0", 6) == 0);
  EXPECT(INS("insb", SCRATCH, bytes + 6, 9) == 1 && bytes[6] == 'c' && bytes[7] == 0);
  EXPECT(INS("rep insb", SCRATCH, bytes, 0) == 0);
  EXPECT(INS("std\n rep insb\n cld", SCRATCH, bytes + 12, 3) == (u64)-3 && bytes[9] == 0 && bytes[10] == 'c');
  if (board.pm_timer == 0) return PASS;
  u32 *times = (u32 *)bytes;
  EXPECT(INS("rep insl", board.pm_timer, times, 3) == 12);
  EXPECT(((times[1] - times[0]) & 0xffffff) < 0x800000 && ((times[2] - times[1]) & 0xffffff) < 0x800000);
  u16 port = board.pm_event + PM_ENABLE, words[2] = {0, PM_RTC};
  EXPECT(OUTS("rep outsw", port, words, 2) == 4);
  u16 enabled = io_read16(port);
  io_write16(port, 0);
  EXPECT(enabled == PM_RTC);
  return PASS;
}

static u64 read_8_scratch(u64 to) { return INS("rep insb", SCRATCH, to, 8); }
static u64 write_8_scratch(u64 from) { return OUTS("rep outsb", SCRATCH, from, 8); }

/* A page that is missing in the midst of a string stops it there, with what was done done. */
enum verdict check_port_fault(struct buffer *note) {
  if (!board.has_uart) return SKIP;
  paddr page = page_new();
  u8 *end = (u8 *)arch_at(page) + PAGE_SIZE - 3;
  u64 at = TEST_BASE + PAGE_SIZE - 3, unused;
  arch_test_map(page, RIGHT_READ | RIGHT_WRITE);
  io_write8(SCRATCH, 'x');
  struct fault read = attempt(read_8_scratch, at, &unused);
  bool all_read = memcmp(end, "xxx", 3) == 0;
  memcpy(end, "abc", 3);
  struct fault write = attempt(write_8_scratch, at, &unused);
  u8 last = io_read8(SCRATCH);
  arch_test_map(0, 0);
  page_free(page);
  EXPECT(TRAPPED(read.cause, VECTOR_PAGE, PAGE_WRITE) && read.value == TEST_BASE + PAGE_SIZE && all_read);
  EXPECT(TRAPPED(write.cause, VECTOR_PAGE, 0) && write.value == TEST_BASE + PAGE_SIZE && last == 'c');
  return PASS;
}

enum verdict check_port_nowhere(struct buffer *note) {
  io_write8(NOTHING, 0x55);
  EXPECT(io_read8(NOTHING) == 0xff && io_read16(NOTHING) == 0xffff && io_read32(NOTHING) == 0xffffffff);
  buffer_print(note, "at %x", NOTHING);
  return PASS;
}

/* ---- Clocks ------------------------------------------------------------------------------- */

enum { PIT_2 = 0x42, PIT_CONTROL = 0x43, PORT_B = 0x61 };
enum { PIT_RATE = 1193182, PM_RATE = 3579545 };

/* Whether so many ticks of a clock took the time they should. Machines below us may disturb that a good deal. */
static bool took(u64 ticks, u64 count, u64 rate) {
  return agree(ticks, count * machine.ticks_per_second / rate);
}

static bool pit_is_right(void) {
  enum { COUNT = 0x400 };
  u8 before = io_read8(PORT_B);
  io_write8(PORT_B, (before & ~2) | 1);
  io_write8(PIT_CONTROL, 0xb0); /* channel 2, mode 0 */
  io_write8(PIT_2, COUNT & 0xff);
  io_write8(PIT_2, COUNT >> 8);
  u64 start = arch_ticks();
  bool was_low = !(io_read8(PORT_B) & 0x20);
  while (!(io_read8(PORT_B) & 0x20)) continue;
  u64 ticks = arch_ticks() - start;
  io_write8(PORT_B, before);
  return was_low && took(ticks, COUNT, PIT_RATE);
}

static bool pm_is_right(void) {
  enum { COUNT = 0x1000, MASK = 0xffffff };
  u32 first = io_read32(board.pm_timer) & MASK, passed;
  u64 start = arch_ticks();
  while ((passed = (io_read32(board.pm_timer) - first) & MASK) < COUNT) continue;
  return took(arch_ticks() - start, passed, PM_RATE);
}

static enum verdict try_often(struct buffer *note, bool (*is_right)(void)) {
  int tries = 1;
  while (!is_right() && tries < 20) tries++;
  EXPECT(tries < 20);
  if (tries > 1) buffer_print(note, "at try %d", tries);
  return PASS;
}

enum verdict check_pit(struct buffer *note) {
  io_write8(PIT_CONTROL, 0xb6); /* channel 2, mode 3 */
  io_write8(PIT_2, 0x34);
  io_write8(PIT_2, 0x12);
  io_write8(PIT_CONTROL, 0xe8); /* read back its status */
  u8 status = io_read8(PIT_2);
  EXPECT((status & 0x3f) == 0x36);
  io_write8(PIT_CONTROL, 0x80); /* latch its count */
  u32 count = io_read8(PIT_2);
  count |= (u32)io_read8(PIT_2) << 8;
  EXPECT(count <= 0x1234);
  return try_often(note, pit_is_right);
}

enum verdict check_pm_timer(struct buffer *note) { return board.pm_timer == 0 ? SKIP : try_often(note, pm_is_right); }

static u8 cmos(u8 reg) {
  io_write8(0x70, reg);
  return io_read8(0x71);
}

enum verdict check_cmos(struct buffer *note) {
  enum { STATUS_B = 11, STATUS_C = 12, STATUS_D = 13, VALID = 0x80, PERIODIC = 0x40, SPARE_BYTE = 0x7f };
  if (arch_wall_clock() == 0) return SKIP;
  EXPECT(cmos(STATUS_D) & VALID);
  u8 before = cmos(SPARE_BYTE);
  io_write8(0x71, 0x5a);
  EXPECT(cmos(SPARE_BYTE) == 0x5a);
  io_write8(0x71, before);
  u8 status = cmos(STATUS_B);
  io_write8(0x71, status | PERIODIC); /* its line is shut: it only notes that it would */
  cmos(STATUS_C);                     /* reading clears what it tells */
  u64 deadline = arch_ticks() + ticks_of_ms(PATIENCE_MS);
  bool came = false;
  while (!came && arch_ticks() < deadline) came = cmos(STATUS_C) & PERIODIC;
  cmos(STATUS_B);
  io_write8(0x71, status);
  cmos(STATUS_C);
  EXPECT(came);
  return PASS;
}

/* ---- The 8259s ---------------------------------------------------------------------------- */

enum verdict check_pic(struct buffer *note) {
  enum { FIRST = 0x20, READ_SERVICE = 0x0b };
  io_write8(MASK_FIRST, 0xfe);
  io_write8(MASK_SECOND, 0x5a);
  u8 first = io_read8(MASK_FIRST), second = io_read8(MASK_SECOND);
  io_write8(MASK_FIRST, 0xff);
  io_write8(MASK_SECOND, 0xff);
  EXPECT(first == 0xfe && second == 0x5a);
  io_write8(FIRST, READ_SERVICE);
  EXPECT(io_read8(FIRST) == 0); /* nothing is in service */
  return PASS;
}
