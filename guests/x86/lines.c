/* Interrupt lines of devices: the I/O APIC (Intel 82093AA), and the 8259s, which stay shut. */
#include "arch.h"
#include "board.h"
#include "io.h"
#include "x86.h"

enum { SELECT = 0x00, WINDOW = 0x10 };
enum { VERSION = 1, FIRST_ENTRY = 0x10 };
enum { ACTIVE_LOW = 1 << 13, BY_LEVEL = 1 << 15, MASKED = 1 << 16 };
enum { PIC_FIRST = 0x20, PIC_SECOND = 0xa0, PIC_DATA = 1, END = 0x20 };

u32 line_read(unsigned reg) {
  mmio_write32(board.io_apic + SELECT, reg);
  return mmio_read32(board.io_apic + WINDOW);
}

void line_write(unsigned reg, u32 value) {
  mmio_write32(board.io_apic + SELECT, reg);
  mmio_write32(board.io_apic + WINDOW, value);
}

unsigned lines_count(void) { return board.io_apic == 0 ? 0 : (line_read(VERSION) >> 16 & 0xff) + 1; }

void line_disable(unsigned gsi) { line_write(FIRST_ENTRY + 2 * gsi, MASKED | (VECTOR_FIRST_LINE + gsi)); }

void line_enable(unsigned gsi, bool level) {
  u32 how = level ? BY_LEVEL : 0;
  for (unsigned i = 0; i < COUNT(board.isa); i++) {
    if (board.isa[i].gsi == gsi && board.isa[i].low) how |= ACTIVE_LOW;
  }
  line_write(FIRST_ENTRY + 2 * gsi + 1, this_core()->apic_id << 24);
  line_write(FIRST_ENTRY + 2 * gsi, how | (VECTOR_FIRST_LINE + gsi));
}

/* Told where their vectors are all the same: one that is on its way now must not look like an exception. */
void pics_shut(void) {
  io_write8(PIC_FIRST, 0x11);
  io_write8(PIC_FIRST + PIC_DATA, 0x20);
  io_write8(PIC_FIRST + PIC_DATA, 4);
  io_write8(PIC_FIRST + PIC_DATA, 1);
  io_write8(PIC_SECOND, 0x11);
  io_write8(PIC_SECOND + PIC_DATA, 0x28);
  io_write8(PIC_SECOND + PIC_DATA, 2);
  io_write8(PIC_SECOND + PIC_DATA, 1);
  io_write8(PIC_FIRST + PIC_DATA, 0xff);
  io_write8(PIC_SECOND + PIC_DATA, 0xff);
}

void lines_init(void) {
  for (unsigned i = 0; i < lines_count(); i++) line_disable(i);
}

/* Theirs are the vectors from 20h to 2fh. */
void pic_end(unsigned vector) {
  if (vector >= 0x28) io_write8(PIC_SECOND, END);
  io_write8(PIC_FIRST, END);
}

void interrupts_in(void) { __asm__ volatile("sti\n nop\n cli" ::: "memory"); }
