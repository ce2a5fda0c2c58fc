/* From the first C instruction to the portable kernel. */
#include "arch.h"
#include "arm.h"
#include "board.h"
#include "console.h"
#include "fdt.h"
#include "layout.h"
#include "pages.h"
#include "pl011.h"

const char arch_name[] = "aarch64";
const u16 arch_elf_machine = 183;

u64 image_load_address;

paddr image_address(const void *thing) { return (u64)thing - IMAGE_BASE + image_load_address; }

bool arch_has_float(void) { return id_field("id_aa64pfr0_el1", 16) != 15; }

/* There is no console of the firmware: what comes before the driver is lost. */
void arch_putc(char) {}
int arch_getc(void) { return -1; }

static void use_uart(void) {
  if (board.uart.base == 0) return;
  pl011_init(board.uart.base);
  bool interrupts = board.gic_version != 0 && board.uart.irq != 0;
  console_use(interrupts ? &pl011 : &pl011_polled);
  if (interrupts) gic_enable(board.uart.irq);
}

_Noreturn void arm_main(paddr tree_at, paddr load_address) {
  image_load_address = load_address;
  const void *tree = arch_at(tree_at);
  if (!board_read(tree, sys_read("mpidr_el1") & 0xff00ffffff)) arch_power_off(1);
  machine_reserve((struct range){tree_at, tree_at + fdt_total_size(tree)});
  machine_reserve((struct range){load_address, image_address(image_end)});
  pages_init();
  vmsa_init();
  gic_init();
  core_init(0);
  timer_init();
  use_uart();
  kernel_main();
}

void arch_print_banner(void) {
  static const char conduits[][8] = {"none", "HVC", "SMC"};
  s64 version = psci_call(PSCI_VERSION, 0, 0, 0);
  print("firmware  PSCI %ld.%ld by %s\n", version >> 16, version & 0xffff, conduits[board.psci]);
  print("processor MIDR %08lx, MPIDR %lx\n", sys_read("midr_el1"), this_core()->id);
  print("paging    39 bits, granule of 4 KiB, %u ASID bits, image at %016lx\n", arch_space_tag_bits(),
        image_load_address);
  print("timer     %lu Hz, interrupt %u\n", machine.ticks_per_second, board.timer_irq);
  print("gic       version %u, %u interrupts\n", board.gic_version, board.gic_version ? gic_lines() : 0);
}
