/* Page tables (VMSAv8-64, granule of 4 KiB, 39-bit addresses): levels 1 to 3 of 512 entries; pages of
 * 4 KiB, blocks of 2 MiB and 1 GiB. */
#include "arch.h"
#include "arm.h"
#include "board.h"
#include "layout.h"
#include "pages.h"

#define ADDRESS 0xfffffffff000ul
#define TABLE (PTE_VALID | PTE_PAGE)

u64 kernel_root[512] __attribute__((aligned(4096)));
extern u64 empty_table[512]; /* start.S */
void use_kernel_root(paddr root, u64 to_load_address);

/* ---- Entries ---------------------------------------------------------------------------- */

static u64 level_size(int level) { return PAGE_SIZE << (9 * (3 - level)); }
static u64 level_index(vaddr at, int level) { return at >> (12 + 9 * (3 - level)) & 511; }
static bool is_table(u64 entry) { return (entry & TABLE) == TABLE; }

u64 pte_of(paddr page, u64 flags) { return page | flags | PTE_ACCESSED | PTE_SHARED | PTE_PAGE | PTE_VALID; }

static void written(void) { __asm__ volatile("dsb ishst\n isb" ::: "memory"); }

static u64 kernel_flags(unsigned rights) {
  u64 flags = PTE_NO_USER_EXECUTE;
  if (!(rights & RIGHT_WRITE)) flags |= PTE_READ_ONLY;
  if (!(rights & RIGHT_EXECUTE)) flags |= PTE_NO_KERNEL_EXECUTE;
  return flags;
}

static u64 user_flags(unsigned rights) {
  u64 flags = PTE_USER | PTE_NOT_GLOBAL | PTE_NO_KERNEL_EXECUTE;
  if (!(rights & RIGHT_WRITE)) flags |= PTE_READ_ONLY;
  if (!(rights & RIGHT_EXECUTE)) flags |= PTE_NO_USER_EXECUTE;
  return flags;
}

/* The entry for `at` in a table of that level. Missing tables on the way: made if `make`, else NULL. */
static u64 *find(u64 *root, vaddr at, int level, bool make) {
  u64 *table = root;
  for (int l = 1; l < level; l++) {
    u64 *entry = &table[level_index(at, l)];
    if (!(*entry & PTE_VALID)) {
      paddr page = make ? page_new() : 0;
      if (page == 0) return NULL;
      written(); /* its zeros, before it can be found */
      *entry = page | TABLE;
    } else if (!is_table(*entry)) {
      return NULL;
    }
    table = arch_at(*entry & ADDRESS);
  }
  return &table[level_index(at, level)];
}

void replace_entry(u64 *entry, u64 value, vaddr at) {
  *(volatile u64 *)entry = 0;
  __asm__ volatile("dsb ishst\n tlbi vaae1is, %0\n dsb ish\n isb" ::"r"(at << 8 >> 20) : "memory");
  *(volatile u64 *)entry = value;
  written();
}

/* ---- Caches ----------------------------------------------------------------------------- */

void code_written(void *at, u64 size) {
  u64 type = sys_read("ctr_el0");
  u64 data_line = 4ul << (type >> 16 & 15), code_line = 4ul << (type & 15), end = (u64)at + size;
  for (u64 line = round_down((u64)at, data_line); line < end; line += data_line) {
    __asm__ volatile("dc cvau, %0" ::"r"(line) : "memory");
  }
  __asm__ volatile("dsb ish" ::: "memory");
  for (u64 line = round_down((u64)at, code_line); line < end; line += code_line) {
    __asm__ volatile("ic ivau, %0" ::"r"(line) : "memory");
  }
  __asm__ volatile("dsb ish\n isb" ::: "memory");
}

/* ---- The kernel's half ------------------------------------------------------------------ */

void *arch_at(paddr address) { return (void *)(DIRECT_BASE + address); }

u64 *kernel_entry(vaddr at, int level) { return find(kernel_root, at, level, true); }

/* Maps with the largest pages that fit. Only while booting, so there is memory for the tables. */
static void kernel_map(vaddr at, paddr from, u64 size, u64 flags) {
  vaddr end = round_up(at + size, PAGE_SIZE);
  from = round_down(from, PAGE_SIZE);
  at = round_down(at, PAGE_SIZE);
  while (at < end) {
    int level = 1;
    while ((at | from) % level_size(level) != 0 || end - at < level_size(level)) level++;
    u64 entry = pte_of(from, flags);
    *kernel_entry(at, level) = level == 3 ? entry : entry & ~PTE_PAGE;
    at += level_size(level);
    from += level_size(level);
  }
}

static void map_image(const u8 *start, const u8 *end, unsigned rights) {
  kernel_map((vaddr)start, image_address(start), (u64)(end - start), kernel_flags(rights));
}

static void map_direct(paddr start, u64 size, u64 flags) {
  u64 limit = TEST_BASE - DIRECT_BASE; /* what lies above has no place */
  if (size == 0 || start >= limit) return;
  if (size > limit - start) size = limit - start;
  kernel_map(DIRECT_BASE + start, start, size, flags | kernel_flags(RIGHT_READ | RIGHT_WRITE));
}

static void map_device(const struct device *device) { map_direct(device->base, device->size, PTE_DEVICE); }

void vmsa_init(void) {
  map_image(image_start, text_end, RIGHT_READ | RIGHT_EXECUTE);
  map_image(text_end, rodata_end, RIGHT_READ);
  map_image(rodata_end, image_end, RIGHT_READ | RIGHT_WRITE);
  for (unsigned i = 0; i < machine.ram_count; i++) {
    map_direct(machine.ram[i].start, machine.ram[i].end - machine.ram[i].start, 0);
  }
  map_device(&board.uart);
  map_device(&board.rtc);
  map_device(&board.distributor);
  map_device(&board.cpu_interface);
  for (unsigned i = 0; i < board.redistributor_count; i++) map_device(&board.redistributors[i]);
  for (unsigned i = 0; i < board.virtio_count; i++) map_device(&board.virtio[i]);
  kernel_entry(TEST_BASE, 3);
  written();
  vmsa_use_kernel();
}

static void use_user_root(paddr root, u64 asid) {
  sys_write("ttbr0_el1", root | asid << 48);
  isb();
}

void vmsa_use_kernel(void) {
  use_kernel_root(image_address(kernel_root), image_load_address - IMAGE_BASE);
  use_user_root(image_address(empty_table), 0);
  __asm__ volatile("tlbi vmalle1\n dsb nsh\n isb" ::: "memory");
}

/* ---- Programs' halves ------------------------------------------------------------------- */

unsigned arch_space_tag_bits(void) { return id_field("id_aa64mmfr0_el1", 4) == 2 ? 16 : 8; }

/* Number 0 is the empty table's. */
static u64 asid_of(const struct space *space) { return space->slot + 1; }

bool arch_space_new(struct space *space) {
  space->root = page_new();
  return space->root != 0;
}

static void free_below(u64 *table, int level) {
  for (int i = 0; i < 512; i++) {
    if (!(table[i] & PTE_VALID)) continue;
    paddr page = table[i] & ADDRESS;
    if (level < 3) free_below(arch_at(page), level + 1);
    page_free(page);
  }
}

void arch_space_free(struct space *space) {
  free_below(arch_at(space->root), 1);
  page_free(space->root);
  /* The next task in this slot will use the same number. */
  __asm__ volatile("dsb ishst\n tlbi aside1is, %0\n dsb ish\n isb" ::"r"(asid_of(space) << 48) : "memory");
}

void arch_space_use(struct space *space) {
  if (space == NULL) use_user_root(image_address(empty_table), 0);
  else use_user_root(space->root, asid_of(space));
}

bool arch_map(struct space *space, vaddr at, paddr page, unsigned rights) {
  u64 *entry = find(arch_at(space->root), at, 3, true);
  if (entry == NULL) return false;
  *entry = pte_of(page, user_flags(rights)); /* there was nothing, which no TLB keeps */
  written();
  return true;
}

paddr arch_translate(struct space *space, vaddr at, unsigned rights) {
  if (at >> 39 != 0) return 0; /* the kernel's half, or no address at all */
  u64 *entry = find(arch_at(space->root), at, 3, false);
  if (entry == NULL || !(*entry & PTE_VALID)) return 0;
  if (rights & RIGHT_WRITE && *entry & PTE_READ_ONLY) return 0;
  if (rights & RIGHT_EXECUTE && *entry & PTE_NO_USER_EXECUTE) return 0;
  return (*entry & ADDRESS) + at % PAGE_SIZE;
}

/* ---- For the self-test ------------------------------------------------------------------ */

void arch_test_map(paddr page, unsigned rights) {
  replace_entry(kernel_entry(TEST_BASE, 3), page == 0 ? 0 : pte_of(page, kernel_flags(rights)), TEST_BASE);
}

/* PSTATE.PAN keeps the kernel off user pages where the processor has it (FEAT_PAN); we leave it off. */
void arch_user_access(bool) {}
