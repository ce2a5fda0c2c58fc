/* Sv39 page tables: three levels of 512 entries; pages of 4 KiB, 2 MiB and 1 GiB. */
#include "arch.h"
#include "board.h"
#include "csr.h"
#include "layout.h"
#include "pages.h"
#include "riscv.h"

u64 kernel_root[512] __attribute__((aligned(4096)));

static unsigned asid_bits;

/* ---- Entries ---------------------------------------------------------------------------- */

static u64 level_size(int level) { return PAGE_SIZE << (9 * level); }
static u64 level_index(vaddr at, int level) { return at >> (12 + 9 * level) & 511; }

u64 pte_of(paddr page, u64 flags) { return page >> 2 | flags | PTE_V; }
paddr pte_address(u64 entry) { return entry << 10 >> 20 << 12; }
static bool is_leaf(u64 entry) { return entry & (PTE_R | PTE_W | PTE_X); }

static u64 rights_of(u64 rights) {
  u64 flags = PTE_A;
  if (rights & RIGHT_READ) flags |= PTE_R;
  if (rights & RIGHT_WRITE) flags |= PTE_R | PTE_W | PTE_D; /* there is no write without read */
  if (rights & RIGHT_EXECUTE) flags |= PTE_X;
  return flags;
}

/* The entry for `at` in a table of that level. Missing tables on the way: made if `make`, else NULL. */
static u64 *find(u64 *root, vaddr at, int level, bool make) {
  u64 *table = root;
  for (int l = 2; l > level; l--) {
    u64 *entry = &table[level_index(at, l)];
    if (!(*entry & PTE_V)) {
      paddr page = make ? page_new() : 0;
      if (page == 0) return NULL;
      *entry = pte_of(page, 0);
    } else if (is_leaf(*entry)) {
      return NULL;
    }
    table = arch_at(pte_address(*entry));
  }
  return &table[level_index(at, level)];
}

/* ---- The kernel's half ------------------------------------------------------------------ */

void *arch_at(paddr address) { return (void *)(DIRECT_BASE + address); }

u64 *kernel_entry(vaddr at, int level) { return find(kernel_root, at, level, true); }

/* Maps with the largest pages that fit. Only while booting, so there is memory for the tables. */
static void kernel_map(vaddr at, paddr from, u64 size, u64 rights) {
  vaddr end = round_up(at + size, PAGE_SIZE);
  from = round_down(from, PAGE_SIZE);
  at = round_down(at, PAGE_SIZE);
  while (at < end) {
    int level = 2;
    while ((at | from) % level_size(level) != 0 || end - at < level_size(level)) level--;
    *kernel_entry(at, level) = pte_of(from, rights_of(rights) | PTE_G);
    at += level_size(level);
    from += level_size(level);
  }
}

static void map_image(const u8 *start, const u8 *end, u64 rights) {
  kernel_map((vaddr)start, image_address(start), (u64)(end - start), rights);
}

static void map_direct(paddr start, u64 size) {
  if (size > 0) kernel_map(DIRECT_BASE + start, start, size, RIGHT_READ | RIGHT_WRITE);
}

static u64 satp_of(paddr root, u64 asid) { return SATP_SV39 | asid << SATP_ASID_SHIFT | root >> 12; }

/* Bits of the ASID that do not exist read as zero. */
static void count_asid_bits(void) {
  u64 satp = csr_read("satp");
  csr_write("satp", satp | SATP_ASID_MASK << SATP_ASID_SHIFT);
  u64 mask = csr_read("satp") >> SATP_ASID_SHIFT & SATP_ASID_MASK;
  csr_write("satp", satp);
  fence_all();
  while (mask >> asid_bits & 1) asid_bits++;
}

void sv39_init(void) {
  map_image(image_start, text_end, RIGHT_READ | RIGHT_EXECUTE);
  map_image(text_end, rodata_end, RIGHT_READ);
  map_image(rodata_end, image_end, RIGHT_READ | RIGHT_WRITE);
  for (unsigned i = 0; i < machine.ram_count; i++) {
    map_direct(machine.ram[i].start, machine.ram[i].end - machine.ram[i].start);
  }
  map_direct(board.uart.base, board.uart.size);
  map_direct(board.plic.base, board.plic.size);
  map_direct(board.rtc.base, board.rtc.size);
  map_direct(board.finisher.base, board.finisher.size);
  for (unsigned i = 0; i < board.virtio_count; i++) map_direct(board.virtio[i].base, board.virtio[i].size);
  kernel_entry(TEST_BASE, 0); /* its table must be in the root before the root is copied */
  sv39_use_kernel();
  count_asid_bits();
}

void sv39_use_kernel(void) {
  csr_write("satp", satp_of(image_address(kernel_root), 0));
  fence_all();
}

unsigned arch_space_tag_bits(void) { return asid_bits; }

/* ---- Programs' halves ------------------------------------------------------------------- */

/* Number 0 is the kernel's own. With too few bits for all slots, everybody shares it. */
static u64 asid_of(const struct space *space) {
  u64 asid = space->slot + 1;
  return asid >> asid_bits == 0 ? asid : 0;
}

bool arch_space_new(struct space *space) {
  space->root = page_new();
  if (space->root == 0) return false;
  u64 *root = arch_at(space->root);
  for (int i = 256; i < 512; i++) root[i] = kernel_root[i];
  return true;
}

static void free_below(u64 *table, int count, int level) {
  for (int i = 0; i < count; i++) {
    if (!(table[i] & PTE_V)) continue;
    paddr page = pte_address(table[i]);
    if (level > 0) free_below(arch_at(page), 512, level - 1);
    page_free(page);
  }
}

void arch_space_free(struct space *space) {
  free_below(arch_at(space->root), 256, 2);
  page_free(space->root);
  fence_asid(asid_of(space)); /* the next task in this slot will use the same number */
}

void arch_space_use(struct space *space) {
  if (space == NULL) {
    csr_write("satp", satp_of(image_address(kernel_root), 0));
    return; /* the user half is empty in memory; what the TLB still has of it, only programs could use */
  }
  csr_write("satp", satp_of(space->root, asid_of(space)));
  if (asid_of(space) == 0) fence_all();
}

bool arch_map(struct space *space, vaddr at, paddr page, unsigned rights) {
  u64 *entry = find(arch_at(space->root), at, 0, true);
  if (entry == NULL) return false;
  *entry = pte_of(page, rights_of(rights) | PTE_U);
  fence_page(at);
  return true;
}

paddr arch_translate(struct space *space, vaddr at, unsigned rights) {
  if (at >> 38 != 0) return 0; /* the kernel's half, or no address at all */
  u64 *entry = find(arch_at(space->root), at, 0, false);
  if (entry == NULL || !(*entry & PTE_V)) return 0;
  u64 wanted = rights_of(rights) & (PTE_R | PTE_W | PTE_X);
  return (*entry & wanted) == wanted ? pte_address(*entry) + at % PAGE_SIZE : 0;
}
