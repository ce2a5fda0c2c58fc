#include "platform.h"

#include "machine.h"
#include "string.h"

bool node_is(const struct fdt_node *node, const char *kind) { return fdt_lists(node, "compatible", kind); }

bool node_device(const struct fdt_node *node, struct device *device) {
  struct range range;
  if (!fdt_range(node, 0, &range)) return false;
  *device = (struct device){.base = range.start, .size = range.end - range.start};
  return true;
}

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

bool platform_read(const struct fdt_node *node) {
  static bool in_reserved; /* among the children of /reserved-memory */
  if (node->depth == 0) {
    const char *model = fdt_text(node, "model");
    copy_text(machine.model, *model ? model : fdt_text(node, "compatible"), sizeof machine.model);
  }
  if (node->depth == 1) in_reserved = strcmp(node->name, "reserved-memory") == 0;

  if (node->depth == 1 && strcmp(node->name, "chosen") == 0) {
    read_chosen(node);
  } else if (strcmp(fdt_text(node, "device_type"), "memory") == 0) {
    if (strcmp(fdt_text(node, "status"), "disabled") != 0) read_ranges(node, machine_add_ram);
  } else if (in_reserved && node->depth == 2) {
    read_ranges(node, machine_reserve);
  } else {
    return false;
  }
  return true;
}

void platform_reserve(const void *tree) {
  struct range range;
  for (unsigned i = 0; fdt_reserved(tree, i, &range); i++) machine_reserve(range);
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

paddr platform_nowhere(const void *tree) {
  struct range page = {0x200000, 0x200000 + PAGE_SIZE};
  while (occupied(tree, page)) {
    page.start += 0x100000;
    page.end += 0x100000;
  }
  return page.start;
}
