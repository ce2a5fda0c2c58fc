/* Virtual memory under Sv39: 256 GiB for the program below, 256 GiB for the kernel above.
 * Also read by assembly, so no more than numbers. */
#pragma once

#define USER_STACK_TOP 0x3ffffff000 /* the program's last page stays empty */
#define USER_STACK_SIZE 0x10000
#define USER_HEAP_LIMIT 0x1000000

#define DIRECT_BASE 0xffffffc000000000 /* physical address 0: all RAM and devices follow */
#define TEST_BASE 0xffffffff40000000   /* 1 GiB for the self-test to map things in */
#define IMAGE_BASE 0xffffffff80200000  /* where the kernel is linked; its load address varies */
#define IMAGE_LIMIT 0x200000           /* it must fit one 2 MiB page */
