// Runs single instructions on XMM0, XMM1 and RAX under any MXCSR, and tells how each ends. Cases come from the standard
// input and results go to the standard output, in the layouts below.

#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct request {
  uint8_t length, code[15];
  uint64_t xmm0[2], xmm1[2], rax;
  uint32_t mxcsr, unused;
};

struct answer {
  uint64_t xmm0[2], rax;
  uint32_t mxcsr, fault;
};

static sigjmp_buf back;
static volatile uint32_t at_fault;

static void handler(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  at_fault = ((ucontext_t *)context)->uc_mcontext.fpregs->mxcsr;
  siglongjmp(back, 1);
}

int main(void) {
  uint8_t *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGFPE, &action, 0);
  struct request request;
  while (fread(&request, sizeof request, 1, stdin) == 1) {
    memcpy(page, request.code, request.length);
    // RET.
    page[request.length] = 0xc3;
    struct answer answer = {.fault = 0};
    uint32_t masked = 0x1f80;
    if (sigsetjmp(back, 1) == 0) {
      uint64_t rax = request.rax;
      __asm__ volatile("movups %[x], %%xmm0\n\tmovups %[y], %%xmm1\n\tldmxcsr %[before]\n\tcall *%[code]\n\t"
                       "stmxcsr %[after]\n\tldmxcsr %[masked]\n\tmovups %%xmm0, %[result]"
                       : "+a"(rax), [result] "=m"(answer.xmm0), [after] "=m"(answer.mxcsr)
                       : [x] "m"(request.xmm0), [y] "m"(request.xmm1), [before] "m"(request.mxcsr),
                         [masked] "m"(masked), [code] "r"(page)
                       : "xmm0", "xmm1", "memory", "cc");
      answer.rax = rax;
    } else {
      __asm__ volatile("ldmxcsr %0" : : "m"(masked));
      answer.fault = 1;
      answer.mxcsr = at_fault;
    }
    fwrite(&answer, sizeof answer, 1, stdout);
  }
  return 0;
}
