// about: asks the kernel for nonsense, and wants to be refused
#include "user.h"

#define HIGH_ADDRESS 0xffffffff80200000 /* the kernel's half */

static int wrong;

static void expect(const char *what, s64 answer, s64 wanted) {
  if (answer == wanted) return;
  printf("%s: %ld, not %ld\n", what, answer, wanted);
  wrong++;
}

int main(u64) {
  expect("unknown call", system_call(CALL_COUNT, 0, 0), BAD_CALL);
  expect("call number -1", system_call(~0ul, 0, 0), BAD_CALL);
  expect("write from 0", system_call(CALL_WRITE, 0, 1), BAD_ADDRESS);
  expect("write from the kernel", system_call(CALL_WRITE, HIGH_ADDRESS, 1), BAD_ADDRESS);
  expect("write past the end", system_call(CALL_WRITE, ~0ul - 1, 8), BAD_ADDRESS);
  expect("write of nothing", system_call(CALL_WRITE, 0, 0), 0);
  expect("endless heap", system_call(CALL_GROW, ~0ul, 0), NO_MEMORY);
  expect("heap near its limit", system_call(CALL_GROW, ~0ul >> 1, 0), NO_MEMORY);

  char *page = grow(1);
  expect("write from fresh memory", system_call(CALL_WRITE, (u64)page, 0), 0);
  expect("write from its last byte on", system_call(CALL_WRITE, (u64)page + 4095, 2), BAD_ADDRESS);
  expect("zeros", *page, 0);
  expect("the same process", getpid(), system_call(CALL_GETPID, 1, 2));
  u64 before = time_ns();
  expect("time goes on", time_ns() >= before, 1);
  printf("%d answers wrong\n", wrong);
  return wrong;
}
