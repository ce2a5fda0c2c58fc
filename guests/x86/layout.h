/* Virtual memory with 48-bit addresses: 128 TiB for the program below, 128 TiB for the kernel above.
 * Also read by assembly, so no more than numbers. */
#pragma once

#define USER_STACK_TOP 0x7ffffffff000 /* the program's last page stays empty: behind it no address is canonical */
#define USER_STACK_SIZE 0x10000
#define USER_HEAP_LIMIT 0x1000000

#define DIRECT_BASE 0xffff800000000000 /* physical address 0: all RAM and devices follow */
#define TEST_BASE 0xffffffff40000000   /* 1 GiB for the self-test to map things in */
#define IMAGE_BASE 0xffffffff80200000  /* where the kernel is linked, */
#define LOAD_BASE 0x200000             /* and where it is loaded */
#define TRAMPOLINE 0x8000              /* where other processors begin: a page below 1 MiB */
