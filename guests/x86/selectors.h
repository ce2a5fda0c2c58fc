/* Segment selectors: indices into each processor's table (cores.c), with the privilege level in the low bits.
 * SYSCALL and SYSRET want this order. Also read by assembly. */
#pragma once

#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define USER_CODE32 0x1b /* compatibility mode, which only the self-test uses */
#define USER_DATA 0x23
#define USER_CODE 0x2b
#define TASK_STATE 0x30 /* takes two entries */
#define SPARE 0x40      /* for the self-test */
#define DESCRIPTORS 10
