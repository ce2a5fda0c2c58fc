/* Ring 3: what may not be done there, and how that is told. */
#include "arch.h"
#include "checks.h"
#include "layout.h"
#include "pages.h"
#include "string.h"
#include "task.h"

/* Code for a program: it ends by an exception. */
#define USER_CODE_OF(name, instructions)                                                       \
  extern const u8 name[], name##_end[];                                                        \
  __asm__(".pushsection .rodata\n" #name ":\n" instructions "\n" #name "_end:\n .popsection");
#define RUN(name, flags) run(name, name##_end, flags, USER_CODE)

#define CODE_AT 0x10000ul
#define DATA_AT 0x11000ul

struct run {
  s64 cause;
  u64 value, offset; /* of the instruction, in the code */
  u64 data[2];       /* what it left where rbx points */
};

static u64 enter_ring_3(u64 frame) {
  core_set_stack((vaddr)(current->stack + STACK_SIZE)); /* the shell has another for itself */
  trap_return((struct frame *)frame);
}

static struct run run(const u8 *code, const u8 *end, u64 flags, u64 selector) {
  struct space space = {.slot = MAX_TASKS};
  paddr pages[2] = {page_new(), page_new()};
  arch_space_new(&space);
  arch_map(&space, CODE_AT, pages[0], RIGHT_READ | RIGHT_EXECUTE);
  arch_map(&space, DATA_AT, pages[1], RIGHT_READ | RIGHT_WRITE);
  memcpy(arch_at(pages[0]), code, (u64)(end - code));
  struct frame frame = {
      .pc = CODE_AT, .cs = selector, .flags = flags | FLAG_ALWAYS, .stack = DATA_AT + PAGE_SIZE, .ss = USER_DATA,
      .bx = DATA_AT,
  };
  u64 unused;
  arch_space_use(&space);
  struct fault fault = attempt(enter_ring_3, (u64)&frame, &unused);
  arch_space_use(NULL);
  struct run result = {(s64)fault.cause, fault.value, fault.pc - CODE_AT, {0}};
  memcpy(result.data, arch_at(pages[1]), sizeof result.data);
  arch_space_free(&space);
  return result;
}

/* ---- Privileged instructions -------------------------------------------------------------- */

USER_CODE_OF(user_hlt, "hlt")
USER_CODE_OF(user_cli, "cli")
USER_CODE_OF(user_sti, "sti")
USER_CODE_OF(user_lgdt, "lgdt (%rbx)")
USER_CODE_OF(user_lidt, "lidt (%rbx)")
USER_CODE_OF(user_lldt, "lldt %ax")
USER_CODE_OF(user_lmsw, "lmsw %ax")
USER_CODE_OF(user_clts, "clts")
USER_CODE_OF(user_cr3, "movq %cr3, %rax")
USER_CODE_OF(user_dr7, "movq %dr7, %rax")
USER_CODE_OF(user_rdmsr, "rdmsr")
USER_CODE_OF(user_wrmsr, "wrmsr")
USER_CODE_OF(user_invlpg, "invlpg (%rbx)")
USER_CODE_OF(user_swapgs, "swapgs")
USER_CODE_OF(user_in, "inb $0x80, %al")
USER_CODE_OF(user_out, "outl %eax, %dx")
USER_CODE_OF(user_ins, "movq %rbx, %rdi\n insb")

enum verdict check_user_privileged(struct buffer *note) {
  static const struct {
    const u8 *code, *end;
  } list[] = {
      {user_hlt, user_hlt_end},       {user_cli, user_cli_end},       {user_sti, user_sti_end},
      {user_lgdt, user_lgdt_end},     {user_lidt, user_lidt_end},     {user_lldt, user_lldt_end},
      {user_lmsw, user_lmsw_end},     {user_clts, user_clts_end},     {user_cr3, user_cr3_end},
      {user_dr7, user_dr7_end},       {user_rdmsr, user_rdmsr_end},   {user_wrmsr, user_wrmsr_end},
      {user_invlpg, user_invlpg_end}, {user_swapgs, user_swapgs_end},
      {user_in, user_in_end},         {user_out, user_out_end},       {user_ins, user_ins_end},
  };
  for (unsigned i = 0; i < COUNT(list); i++) {
    s64 cause = run(list[i].code, list[i].end, 0, USER_CODE).cause;
    if (TRAPPED(cause, VECTOR_PROTECTION, 0)) continue;
    buffer_print(note, "number %u: %lx", i, (u64)cause);
    return FAIL;
  }
  return PASS;
}

USER_CODE_OF(user_sgdt, "sgdt (%rbx)\n int3")
USER_CODE_OF(user_smsw, "smsw %eax\n movl %eax, (%rbx)\n int3")

/* What tells of the kernel's tables may be forbidden, too. */
enum verdict check_user_umip(struct buffer *note) {
  struct run table = RUN(user_sgdt, 0), word = RUN(user_smsw, 0);
  if (features.umip) {
    EXPECT(TRAPPED(table.cause, VECTOR_PROTECTION, 0) && TRAPPED(word.cause, VECTOR_PROTECTION, 0));
  } else {
    EXPECT(TRAPPED(table.cause, VECTOR_BREAKPOINT, 0) && TRAPPED(word.cause, VECTOR_BREAKPOINT, 0));
    EXPECT((table.data[0] & 0xffff) == 8 * DESCRIPTORS - 1);
    EXPECT((word.data[0] & 0xffff) == (control_read("cr0") & 0xffff));
  }
  buffer_print(note, features.umip ? "traps" : "works");
  return PASS;
}

/* ---- Software interrupts, flags ----------------------------------------------------------- */

USER_CODE_OF(user_int3, "nop\n int3")
USER_CODE_OF(user_int4, "int $4")
USER_CODE_OF(user_int60, "int $0x60")
USER_CODE_OF(user_page, "movq $1, (0xffffffff80200000)")
USER_CODE_OF(user_popf, "pushq $0x3202\n popfq\n pushfq\n popq (%rbx)\n int3") /* IOPL 3, IF */

enum verdict check_user_vectors(struct buffer *note) {
  struct run three = RUN(user_int3, 0), four = RUN(user_int4, 0), closed = RUN(user_int60, 0);
  struct run page = RUN(user_page, 0), flags = RUN(user_popf, 0);
  EXPECT(TRAPPED(three.cause, VECTOR_BREAKPOINT, 0) && three.offset == 2);
  EXPECT(TRAPPED(four.cause, VECTOR_OVERFLOW, 0) && four.offset == 2);
  EXPECT(GATE_TRAPPED(closed.cause, VECTOR_PROTECTION, 0x60) && closed.offset == 0); /* it is not theirs */
  EXPECT(TRAPPED(page.cause, VECTOR_PAGE, PAGE_PROTECTION | PAGE_WRITE | PAGE_BY_USER));
  EXPECT(page.value == IMAGE_BASE);
  EXPECT((flags.data[0] & 0x3202) == 2); /* neither changes, silently */
  return PASS;
}

USER_CODE_OF(user_rdtsc, "rdtsc\n movl %eax, (%rbx)\n int3")

enum verdict check_user_counter(struct buffer *note) {
  struct run open = RUN(user_rdtsc, 0);
  control_write("cr4", control_read("cr4") | CR4_TSD);
  struct run closed = RUN(user_rdtsc, 0);
  control_write("cr4", control_read("cr4") & ~(u64)CR4_TSD);
  EXPECT(TRAPPED(open.cause, VECTOR_BREAKPOINT, 0) && open.data[0] != 0);
  EXPECT(TRAPPED(closed.cause, VECTOR_PROTECTION, 0));
  return PASS;
}

USER_CODE_OF(user_misaligned, "movl 2(%rbx), %eax\n int3")

enum verdict check_user_alignment(struct buffer *note) {
  struct run off = RUN(user_misaligned, 0), on = RUN(user_misaligned, FLAG_ALIGNMENT);
  EXPECT(TRAPPED(off.cause, VECTOR_BREAKPOINT, 0));
  /* QEMU's processor checks no alignment. */
  EXPECT(TRAPPED(on.cause, VECTOR_ALIGNMENT, 0) || TRAPPED(on.cause, VECTOR_BREAKPOINT, 0));
  buffer_print(note, TRAPPED(on.cause, VECTOR_ALIGNMENT, 0) ? "checked" : "not checked");
  return PASS;
}

/* ---- Compatibility mode ------------------------------------------------------------------- */

/* In 32-bit code a segment is needed for data, 0x40 is `inc eax`, no prefix; `into` and `pusha` are instructions; addresses have 32 bits. */
USER_CODE_OF(user_compatibility,
             ".code32\n movl $0x23, %eax\n movl %eax, %ds\n movl $0x7fffffff, %eax\n .byte 0x40\n pushal\n popal\n movl %eax, (%ebx)\n"
             "movl $8, %eax\n movl %eax, 4(%ebx)\n movl $-1, %ecx\n leal 5(%ecx), %edx\n movl %edx, 8(%ebx)\n"
             "movl $0x7fffffff, %eax\n incl %eax\n into\n .code64")

enum verdict check_compatibility(struct buffer *note) {
  struct run result = run(user_compatibility, user_compatibility_end, 0, USER_CODE32);
  EXPECT(TRAPPED(result.cause, VECTOR_OVERFLOW, 0));
  EXPECT(result.data[0] == 0x880000000 && result.data[1] == 4);
  EXPECT(result.offset == (u64)(user_compatibility_end - user_compatibility));
  return PASS;
}
