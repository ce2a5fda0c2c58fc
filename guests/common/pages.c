/* Pages that were never used are handed out from a cursor that moves up through RAM, pages that
 * came back from a list threaded through themselves. Nothing is touched before it is used: under
 * a hypervisor the first touch of a page may cost an exit. */
#include "pages.h"

#include "arch.h"
#include "string.h"

static struct range fresh[COUNT(machine.ram) + COUNT(machine.reserved)]; /* never used yet */
static unsigned fresh_count;
static paddr returned; /* head of the list */
static u64 total, available;

static void add_fresh(u64 start, u64 end) {
  start = round_up(start, PAGE_SIZE);
  end = round_down(end, PAGE_SIZE);
  if (start == 0) start = PAGE_SIZE; /* 0 means "no page" */
  if (start >= end || fresh_count == COUNT(fresh)) return;
  fresh[fresh_count++] = (struct range){start, end};
  total += (end - start) / PAGE_SIZE;
}

/* The first reserved range, by address, that reaches above `from`. */
static const struct range *next_reserved(u64 from) {
  const struct range *best = NULL;
  for (unsigned i = 0; i < machine.reserved_count; i++) {
    const struct range *r = &machine.reserved[i];
    if (r->end > from && (best == NULL || r->start < best->start)) best = r;
  }
  return best;
}

void pages_init(void) {
  for (unsigned i = 0; i < machine.ram_count; i++) {
    u64 from = machine.ram[i].start, end = machine.ram[i].end;
    while (from < end) {
      const struct range *hole = next_reserved(from);
      if (hole == NULL || hole->start >= end) {
        add_fresh(from, end);
        break;
      }
      if (hole->start > from) add_fresh(from, hole->start);
      from = hole->end;
    }
  }
  available = total;
}

paddr page_new(void) {
  paddr page = returned;
  if (page != 0) {
    returned = *(paddr *)arch_at(page);
  } else {
    while (fresh_count > 0 && fresh[fresh_count - 1].start == fresh[fresh_count - 1].end) fresh_count--;
    if (fresh_count == 0) return 0;
    page = fresh[fresh_count - 1].start;
    fresh[fresh_count - 1].start += PAGE_SIZE;
  }
  available--;
  memset(arch_at(page), 0, PAGE_SIZE);
  return page;
}

void page_free(paddr page) {
  *(paddr *)arch_at(page) = returned;
  returned = page;
  available++;
}

u64 pages_total(void) { return total; }
u64 pages_available(void) { return available; }
