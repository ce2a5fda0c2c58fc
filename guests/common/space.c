#include "space.h"

#include "arch.h"
#include "pages.h"
#include "string.h"

struct region *space_add(struct space *space, vaddr start, vaddr end, unsigned rights) {
  if (space->region_count == COUNT(space->regions)) return NULL;
  struct region *region = &space->regions[space->region_count++];
  *region = (struct region){round_down(start, PAGE_SIZE), round_up(end, PAGE_SIZE), rights};
  return region;
}

bool space_fault(struct space *space, vaddr at, unsigned rights) {
  vaddr page_at = round_down(at, PAGE_SIZE);
  for (unsigned i = 0; i < space->region_count; i++) {
    const struct region *region = &space->regions[i];
    if (at < region->start || at >= region->end) continue;
    if ((region->rights & rights) != rights) return false;
    if (arch_translate(space, page_at, 0) != 0) return false; /* it is there: the rights are the problem */
    paddr page = page_new();
    if (page == 0) return false;
    if (!arch_map(space, page_at, page, region->rights)) {
      page_free(page);
      return false;
    }
    space->pages++;
    return true;
  }
  return false;
}

void *space_at(struct space *space, vaddr at, unsigned rights) {
  paddr address = arch_translate(space, at, rights);
  if (address == 0 && space_fault(space, at, rights)) address = arch_translate(space, at, rights);
  return address == 0 ? NULL : arch_at(address);
}

static u64 to_page_end(vaddr at, u64 count) {
  u64 left = PAGE_SIZE - at % PAGE_SIZE;
  return left < count ? left : count;
}

bool space_read(struct space *space, void *to, vaddr from, u64 count) {
  while (count > 0) {
    u64 part = to_page_end(from, count);
    const void *source = space_at(space, from, RIGHT_READ);
    if (source == NULL) return false;
    memcpy(to, source, part);
    to = (u8 *)to + part;
    from += part;
    count -= part;
  }
  return true;
}

bool space_write(struct space *space, vaddr to, const void *from, u64 count) {
  while (count > 0) {
    u64 part = to_page_end(to, count);
    void *target = space_at(space, to, RIGHT_WRITE);
    if (target == NULL) return false;
    memcpy(target, from, part);
    from = (const u8 *)from + part;
    to += part;
    count -= part;
  }
  return true;
}
