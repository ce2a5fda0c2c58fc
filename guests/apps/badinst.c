// about: runs what it may not: 1 no instruction, 2 system register, 3 return from trap, 4 breakpoint
#include "user.h"

int main(u64 which) {
  printf("about to try %lu\n", which);
  switch (which) {
    case 1:
      illegal_instruction();
      break;
    case 2:
      privileged_read();
      break;
    case 3:
      privileged_return();
      break;
    case 4:
      breakpoint();
      break;
    default:
      return 1;
  }
  printf("nothing happened\n");
  return 2;
}
