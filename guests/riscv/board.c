#include "board.h"

#include "fdt.h"
#include "string.h"

#define INTERRUPT_EXTERNAL 9 /* in the PLIC's "interrupts-extended": the supervisor's line of a hart */

struct board board;

/* ---- Processors ------------------------------------------------------------------------- */

/* Whether an ISA string has an extension: a letter of the first word, or one of the words behind it. */
static bool isa_has(const char *isa, const char *extension) {
  size_t length = strlen(extension);
  const char *p = isa + 4; /* behind "rv64" */
  if (length == 1) {
    for (; *p && *p != '_'; p++) {
      if (*p == *extension || *p == 'g') return true;
    }
    return false;
  }
  for (; *p; p++) {
    if (*p == '_' && strncmp(p + 1, extension, length) == 0 && (p[1 + length] == 0 || p[1 + length] == '_')) {
      return true;
    }
  }
  return false;
}

static bool node_has(const struct fdt_node *cpu, const char *extension) {
  const char *isa = fdt_text(cpu, "riscv,isa");
  if (strncmp(isa, "rv64", 4) == 0) return isa_has(isa, extension);
  return fdt_lists(cpu, "riscv,isa-extensions", extension); /* the newer way to say it */
}

/* For people: the ISA string, or the list of extensions with spaces between. */
static void describe_isa(const struct fdt_node *cpu) {
  u32 size = 0;
  const u8 *text = fdt_property(cpu, "riscv,isa", &size);
  if (text == NULL) text = fdt_property(cpu, "riscv,isa-extensions", &size);
  for (u32 i = 0; text != NULL && i + 1 < size && i + 1 < sizeof board.isa; i++) {
    board.isa[i] = text[i] != 0 ? (char)text[i] : ' ';
  }
}

static void read_cpu(const struct fdt_node *node, u64 id, u64 boot_hart) {
  if (strcmp(fdt_text(node, "status"), "disabled") == 0) return;
  machine.ticks_per_second = fdt_number(node, "timebase-frequency", (u32)machine.ticks_per_second);
  if (id != boot_hart) {
    if (machine.cpu_count < MAX_CPUS) board.hart_ids[machine.cpu_count++] = id;
    return;
  }
  board.hart_ids[0] = id;
  board.has_float = node_has(node, "f") && node_has(node, "d");
  board.has_sstc = node_has(node, "sstc");
  describe_isa(node);
}

/* ---- Devices ---------------------------------------------------------------------------- */

static bool read_device(const struct fdt_node *node, struct device *device) {
  struct range range;
  if (!fdt_range(node, 0, &range)) return false;
  *device = (struct device){range.start, range.end - range.start, fdt_number(node, "interrupts", 0)};
  return true;
}

static bool is(const struct fdt_node *node, const char *kind) { return fdt_lists(node, "compatible", kind); }

static void read_any_device(const struct fdt_node *node) {
  if (board.uart.base == 0 && (is(node, "ns16550a") || is(node, "ns16550"))) {
    read_device(node, &board.uart);
    board.uart_shift = fdt_number(node, "reg-shift", 0);
  } else if (is(node, "riscv,plic0") || is(node, "sifive,plic-1.0.0")) {
    read_device(node, &board.plic);
    board.plic_sources = fdt_number(node, "riscv,ndev", 31);
  } else if (is(node, "google,goldfish-rtc")) {
    read_device(node, &board.rtc);
  } else if (is(node, "sifive,test0") || is(node, "sifive,test1")) {
    read_device(node, &board.finisher);
  } else if (is(node, "virtio,mmio") && board.virtio_count < COUNT(board.virtio)) {
    if (read_device(node, &board.virtio[board.virtio_count])) board.virtio_count++;
  }
}

/* The PLIC has a context for each (hart, mode) it can interrupt, in the order of this list of
 * (the hart's own interrupt controller, interrupt there). */
static void find_plic_context(const struct fdt_node *plic, u32 boot_controller) {
  u32 size;
  const u8 *list = fdt_property(plic, "interrupts-extended", &size);
  for (u32 i = 0; list != NULL && 8 * i + 8 <= size; i++) {
    if (fdt_be32(list + 8 * i) != boot_controller) continue;
    if (fdt_be32(list + 8 * i + 4) == INTERRUPT_EXTERNAL) board.plic_context = i;
  }
}

/* ---- Memory ----------------------------------------------------------------------------- */

static void read_ranges(const struct fdt_node *node, void (*add)(struct range)) {
  struct range range;
  for (unsigned i = 0; fdt_range(node, i, &range); i++) add(range);
}

static void read_chosen(const struct fdt_node *node) {
  copy_text(machine.arguments, fdt_text(node, "bootargs"), sizeof machine.arguments);
  u32 start_size, end_size; /* of the values: one cell or two */
  const u8 *start = fdt_property(node, "linux,initrd-start", &start_size);
  const u8 *end = fdt_property(node, "linux,initrd-end", &end_size);
  if (start == NULL || end == NULL) return;
  machine_reserve((struct range){start_size == 8 ? fdt_be64(start) : fdt_be32(start),
                                 end_size == 8 ? fdt_be64(end) : fdt_be32(end)});
}

static bool occupied(const void *tree, struct range wanted) {
  struct fdt_node node;
  for (fdt_first(&node, tree); fdt_valid(&node); fdt_next(&node)) {
    struct range range;
    for (unsigned i = 0; fdt_range(&node, i, &range); i++) {
      if (range.start < wanted.end && wanted.start < range.end) return true;
    }
  }
  return false;
}

static void find_nowhere(const void *tree) {
  struct range page = {0x200000, 0x200000 + PAGE_SIZE};
  while (occupied(tree, page)) {
    page.start += 0x100000;
    page.end += 0x100000;
  }
  board.nowhere = page.start;
}

/* ----------------------------------------------------------------------------------------- */

bool board_read(const void *tree, u64 boot_hart) {
  if (fdt_total_size(tree) == 0) return false;
  machine.ticks_per_second = 10000000; /* unless a node says otherwise */
  machine.cpu_count = 1;

  struct fdt_node node, plic = {.at = 0};
  u64 last_cpu = 0;
  u32 boot_controller = 0;
  bool in_reserved = false; /* among the children of /reserved-memory */
  for (fdt_first(&node, tree); fdt_valid(&node); fdt_next(&node)) {
    const char *type = fdt_text(&node, "device_type");
    struct range range;
    if (node.depth == 0) copy_text(machine.model, fdt_text(&node, "model"), sizeof machine.model);
    if (node.depth == 1) in_reserved = strcmp(node.name, "reserved-memory") == 0;

    if (node.depth == 1 && strcmp(node.name, "cpus") == 0) {
      machine.ticks_per_second = fdt_number(&node, "timebase-frequency", (u32)machine.ticks_per_second);
    } else if (node.depth == 1 && strcmp(node.name, "chosen") == 0) {
      read_chosen(&node);
    } else if (strcmp(type, "memory") == 0) {
      read_ranges(&node, machine_add_ram);
    } else if (in_reserved && node.depth == 2) {
      read_ranges(&node, machine_reserve);
    } else if (strcmp(type, "cpu") == 0 && fdt_range(&node, 0, &range)) {
      last_cpu = range.start;
      read_cpu(&node, last_cpu, boot_hart);
    } else if (is(&node, "riscv,cpu-intc")) {
      if (last_cpu == boot_hart) boot_controller = fdt_number(&node, "phandle", 0);
    } else {
      read_any_device(&node);
      if (board.plic.base != 0 && plic.at == 0) plic = node;
    }
  }

  board.plic_context = 2 * (unsigned)boot_hart + 1; /* where harts have machine and supervisor mode */
  if (plic.at != 0) find_plic_context(&plic, boot_controller);
  find_nowhere(tree);

  struct range range;
  for (unsigned i = 0; fdt_reserved(tree, i, &range); i++) machine_reserve(range);
  return machine.ram_count > 0;
}
