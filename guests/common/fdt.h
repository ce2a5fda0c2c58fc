/* Reads a flattened device tree (Devicetree Specification, chapter 5) front to back.
 *
 *   struct fdt_node node;
 *   for (fdt_first(&node, tree); fdt_valid(&node); fdt_next(&node)) ...
 *
 * visits every node once, parents before children. A tree that is damaged ends early. */
#pragma once

#include "types.h"

#define FDT_DEPTH 8

struct fdt_node {
  const u8 *tree;
  u32 at;              /* offset of the node's first property; 0: there is no such node */
  int depth;           /* 0: the root */
  const char *name;
  u32 cells[FDT_DEPTH][2]; /* per depth, #address-cells and #size-cells for the children there */
};

void fdt_first(struct fdt_node *node, const void *tree);
void fdt_next(struct fdt_node *node);
bool fdt_valid(const struct fdt_node *node);

u32 fdt_total_size(const void *tree); /* 0: this is no device tree */

/* Value of a property, NULL if the node has none of that name. */
const u8 *fdt_property(const struct fdt_node *node, const char *name, u32 *size);
u32 fdt_number(const struct fdt_node *node, const char *name, u32 otherwise);
const char *fdt_text(const struct fdt_node *node, const char *name); /* "" if missing */

/* Whether a property that is a list of strings has this one. */
bool fdt_lists(const struct fdt_node *node, const char *name, const char *wanted);

/* The index-th range of "reg". */
bool fdt_range(const struct fdt_node *node, unsigned index, struct range *range);

/* Entry `index` of the memory reservation block; false at its end. */
bool fdt_reserved(const void *tree, unsigned index, struct range *range);

u32 fdt_be32(const u8 *at);
u64 fdt_be64(const u8 *at);
