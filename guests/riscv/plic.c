/* The platform-level interrupt controller: device interrupts for this hart's supervisor mode. */
#include "board.h"
#include "io.h"
#include "ns16550.h"
#include "riscv.h"

static u32 claims[128];

static paddr priority(unsigned irq) { return board.plic.base + 4 * irq; }
static paddr threshold(void) { return board.plic.base + 0x200000 + 0x1000 * board.plic_context; }
static paddr claim(void) { return threshold() + 4; }

paddr plic_enable_word(unsigned irq) {
  return board.plic.base + 0x2000 + 0x80 * board.plic_context + irq / 32 * 4;
}

void plic_init(void) {
  if (board.plic.base == 0) return;
  for (unsigned irq = 1; irq <= board.plic_sources; irq += 32) io_write32(plic_enable_word(irq), 0);
  io_write32(threshold(), 0); /* let every priority above 0 pass */
}

void plic_enable(unsigned irq) {
  io_write32(priority(irq), 1);
  io_write32(plic_enable_word(irq), io_read32(plic_enable_word(irq)) | 1u << irq % 32);
}

void plic_interrupt(void) {
  u32 irq = io_read32(claim());
  if (irq == 0) return; /* gone again */
  if (irq < COUNT(claims)) claims[irq]++;
  if (irq == board.uart.irq) ns16550_interrupt();
  io_write32(claim(), irq);
}

u64 plic_claims(unsigned irq) { return claims[irq]; }
