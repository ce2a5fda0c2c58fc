/* Virtual memory with 39-bit addresses: 512 GiB for the program below (TTBR0), 512 GiB for the kernel
 * above (TTBR1). Also read by assembly, so no more than numbers. */
#pragma once

#define USER_STACK_TOP 0x7ffffff000 /* the program's last page stays empty */
#define USER_STACK_SIZE 0x10000
#define USER_HEAP_LIMIT 0x1000000

#define DIRECT_BASE 0xffffff8000000000 /* physical address 0: all RAM and devices follow */
#define TEST_BASE 0xffffffff40000000   /* 1 GiB for the self-test to map things in */
#define IMAGE_BASE 0xffffffff80200000  /* where the kernel is linked; its load address varies */
#define TREE_DISTANCE 0x200000         /* the device tree is so far below the image, if we are not told */
