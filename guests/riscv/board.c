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
  if (!node_device(node, device)) return false;
  device->irq = fdt_number(node, "interrupts", 0);
  return true;
}

static void read_any_device(const struct fdt_node *node) {
  if (board.uart.base == 0 && (node_is(node, "ns16550a") || node_is(node, "ns16550"))) {
    read_device(node, &board.uart);
    board.uart_shift = fdt_number(node, "reg-shift", 0);
  } else if (node_is(node, "riscv,plic0") || node_is(node, "sifive,plic-1.0.0")) {
    read_device(node, &board.plic);
    board.plic_sources = fdt_number(node, "riscv,ndev", 31);
  } else if (node_is(node, "google,goldfish-rtc")) {
    read_device(node, &board.rtc);
  } else if (node_is(node, "sifive,test0") || node_is(node, "sifive,test1")) {
    read_device(node, &board.finisher);
  } else if (node_is(node, "virtio,mmio") && board.virtio_count < COUNT(board.virtio)) {
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

/* ----------------------------------------------------------------------------------------- */

bool board_read(const void *tree, u64 boot_hart) {
  if (fdt_total_size(tree) == 0) return false;
  machine.ticks_per_second = 10000000; /* unless a node says otherwise */
  machine.cpu_count = 1;

  struct fdt_node node, plic = {.at = 0};
  u64 last_cpu = 0;
  u32 boot_controller = 0;
  for (fdt_first(&node, tree); fdt_valid(&node); fdt_next(&node)) {
    struct range range;
    if (platform_read(&node)) continue;
    if (node.depth == 1 && strcmp(node.name, "cpus") == 0) {
      machine.ticks_per_second = fdt_number(&node, "timebase-frequency", (u32)machine.ticks_per_second);
    } else if (strcmp(fdt_text(&node, "device_type"), "cpu") == 0 && fdt_range(&node, 0, &range)) {
      last_cpu = range.start;
      read_cpu(&node, last_cpu, boot_hart);
    } else if (node_is(&node, "riscv,cpu-intc")) {
      if (last_cpu == boot_hart) boot_controller = fdt_number(&node, "phandle", 0);
    } else {
      read_any_device(&node);
      if (board.plic.base != 0 && plic.at == 0) plic = node;
    }
  }

  board.plic_context = 2 * (unsigned)boot_hart + 1; /* where harts have machine and supervisor mode */
  if (plic.at != 0) find_plic_context(&plic, boot_controller);
  board.nowhere = platform_nowhere(tree);
  platform_reserve(tree);
  return machine.ram_count > 0;
}
