/* What device trees say the same way on every architecture. */
#pragma once

#include "fdt.h"
#include "types.h"

struct device {
  paddr base; /* 0: there is none */
  u64 size;
  u32 irq; /* as the port's interrupt controller numbers them */
};

bool node_is(const struct fdt_node *node, const char *kind);         /* by "compatible" */
bool node_device(const struct fdt_node *node, struct device *device); /* where it is; the port adds irq */

/* Takes into `machine` what a node says about the model, memory, what of it is reserved, and the command
 * line. To be given all nodes in order. True: it was such a node. */
bool platform_read(const struct fdt_node *node);
void platform_reserve(const void *tree); /* the tree's own list of what is reserved */

/* A page in low memory where, by the tree, there is nothing at all. */
paddr platform_nowhere(const void *tree);
