/* What the files of this port share with each other. */
#pragma once

#include "guard.h"
#include "space.h"
#include "types.h"

struct task;

/* ---- System registers and barriers -------------------------------------------------------- */

#define sys_read(name)                              \
  ({                                                \
    u64 sys_value;                                  \
    __asm__ volatile("mrs %0, " name : "=r"(sys_value) : : "memory"); \
    sys_value;                                      \
  })
#define sys_write(name, value) __asm__ volatile("msr " name ", %x0" ::"rZ"((u64)(value)) : "memory")

static inline void isb(void) { __asm__ volatile("isb" ::: "memory"); }
static inline void dsb(void) { __asm__ volatile("dsb sy" ::: "memory"); }

/* A field of four bits of an ID register. */
#define id_field(name, shift) ((unsigned)(sys_read(name) >> (shift) & 15))

/* ---- Processors -- cores.c ---------------------------------------------------------------- */

struct core {
  vaddr stack_top; /* read by start.S, which counts on this place in the struct */
  u64 id;          /* MPIDR's affinity, as firmware and GIC number them */
  unsigned cpu;    /* as the portable kernel numbers them */
};

extern struct core cores[]; /* TPIDR_EL1 points to one's own */

static inline struct core *this_core(void) {
  struct core *core;
  __asm__("mrs %0, tpidr_el1" : "=r"(core));
  return core;
}

void core_init(unsigned cpu);
void start_secondary(void); /* start.S */
_Noreturn void arm_main(paddr tree_at, paddr load_address);
_Noreturn void arm_secondary_main(void);

/* ---- The image -- start.S, kernel.ld ------------------------------------------------------ */

extern u64 image_load_address;
extern u8 image_start[], text_end[], rodata_end[], image_end[]; /* page boundaries */

/* Physical address of something in the kernel's image. */
paddr image_address(const void *thing);

/* ---- Traps -- trap.c, trap.S -------------------------------------------------------------- */

struct frame {
  u64 x[31];
  u64 user_stack; /* SP_EL0 */
  u64 pc;
  u64 status; /* SPSR_EL1 */
};

/* Classes of exceptions: ESR_ELx.EC. */
enum {
  CLASS_UNKNOWN = 0x00,
  CLASS_FLOAT = 0x07,
  CLASS_SVC = 0x15,
  CLASS_SYSTEM = 0x18,
  CLASS_FETCH_USER = 0x20,
  CLASS_FETCH = 0x21,
  CLASS_PC_ALIGNMENT = 0x22,
  CLASS_DATA_USER = 0x24,
  CLASS_DATA = 0x25,
  CLASS_SP_ALIGNMENT = 0x26,
  CLASS_BREAKPOINT = 0x3c,
};

/* Fault status codes; of the first three the two low bits tell the level of the table. */
enum { STATUS_TRANSLATION = 0x04, STATUS_ACCESS_FLAG = 0x08, STATUS_PERMISSION = 0x0c, STATUS_EXTERNAL = 0x10,
       STATUS_ALIGNMENT = 0x21 };

static inline unsigned class_of(u64 esr) { return (unsigned)(esr >> 26 & 63); }
static inline unsigned fault_status(u64 esr) { return (unsigned)(esr & 63); }
static inline bool was_write(u64 esr) { return esr >> 6 & 1; }

_Noreturn void trap_return(struct frame *frame);

/* Floating point: the instructions work, or trap. float.S */
void float_allow(bool on);
void float_begin(struct task *task); /* its first use */
void float_save(u64 registers[66]);
void float_restore(const u64 registers[66]);

/* ---- Memory -- vmsa.c --------------------------------------------------------------------- */

#define PTE_VALID 1ul
#define PTE_PAGE 2ul      /* at the last level; above it: a table */
#define PTE_DEVICE (1ul << 2) /* MAIR's attribute 1; else 0, normal memory */
#define PTE_USER (1ul << 6)
#define PTE_READ_ONLY (1ul << 7)
#define PTE_SHARED (3ul << 8)
#define PTE_ACCESSED (1ul << 10)
#define PTE_NOT_GLOBAL (1ul << 11)
#define PTE_DIRTY_MANAGED (1ul << 51)
#define PTE_NO_KERNEL_EXECUTE (1ul << 53)
#define PTE_NO_USER_EXECUTE (1ul << 54)

extern u64 kernel_root[512];

void vmsa_init(void);
void vmsa_use_kernel(void); /* on each processor */

/* The kernel's entry for a page (level 3) or larger piece; makes the tables above it. */
u64 *kernel_entry(vaddr at, int level);
u64 pte_of(paddr page, u64 flags); /* a page of normal memory, accessed */

/* Replaces an entry as the manual wants it: break before make, with everybody's TLB cleaned between. */
void replace_entry(u64 *entry, u64 value, vaddr at);

void code_written(void *at, u64 size); /* instruction fetches see it from now on */

/* ---- Firmware -- psci.c ------------------------------------------------------------------- */

enum {
  PSCI_VERSION = 0x84000000,
  PSCI_CPU_SUSPEND = 0xc4000001,
  PSCI_CPU_OFF = 0x84000002,
  PSCI_CPU_ON = 0xc4000003,
  PSCI_AFFINITY_INFO = 0xc4000004,
  PSCI_MIGRATE_INFO_TYPE = 0x84000006,
  PSCI_SYSTEM_OFF = 0x84000008,
  PSCI_SYSTEM_RESET = 0x84000009,
  PSCI_FEATURES = 0x8400000a,
};
enum { PSCI_CPU_IS_ON, PSCI_CPU_IS_OFF }; /* what AFFINITY_INFO answers */
enum { PSCI_SUCCESS = 0, PSCI_NOT_SUPPORTED = -1, PSCI_INVALID_PARAMETERS = -2, PSCI_ALREADY_ON = -4 };

/* Calls the firmware, or the hypervisor that answers in its place (Arm DEN 0022). */
s64 psci_call(u64 function, u64 a, u64 b, u64 c);

/* ---- Devices ------------------------------------------------------------------------------ */

void timer_init(void);
void timer_quiet(void); /* the interrupt was seen */

void gic_init(void);     /* once */
void gic_init_cpu(void); /* on each processor */
void gic_enable(unsigned irq);
void gic_disable(unsigned irq);
void gic_kick(unsigned cpu);
void gic_interrupt(void);
u64 gic_taken(unsigned irq); /* interrupts of this number so far */
unsigned gic_lines(void);
u32 gic_acknowledge(void);   /* 1020 and above: there is none */
void gic_end(u32 taken);
void interrupts_in(void);    /* lets in what is pending */
void gic_set_mask(u8 priority); /* only what is below this number comes through */
