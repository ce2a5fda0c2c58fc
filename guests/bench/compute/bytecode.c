// about: a switch in a loop: an interpreter that runs Collatz sequences
#include "../common/bench.h"

enum { PUSH, LOAD, STORE, ADD, MULTIPLY, SHIFT, AND, JUMP_ZERO, JUMP, EQUAL, END };

/* For each n up to the limit: how many steps until 1, halving what is even and else 3 * x + 1. The sum of them.
 * Variables: 0 n, 1 limit, 2 x, 3 sum. */
static const s16 code[] = {
    /*  0 */ LOAD, 0, LOAD, 1, EQUAL, JUMP_ZERO, 8, END,
    /*  8 */ LOAD, 0, STORE, 2,
    /* 12 */ LOAD, 2, PUSH, 1, EQUAL, JUMP_ZERO, 28,
    /* 19 */ LOAD, 0, PUSH, 1, ADD, STORE, 0, JUMP, 0,
    /* 28 */ LOAD, 3, PUSH, 1, ADD, STORE, 3,
    /* 35 */ LOAD, 2, PUSH, 1, AND, JUMP_ZERO, 54,
    /* 42 */ LOAD, 2, PUSH, 3, MULTIPLY, PUSH, 1, ADD, STORE, 2, JUMP, 12,
    /* 54 */ LOAD, 2, PUSH, 1, SHIFT, STORE, 2, JUMP, 12,
};

static u64 interpret(u64 *variables) {
  u64 stack[16], *top = stack, executed = 0;
  const s16 *at = code;
  for (;;) {
    executed++;
    switch (*at++) {
      case PUSH: *top++ = (u64)*at++; break;
      case LOAD: *top++ = variables[*at++]; break;
      case STORE: variables[*at++] = *--top; break;
      case ADD: top--, top[-1] += *top; break;
      case MULTIPLY: top--, top[-1] *= *top; break;
      case SHIFT: top--, top[-1] >>= *top; break;
      case AND: top--, top[-1] &= *top; break;
      case EQUAL: top--, top[-1] = top[-1] == *top; break;
      case JUMP: at = code + *at; break;
      case JUMP_ZERO: at = *--top == 0 ? code + *at : at + 1; break;
      case END: return executed;
      default: fail("unknown instruction");
    }
  }
}

u64 bench_bytecode(u64 percent) {
  u64 variables[4] = {1, rounds(16000, percent) + 1, 0, 0};
  u64 executed = interpret(variables);
  return mix(executed, variables[3]);
}
