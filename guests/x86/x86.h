/* What the files of this port share with each other. */
#pragma once

#include "guard.h"
#include "selectors.h"
#include "space.h"
#include "types.h"

struct task;

/* ---- Registers ---------------------------------------------------------------------------- */

#define control_read(name)                                                     \
  ({                                                                           \
    u64 control_value;                                                         \
    __asm__ volatile("movq %%" name ", %0" : "=r"(control_value) : : "memory"); \
    control_value;                                                             \
  })
#define control_write(name, value) __asm__ volatile("movq %0, %%" name ::"r"((u64)(value)) : "memory")

enum { CR0_TS = 1 << 3, CR0_WP = 1 << 16 };
enum { CR4_TSD = 1 << 2, CR4_DE = 1 << 3, CR4_PGE = 1 << 7, CR4_UMIP = 1 << 11, CR4_FSGSBASE = 1 << 16,
       CR4_PCIDE = 1 << 17, CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21 };
enum { FLAG_CARRY = 1, FLAG_ALWAYS = 2, FLAG_PARITY = 4, FLAG_ADJUST = 0x10, FLAG_ZERO = 0x40, FLAG_SIGN = 0x80,
       FLAG_TRAP = 0x100, FLAG_INTERRUPT = 0x200, FLAG_DIRECTION = 0x400, FLAG_OVERFLOW = 0x800,
       FLAG_RESUME = 0x10000, FLAG_ALIGNMENT = 0x40000 };

enum {
  MSR_APIC_BASE = 0x1b,
  MSR_DEADLINE = 0x6e0,
  MSR_X2APIC = 0x800,
  MSR_EFER = 0xc0000080,
  MSR_STAR = 0xc0000081,
  MSR_LSTAR = 0xc0000082,
  MSR_FMASK = 0xc0000084,
  MSR_FS_BASE = 0xc0000100,
  MSR_GS_BASE = 0xc0000101,
  MSR_KERNEL_GS_BASE = 0xc0000102,
  MSR_TSC_AUX = 0xc0000103,
};

static inline u64 msr_read(u32 number) {
  u32 low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number) : "memory");
  return (u64)high << 32 | low;
}
static inline void msr_write(u32 number, u64 value) {
  __asm__ volatile("wrmsr" ::"a"((u32)value), "d"((u32)(value >> 32)), "c"(number) : "memory");
}

static inline u64 timestamp(void) {
  u32 low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (u64)high << 32 | low;
}

struct cpuid {
  u32 a, b, c, d;
};
static inline struct cpuid cpuid(u32 leaf, u32 sub) {
  struct cpuid r;
  __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
  return r;
}

/* ---- Features -- features.c --------------------------------------------------------------- */

/* What CPUID says, as far as we use it. */
extern struct features {
  char brand[49];
  bool pcid, x2apic, deadline, xsave, xsaveopt;           /* leaf 1, and 0dh */
  bool popcnt, movbe, cx16, sse41, sse42, rdrand;
  bool fsgsbase, bmi1, bmi2, smep, smap, umip, invpcid, adx; /* leaf 7 */
  bool rdtscp, lzcnt, page1g;                             /* leaf 8000_0001h */
  bool under_hypervisor;
} features;
void features_read(void);

/* ---- Processors -- cores.c ---------------------------------------------------------------- */

struct __attribute__((packed)) tss {
  u32 reserved0;
  u64 stacks[3];  /* by privilege level */
  u64 reserved1;
  u64 special[7]; /* by number in an interrupt gate */
  u64 reserved2;
  u16 reserved3, ports_at;
};

struct core {
  struct core *self;  /* trap.S counts on these three places; GS.base points here in the kernel */
  vaddr kernel_stack; /* where traps from the program begin, */
  vaddr user_stack;   /* and SYSCALL's note of the program's */
  unsigned cpu;       /* as the portable kernel numbers them */
  u32 apic_id;
  bool running;
  u64 alarm;          /* NEVER: none */
  u64 descriptors[DESCRIPTORS];
  struct tss task_state;
};

extern struct core cores[];

static inline struct core *this_core(void) {
  struct core *core;
  __asm__("movq %%gs:0, %0" : "=r"(core));
  return core;
}

void core_init(unsigned cpu); /* on itself */
void core_set_stack(vaddr top); /* of the task that runs */
extern u8 trampoline[], trampoline_end[]; /* start.S */
_Noreturn void x86_main(paddr start_info);
_Noreturn void x86_secondary_main(void);

/* ---- The image -- kernel.ld --------------------------------------------------------------- */

extern u8 image_start[], text_end[], rodata_end[], image_end[]; /* page boundaries */

paddr image_address(const void *thing); /* of something in the kernel's image */

/* ---- Traps -- trap.c, trap.S -------------------------------------------------------------- */

struct frame {
  u64 r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
  u64 vector, error;
  u64 pc, cs, flags, stack, ss;
};

enum {
  VECTOR_DIVIDE = 0, VECTOR_DEBUG = 1, VECTOR_NMI = 2, VECTOR_BREAKPOINT = 3, VECTOR_OVERFLOW = 4,
  VECTOR_UNDEFINED = 6, VECTOR_NO_FLOAT = 7, VECTOR_DOUBLE = 8, VECTOR_BAD_TASK = 10, VECTOR_NOT_PRESENT = 11,
  VECTOR_STACK = 12, VECTOR_PROTECTION = 13, VECTOR_PAGE = 14, VECTOR_X87 = 16, VECTOR_ALIGNMENT = 17,
  VECTOR_SIMD = 19,
  VECTOR_FIRST_LINE = 0x30, /* of the I/O APIC's */
  VECTOR_TEST = 0x60,       /* and 16 times as urgent: TEST + 0x10; only counted */
  VECTOR_TIMER = 0xe0,
  VECTOR_KICK = 0xe1,
  VECTOR_SPURIOUS = 0xff,
};

/* Page faults' error code. */
enum { PAGE_PROTECTION = 1, PAGE_WRITE = 2, PAGE_BY_USER = 4, PAGE_RESERVED = 8, PAGE_FETCH = 16 };

/* A fault's cause (guard.h) holds its vector and error code. */
static inline u64 cause_of(unsigned vector, u64 error) { return vector | error << 8; }

void traps_init(void);     /* once */
void traps_init_cpu(void); /* on each processor */
void trap_gate(unsigned vector, bool present);
u64 trap_count(unsigned vector); /* so far */
_Noreturn void trap_return(struct frame *frame);

/* Floating point: the instructions work, or trap. */
void float_allow(bool on);
void float_begin(struct task *task); /* its first use */

/* ---- Memory -- paging.c ------------------------------------------------------------------- */

#define PTE_PRESENT 1ul
#define PTE_WRITABLE 2ul
#define PTE_USER 4ul
#define PTE_UNCACHED 0x18ul
#define PTE_ACCESSED 0x20ul
#define PTE_DIRTY 0x40ul
#define PTE_LARGE 0x80ul /* above the last level: a page, no table */
#define PTE_GLOBAL 0x100ul
#define PTE_NO_EXECUTE (1ul << 63)

extern u64 kernel_root[512];

void paging_init(void);
void paging_use_kernel(void); /* on each processor */
void map_device(paddr start, u64 size);

/* The kernel's entry for a page (level 1) or larger piece; makes the tables above it. */
u64 *kernel_entry(vaddr at, int level);
void flush_page(vaddr at); /* out of this processor's TLB */

/* ---- Devices ------------------------------------------------------------------------------ */

void timer_init(void);
void timer_init_cpu(void);
void timer_interrupt(void);
bool timer_has_deadline(void);
u64 ticks_of_us(u64 us);
void wait_us(u64 us);

void apic_init(void);     /* once */
void apic_init_cpu(void); /* on each processor */
u32 apic_id(void);
u32 apic_read(unsigned reg); /* by its offset in memory */
void apic_write(unsigned reg, u32 value);
void apic_send(u32 to, u32 command); /* an inter-processor interrupt */
void apic_end(void);

enum { APIC_ID = 0x20, APIC_VERSION = 0x30, APIC_PRIORITY = 0x80, APIC_PROCESSOR_PRIORITY = 0xa0, APIC_EOI = 0xb0,
       APIC_SPURIOUS = 0xf0, APIC_IN_SERVICE = 0x100, APIC_REQUESTED = 0x200, APIC_ERROR = 0x280,
       APIC_COMMAND = 0x300, APIC_TIMER = 0x320, APIC_LINT0 = 0x350, APIC_LINT1 = 0x360, APIC_ERROR_ENTRY = 0x370,
       APIC_INITIAL = 0x380, APIC_CURRENT = 0x390, APIC_DIVIDE = 0x3e0 };
enum { APIC_MASKED = 0x10000, APIC_PERIODIC = 0x20000, APIC_BY_DEADLINE = 0x40000 };
enum { SEND_FIXED = 0x4000, SEND_NMI = 0x4400, SEND_INIT = 0x4500, SEND_START = 0x4600 };

void pics_shut(void);  /* first of all: the local APIC may pass theirs on, until it is told not to */
void lines_init(void); /* the I/O APIC */
void line_enable(unsigned gsi, bool level);
void line_disable(unsigned gsi);
u32 line_read(unsigned reg); /* of the I/O APIC */
void line_write(unsigned reg, u32 value);
unsigned lines_count(void);
void pic_end(unsigned vector);
void interrupts_in(void); /* lets in what is pending */
