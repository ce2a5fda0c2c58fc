/* What the files of this port share with each other. */
#pragma once

#include "guard.h"
#include "space.h"
#include "types.h"

/* ---- Harts (hardware threads; "processors" in the portable part) -- harts.c --------------- */

struct hart {
  u64 id;           /* as the firmware numbers them */
  vaddr stack_top;  /* read by start.S, which counts on this place in the struct */
  unsigned cpu;     /* as the portable kernel numbers them */
};

extern struct hart harts[];

register struct hart *this_hart __asm__("tp"); /* always, in the kernel */

void hart_init(unsigned cpu);
void start_secondary(void); /* start.S */

/* ---- The image -- start.S, kernel.ld ------------------------------------------------------ */

extern u64 image_load_address;
extern u8 image_start[], text_end[], rodata_end[], image_end[]; /* page boundaries */

/* Physical address of something in the kernel's image. */
paddr image_address(const void *thing);

/* ---- Traps -- trap.c, trap.S -------------------------------------------------------------- */

struct frame {
  u64 x[32]; /* x[0] unused */
  u64 pc;
  u64 status;
};

void trap_entry(void);
_Noreturn void trap_return(struct frame *frame);

/* float.S */
void float_save(u64 registers[33]);
void float_restore(const u64 registers[33]);

/* ---- Memory -- sv39.c --------------------------------------------------------------------- */

enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_G = 32, PTE_A = 64, PTE_D = 128 };

extern u64 kernel_root[512];

void sv39_init(void);
void sv39_use_kernel(void); /* on each hart */

/* The kernel's entry for a page (level 0) or larger piece; makes the tables above it. */
u64 *kernel_entry(vaddr at, int level);
u64 pte_of(paddr page, u64 flags);
paddr pte_address(u64 entry);

/* ---- Devices ------------------------------------------------------------------------------ */

void timer_init(void);
bool timer_has_sstc(void);
void timer_use_firmware(bool firmware); /* even where there is Sstc */
void timer_quiet(void); /* the interrupt was seen */

void plic_init(void);
void plic_enable(unsigned irq);
void plic_interrupt(void);
u64 plic_claims(unsigned irq); /* interrupts of this line so far */
paddr plic_enable_word(unsigned irq);
