/* From the first C instruction to the portable kernel. */
#include "arch.h"
#include "board.h"
#include "console.h"
#include "csr.h"
#include "fdt.h"
#include "layout.h"
#include "ns16550.h"
#include "pages.h"
#include "riscv.h"
#include "sbi.h"

const char arch_name[] = "riscv64";
const u16 arch_elf_machine = 243;

u64 image_load_address;

paddr image_address(const void *thing) { return (u64)thing - IMAGE_BASE + image_load_address; }

bool arch_has_float(void) { return board.has_float; }

/* The image, the tree, and whatever lies below the image: that is where firmware lives. */
static void reserve_what_is_used(const void *tree, paddr tree_at) {
  machine_reserve((struct range){tree_at, tree_at + fdt_total_size(tree)});
  paddr end = image_address(image_end);
  for (unsigned i = 0; i < machine.ram_count; i++) {
    const struct range *ram = &machine.ram[i];
    if (ram->start <= image_load_address && image_load_address < ram->end) {
      machine_reserve((struct range){ram->start, end});
    }
  }
}

static void use_uart(void) {
  if (board.uart.base == 0) return;
  ns16550_init(board.uart.base, board.uart_shift);
  console_use(board.plic.base != 0 && board.uart.irq != 0 ? &ns16550 : &ns16550_polled);
  if (board.plic.base != 0 && board.uart.irq != 0) plic_enable(board.uart.irq);
}

_Noreturn void riscv_main(u64 hart, paddr tree_at, paddr load_address) {
  image_load_address = load_address;
  sbi_init();
  const void *tree = arch_at(tree_at);
  if (!board_read(tree, hart)) {
    print("hypercraft guest: no device tree with memory at %016lx\n", tree_at);
    arch_power_off(1);
  }
  hart_init(0);
  reserve_what_is_used(tree, tree_at);
  pages_init();
  sv39_init();
  timer_init();
  plic_init();
  use_uart();
  csr_write("sie", 1 << INTERRUPT_SOFTWARE | 1 << INTERRUPT_TIMER | 1 << INTERRUPT_EXTERNAL);
  kernel_main();
}

void arch_print_banner(void) {
  static const struct {
    const char *name;
    u64 extension;
  } extensions[] = {{"TIME", SBI_TIME}, {"IPI", SBI_IPI},   {"RFENCE", SBI_RFENCE}, {"HSM", SBI_HSM},
                    {"SRST", SBI_SRST}, {"DBCN", SBI_DBCN}, {"PMU", SBI_PMU}};
  u64 version = sbi_call(SBI_BASE, BASE_SPEC_VERSION, 0, 0, 0).value;
  print("firmware  SBI %lu.%lu, implementation %lu:", version >> 24, version & 0xffffff,
        sbi_call(SBI_BASE, BASE_IMPL_ID, 0, 0, 0).value);
  for (unsigned i = 0; i < COUNT(extensions); i++) {
    if (sbi_has(extensions[i].extension)) print(" %s", extensions[i].name);
  }
  print("\nprocessor %s\n", board.isa);
  print("paging    Sv39, %u ASID bits, image at %016lx\n", arch_space_tag_bits(), image_load_address);
  print("timer     %lu Hz, %s\n", machine.ticks_per_second, timer_has_sstc() ? "Sstc" : "SBI");
}
