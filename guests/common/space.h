/* Address spaces of user programs: which ranges they may use, and pages for them on first touch. */
#pragma once

#include "types.h"

enum { RIGHT_READ = 1, RIGHT_WRITE = 2, RIGHT_EXECUTE = 4 };

struct region {
  vaddr start;
  vaddr end;
  unsigned rights;
};

struct space {
  paddr root;    /* of the architecture's page table */
  unsigned slot; /* small number, unique among living spaces: the architecture may tag its TLB with it */
  struct region regions[6];
  unsigned region_count;
  u64 pages; /* handed out so far */
};

/* Adds a range in which pages appear when touched; NULL when there is no room for it. */
struct region *space_add(struct space *space, vaddr start, vaddr end, unsigned rights);

/* Gives the program the page at this address if it may have it. `rights`: the kind of access. */
bool space_fault(struct space *space, vaddr at, unsigned rights);

/* Where the kernel sees a user byte, after faulting it in; NULL if `rights` are not there. Good to
 * the end of that page. */
void *space_at(struct space *space, vaddr at, unsigned rights);

/* Copies between kernel and program; false if the program may not read or write all of it. */
bool space_read(struct space *space, void *to, vaddr from, u64 count);
bool space_write(struct space *space, vaddr to, const void *from, u64 count);
