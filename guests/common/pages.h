/* The frame allocator: 4 KiB pages of RAM. */
#pragma once

#include "types.h"

void pages_init(void);      /* takes all of machine.ram that is not machine.reserved */
paddr page_new(void);       /* a page of zeros; 0: none left */
void page_free(paddr page);
u64 pages_total(void);
u64 pages_available(void);
