// about: pointers and branches nobody can foresee: a binary search tree that grows and is walked
#include "../common/bench.h"

struct node {
  u64 key;
  struct node *left, *right;
};

static u64 walk(const struct node *node, u64 depth) {
  if (node == NULL) return 0;
  return walk(node->left, depth + 1) + (node->key ^ depth) + walk(node->right, depth + 1);
}

u64 bench_tree(u64 percent) {
  u64 state = 2024, check = 0;
  for (u64 round = rounds(13, percent); round > 0; round--) {
    struct node *free = (struct node *)arena, *root = NULL;
    for (u64 i = 0; i < 60000; i++) {
      u64 key = next_random(&state) >> 8;
      struct node **at = &root;
      while (*at != NULL && (*at)->key != key) at = key < (*at)->key ? &(*at)->left : &(*at)->right;
      if (*at != NULL) continue;
      *free = (struct node){key, NULL, NULL};
      *at = free++;
    }
    check = mix(check, walk(root, 0));
  }
  return check;
}
