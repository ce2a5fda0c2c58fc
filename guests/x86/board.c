/* The start info, by which PVH tells what there is (Xen's public/arch-x86/hvm/start_info.h). */
#include "board.h"

#include "arch.h"
#include "io.h"
#include "string.h"
#include "x86.h"

struct start_info {
  u32 magic, version, flags, module_count;
  u64 modules, arguments, acpi_root, map;
  u32 map_count, reserved;
};

struct module {
  u64 start, size, arguments, reserved;
};

struct map_entry {
  u64 start, size;
  u32 type, reserved;
};

enum { MAGIC = 0x336ec578, USABLE = 1 };
#define LOW_MEMORY 0x100000ul /* firmware's, and the trampoline's */
#define FIRST_LIMIT (1ul << 32)
enum { SERIAL_PORT = 0x3f8, SCRATCH = 7 };

struct board board;

static void add_usable(const struct map_entry *entry, u64 from, u64 below) {
  struct range range = {entry->start, entry->start + entry->size};
  if (entry->type != USABLE || range.start >= below || range.end <= from) return;
  machine_add_ram((struct range){range.start < from ? from : range.start, range.end > below ? below : range.end});
}

/* What is added last is used first: the first page tables show no more than 4 GiB. */
static void read_map(const struct map_entry *map, unsigned count) {
  for (unsigned i = 0; i < count; i++) add_usable(&map[i], FIRST_LIMIT, NEVER);
  for (unsigned i = 0; i < count; i++) add_usable(&map[i], LOW_MEMORY, FIRST_LIMIT);
}

static void read_modules(const struct module *modules, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    machine_reserve((struct range){modules[i].start, modules[i].start + modules[i].size});
  }
}

/* A register that keeps what is written, if the port is there. */
static bool has_uart(void) {
  io_write8(SERIAL_PORT + SCRATCH, 0x5a);
  if (io_read8(SERIAL_PORT + SCRATCH) != 0x5a) return false;
  io_write8(SERIAL_PORT + SCRATCH, 0);
  return io_read8(SERIAL_PORT + SCRATCH) == 0;
}

bool board_read(paddr start_info, u32 boot_apic) {
  const struct start_info *info = arch_at(start_info);
  if (info->magic != MAGIC || info->version < 1 || info->map_count == 0) return false;
  if (info->arguments != 0) {
    copy_text(machine.arguments, arch_at(info->arguments), sizeof machine.arguments);
  }
  read_map(arch_at(info->map), info->map_count);
  if (info->module_count > 0) read_modules(arch_at(info->modules), info->module_count);
  acpi_read(info->acpi_root, boot_apic);
  copy_text(machine.model, "PC, ACPI by ", sizeof machine.model);
  copy_text(machine.model + strlen(machine.model), board.firmware, sizeof board.firmware);
  board.has_uart = has_uart();
  return machine.ram_count > 0;
}
