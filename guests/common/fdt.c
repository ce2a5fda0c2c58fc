#include "fdt.h"

#include "string.h"

enum { MAGIC = 0xd00dfeed, BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOTHING = 4 };
/* Offsets in the header, and its size. */
enum { TOTAL_SIZE = 4, STRUCTURE_AT = 8, STRINGS_AT = 12, RESERVED_AT = 16, HEADER_SIZE = 40 };

u32 fdt_be32(const u8 *at) { return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3]; }
u64 fdt_be64(const u8 *at) { return (u64)fdt_be32(at) << 32 | fdt_be32(at + 4); }

u32 fdt_total_size(const void *tree) {
  const u8 *header = tree;
  if (fdt_be32(header) != MAGIC) return 0;
  u32 size = fdt_be32(header + TOTAL_SIZE);
  return size >= HEADER_SIZE ? size : 0;
}

/* One token of the structure block: its kind, its payload, and where the next one is. */
struct token {
  u32 kind;
  const char *name; /* of a node or property */
  const u8 *value;
  u32 size;
  u32 next;
};

static bool read_token(const u8 *tree, u32 at, struct token *token) {
  u32 total = fdt_be32(tree + TOTAL_SIZE);
  if (at > total - 16) return false;
  const u8 *p = tree + at;
  token->kind = fdt_be32(p);
  token->next = at + 4;
  switch (token->kind) {
    case BEGIN_NODE:
      token->name = (const char *)p + 4;
      token->next = (u32)round_up(at + 4 + strlen(token->name) + 1, 4);
      return true;
    case PROPERTY:
      token->size = fdt_be32(p + 4);
      token->name = (const char *)tree + fdt_be32(tree + STRINGS_AT) + fdt_be32(p + 8);
      token->value = p + 12;
      if (token->size > total - at) return false;
      token->next = (u32)round_up(at + 12 + token->size, 4);
      return true;
    case END_NODE:
    case NOTHING:
      return true;
    default:
      return false; /* the end, or damage */
  }
}

/* Goes on to the next node that begins at or after offset `at`. */
static void enter_next(struct fdt_node *node, u32 at) {
  struct token token;
  while (read_token(node->tree, at, &token)) {
    at = token.next;
    if (token.kind == END_NODE) node->depth--;
    if (token.kind != BEGIN_NODE) continue;
    if (++node->depth >= FDT_DEPTH) break;
    node->name = token.name;
    node->at = at;
    node->cells[node->depth][0] = fdt_number(node, "#address-cells", 2);
    node->cells[node->depth][1] = fdt_number(node, "#size-cells", 1);
    return;
  }
  node->at = 0;
}

void fdt_first(struct fdt_node *node, const void *tree) {
  *node = (struct fdt_node){.tree = tree, .depth = -1};
  if (fdt_total_size(tree) != 0) enter_next(node, fdt_be32(node->tree + STRUCTURE_AT));
}

void fdt_next(struct fdt_node *node) { enter_next(node, node->at); }

bool fdt_valid(const struct fdt_node *node) { return node->at != 0; }

const u8 *fdt_property(const struct fdt_node *node, const char *name, u32 *size) {
  struct token token;
  for (u32 at = node->at; read_token(node->tree, at, &token); at = token.next) {
    if (token.kind == BEGIN_NODE || token.kind == END_NODE) return NULL; /* properties come first */
    if (token.kind != PROPERTY || strcmp(token.name, name) != 0) continue;
    *size = token.size;
    return token.value;
  }
  return NULL;
}

u32 fdt_number(const struct fdt_node *node, const char *name, u32 otherwise) {
  u32 size;
  const u8 *value = fdt_property(node, name, &size);
  return value != NULL && size >= 4 ? fdt_be32(value) : otherwise;
}

const char *fdt_text(const struct fdt_node *node, const char *name) {
  u32 size;
  const u8 *value = fdt_property(node, name, &size);
  return value != NULL && size > 0 && value[size - 1] == 0 ? (const char *)value : "";
}

bool fdt_lists(const struct fdt_node *node, const char *name, const char *wanted) {
  u32 size;
  const u8 *value = fdt_property(node, name, &size);
  if (value == NULL || size == 0 || value[size - 1] != 0) return false;
  const char *end = (const char *)value + size;
  for (const char *text = (const char *)value; text < end; text += strlen(text) + 1) {
    if (strcmp(text, wanted) == 0) return true;
  }
  return false;
}

static u64 read_cells(const u8 *at, u32 cells) {
  u64 value = 0;
  for (u32 i = 0; i < cells; i++) value = value << 32 | fdt_be32(at + 4 * i);
  return value;
}

bool fdt_range(const struct fdt_node *node, unsigned index, struct range *range) {
  if (node->depth == 0) return false;
  u32 address = node->cells[node->depth - 1][0], length = node->cells[node->depth - 1][1];
  u32 entry = 4 * (address + length);
  u32 size;
  const u8 *value = fdt_property(node, "reg", &size);
  if (value == NULL || entry == 0 || (index + 1) * entry > size) return false;
  value += index * entry;
  range->start = read_cells(value, address);
  range->end = range->start + read_cells(value + 4 * address, length);
  return true;
}

bool fdt_reserved(const void *tree, unsigned index, struct range *range) {
  const u8 *entry = (const u8 *)tree + fdt_be32((const u8 *)tree + RESERVED_AT) + 16 * index;
  range->start = fdt_be64(entry);
  range->end = range->start + fdt_be64(entry + 8);
  return range->end != 0;
}
