// about: breaks a rule of memory: 1 write to 0, 2 read the kernel, 3 write code, 4 run data
#include "user.h"

#define KERNEL_ADDRESS 0xffffffff80200000 /* upper half: the kernel's on every architecture we run on */

static const char code[] = "code and constants are read-only";
static u32 data[4];

int main(u64 which) {
  printf("about to break rule %lu\n", which);
  switch (which) {
    case 1:
      *(volatile u64 *)0 = 1;
      break;
    case 2:
      printf("the kernel begins with %lx\n", *(volatile u64 *)KERNEL_ADDRESS);
      break;
    case 3:
      *(volatile char *)code = 1;
      break;
    case 4:
      data[which & 3] = (u32)which; /* else the compiler would count it among the constants */
      ((void (*)(void))data)();
      break;
    default:
      return 1;
  }
  printf("nothing happened\n");
  return 2;
}
