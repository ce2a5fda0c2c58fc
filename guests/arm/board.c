#include "board.h"

#include "fdt.h"
#include "string.h"

enum { FIRST_PRIVATE = 16, FIRST_SHARED = 32 }; /* interrupt numbers: of a processor's own, of devices */

struct board board;

/* The index-th of "interrupts", three cells each: kind (0: shared, 1: private), number, how it is signalled. */
static u32 read_irq(const struct fdt_node *node, u32 index) {
  u32 size;
  const u8 *list = fdt_property(node, "interrupts", &size);
  if (list == NULL || 12 * (index + 1) > size) return 0;
  list += 12 * index;
  return fdt_be32(list + 4) + (fdt_be32(list) == 1 ? FIRST_PRIVATE : FIRST_SHARED);
}

static bool read_device(const struct fdt_node *node, struct device *device) {
  if (!node_device(node, device)) return false;
  device->irq = read_irq(node, 0);
  return true;
}

static void read_cpu(const struct fdt_node *node, u64 id, u64 boot_core) {
  if (strcmp(fdt_text(node, "status"), "disabled") == 0) return;
  if (id != boot_core && machine.cpu_count < MAX_CPUS) board.core_ids[machine.cpu_count++] = id;
}

static void read_region(const struct fdt_node *node, unsigned index, struct device *device) {
  struct range range;
  if (fdt_range(node, index, &range)) *device = (struct device){range.start, range.end - range.start, 0};
}

static void read_gic(const struct fdt_node *node, unsigned version) {
  board.gic_version = version;
  read_region(node, 0, &board.distributor);
  if (version == 2) return read_region(node, 1, &board.cpu_interface);
  board.redistributor_count = fdt_number(node, "#redistributor-regions", 1);
  if (board.redistributor_count > COUNT(board.redistributors)) {
    board.redistributor_count = COUNT(board.redistributors);
  }
  for (unsigned i = 0; i < board.redistributor_count; i++) read_region(node, 1 + i, &board.redistributors[i]);
}

static void read_psci(const struct fdt_node *node) {
  const char *method = fdt_text(node, "method");
  if (strcmp(method, "hvc") == 0) board.psci = PSCI_HVC;
  if (strcmp(method, "smc") == 0) board.psci = PSCI_SMC;
}

static void read_any_device(const struct fdt_node *node) {
  if (board.uart.base == 0 && node_is(node, "arm,pl011")) {
    read_device(node, &board.uart);
  } else if (node_is(node, "arm,pl031")) {
    read_device(node, &board.rtc);
  } else if (node_is(node, "arm,cortex-a15-gic") || node_is(node, "arm,gic-400")) {
    read_gic(node, 2);
  } else if (node_is(node, "arm,gic-v3")) {
    read_gic(node, 3);
  } else if (node_is(node, "arm,armv8-timer")) { /* secure, physical, virtual, hypervisor's */
    board.physical_timer_irq = read_irq(node, 1);
    board.timer_irq = read_irq(node, 2);
  } else if (node_is(node, "arm,psci-0.2") || node_is(node, "arm,psci-1.0")) {
    read_psci(node);
  } else if (node_is(node, "virtio,mmio") && board.virtio_count < COUNT(board.virtio)) {
    if (read_device(node, &board.virtio[board.virtio_count])) board.virtio_count++;
  }
}

bool board_read(const void *tree, u64 boot_core) {
  if (fdt_total_size(tree) == 0) return false;
  machine.cpu_count = 1;
  board.core_ids[0] = boot_core;

  struct fdt_node node;
  for (fdt_first(&node, tree); fdt_valid(&node); fdt_next(&node)) {
    struct range range;
    if (platform_read(&node)) continue;
    if (strcmp(fdt_text(&node, "device_type"), "cpu") == 0 && fdt_range(&node, 0, &range)) {
      read_cpu(&node, range.start, boot_core);
    } else {
      read_any_device(&node);
    }
  }
  board.nowhere = platform_nowhere(tree);
  platform_reserve(tree);
  return machine.ram_count > 0;
}
