/* Page tables of 64-bit mode: levels 4 to 1 of 512 entries; pages of 4 KiB, 2 MiB and, where the processor has
 * them, 1 GiB. */
#include "arch.h"
#include "board.h"
#include "layout.h"
#include "pages.h"
#include "task.h"
#include "x86.h"

#define ADDRESS 0xffffffffff000ul
#define TABLE_FLAGS (PTE_PRESENT | PTE_WRITABLE)
#define KEEP_TLB (1ul << 63) /* in CR3: what the TLB has of this PCID stays */

u64 kernel_root[512] __attribute__((aligned(4096)));

/* ---- Entries ---------------------------------------------------------------------------- */

static u64 level_size(int level) { return PAGE_SIZE << (9 * (level - 1)); }
static u64 level_index(vaddr at, int level) { return at >> (12 + 9 * (level - 1)) & 511; }

static u64 flags_of(unsigned rights) {
  u64 flags = PTE_PRESENT | PTE_ACCESSED;
  if (rights & RIGHT_WRITE) flags |= PTE_WRITABLE | PTE_DIRTY;
  if (!(rights & RIGHT_EXECUTE)) flags |= PTE_NO_EXECUTE;
  return flags;
}

/* The entry for `at` in a table of that level. Missing tables on the way: made if `make`, else NULL. The rights
 * of programs are theirs only where each level grants them: for their half, `flags` has PTE_USER. */
static u64 *find(u64 *root, vaddr at, int level, bool make, u64 flags) {
  u64 *table = root;
  for (int l = 4; l > level; l--) {
    u64 *entry = &table[level_index(at, l)];
    if (!(*entry & PTE_PRESENT)) {
      paddr page = make ? page_new() : 0;
      if (page == 0) return NULL;
      *entry = page | TABLE_FLAGS | flags;
    } else if (*entry & PTE_LARGE) {
      return NULL;
    }
    table = arch_at(*entry & ADDRESS);
  }
  return &table[level_index(at, level)];
}

void flush_page(vaddr at) { __asm__ volatile("invlpg (%0)" ::"r"(at) : "memory"); }

/* ---- The kernel's half ------------------------------------------------------------------ */

void *arch_at(paddr address) { return (void *)(DIRECT_BASE + address); }

u64 *kernel_entry(vaddr at, int level) { return find(kernel_root, at, level, true, 0); }

/* Maps with the largest pages that fit. Only while booting, so there is memory for the tables. */
static void kernel_map(vaddr at, paddr from, u64 size, u64 flags) {
  vaddr end = round_up(at + size, PAGE_SIZE);
  from = round_down(from, PAGE_SIZE);
  at = round_down(at, PAGE_SIZE);
  while (at < end) {
    int level = features.page1g ? 3 : 2;
    while ((at | from) % level_size(level) != 0 || end - at < level_size(level)) level--;
    *kernel_entry(at, level) = from | flags | PTE_GLOBAL | (level > 1 ? PTE_LARGE : 0);
    at += level_size(level);
    from += level_size(level);
  }
}

static void map_image(const u8 *start, const u8 *end, unsigned rights) {
  kernel_map((vaddr)start, image_address(start), (u64)(end - start), flags_of(rights));
}

static void map_direct(paddr start, u64 size, u64 flags) {
  kernel_map(DIRECT_BASE + start, start, size, flags | flags_of(RIGHT_READ | RIGHT_WRITE));
}

void map_device(paddr start, u64 size) {
  if (start != 0) map_direct(start, size, PTE_UNCACHED);
}

void paging_init(void) {
  map_image(image_start, text_end, RIGHT_READ | RIGHT_EXECUTE);
  map_image(text_end, rodata_end, RIGHT_READ);
  map_image(rodata_end, image_end, RIGHT_READ | RIGHT_WRITE);
  map_direct(0, 0x100000, 0); /* for the trampoline */
  for (unsigned i = 0; i < machine.ram_count; i++) {
    map_direct(machine.ram[i].start, machine.ram[i].end - machine.ram[i].start, 0);
  }
  map_device(board.local_apic, PAGE_SIZE);
  map_device(board.io_apic, PAGE_SIZE);
  map_device(board.hpet, PAGE_SIZE);
  for (unsigned i = 0; i < board.virtio_count; i++) map_device(board.virtio[i].base, board.virtio[i].size);
  kernel_entry(TEST_BASE, 1); /* its table must be in the root before the root is copied */
  paging_use_kernel();
}

void paging_use_kernel(void) {
  control_write("cr3", image_address(kernel_root));
  u64 cr4 = control_read("cr4");
  if (features.pcid) cr4 |= CR4_PCIDE; /* while the PCID in CR3 is 0 */
  if (features.smep) cr4 |= CR4_SMEP;
  if (features.smap) cr4 |= CR4_SMAP;
  if (features.umip) cr4 |= CR4_UMIP;
  control_write("cr4", cr4 & ~(u64)CR4_PGE); /* which cleans the TLB of global pages, too */
  control_write("cr4", cr4 | CR4_PGE);
}

/* ---- Programs' halves ------------------------------------------------------------------- */

unsigned arch_space_tag_bits(void) { return features.pcid ? 12 : 0; }

/* Number 0 is the kernel's own, and everybody's without PCIDs. */
static u64 pcid_of(const struct space *space) { return features.pcid ? space->slot + 1 : 0; }

static bool stale[MAX_TASKS + 3]; /* by PCID: the TLB may have something of who had it before */

bool arch_space_new(struct space *space) {
  space->root = page_new();
  if (space->root == 0) return false;
  u64 *root = arch_at(space->root);
  for (int i = 256; i < 512; i++) root[i] = kernel_root[i];
  stale[pcid_of(space)] = true;
  return true;
}

static void free_below(u64 *table, int count, int level) {
  for (int i = 0; i < count; i++) {
    if (!(table[i] & PTE_PRESENT)) continue;
    paddr page = table[i] & ADDRESS;
    if (level > 1) free_below(arch_at(page), 512, level - 1);
    page_free(page);
  }
}

void arch_space_free(struct space *space) {
  free_below(arch_at(space->root), 256, 4);
  page_free(space->root);
}

void arch_space_use(struct space *space) {
  u64 keep = features.pcid ? KEEP_TLB : 0;
  if (space == NULL) {
    control_write("cr3", image_address(kernel_root) | keep);
    return; /* the user half is empty in memory; what the TLB still has of it, only programs could use */
  }
  u64 pcid = pcid_of(space);
  if (stale[pcid]) keep = 0;
  stale[pcid] = false;
  control_write("cr3", space->root | pcid | keep);
}

bool arch_map(struct space *space, vaddr at, paddr page, unsigned rights) {
  u64 *entry = find(arch_at(space->root), at, 1, true, PTE_USER);
  if (entry == NULL) return false;
  *entry = page | flags_of(rights) | PTE_USER; /* there was nothing, which no TLB keeps */
  return true;
}

paddr arch_translate(struct space *space, vaddr at, unsigned rights) {
  if (at >> 47 != 0) return 0; /* the kernel's half, or no address at all */
  u64 *entry = find(arch_at(space->root), at, 1, false, 0);
  if (entry == NULL || !(*entry & PTE_PRESENT)) return 0;
  if (rights & RIGHT_WRITE && !(*entry & PTE_WRITABLE)) return 0;
  if (rights & RIGHT_EXECUTE && *entry & PTE_NO_EXECUTE) return 0;
  return (*entry & ADDRESS) + at % PAGE_SIZE;
}

/* ---- For the self-test ------------------------------------------------------------------ */

void arch_test_map(paddr page, unsigned rights) {
  *kernel_entry(TEST_BASE, 1) = page == 0 ? 0 : page | flags_of(rights);
  flush_page(TEST_BASE);
}

void arch_user_access(bool on) {
  if (!features.smap) return;
  if (on) __asm__ volatile("stac" ::: "memory");
  else __asm__ volatile("clac" ::: "memory");
}
