/* From the first C instruction to the portable kernel. */
#include "arch.h"
#include "board.h"
#include "console.h"
#include "io.h"
#include "layout.h"
#include "ns16550.h"
#include "pages.h"
#include "x86.h"

const char arch_name[] = "x86_64";
const u16 arch_elf_machine = 62;

enum { SERIAL_PORT = 0x3f8, SERIAL_LINE = 4 };
enum { SEND = 0, STATUS = 5, CAN_SEND = 0x20 };

paddr image_address(const void *thing) { return (u64)thing - IMAGE_BASE + LOAD_BASE; }

bool arch_has_float(void) { return true; } /* SSE2 belongs to 64-bit mode */

/* There is no console of the firmware, but the port is where it is on any PC. */
void arch_putc(char c) {
  for (int i = 0; i < 100000 && !(io_read8(SERIAL_PORT + STATUS) & CAN_SEND); i++) continue;
  io_write8(SERIAL_PORT + SEND, (u8)c);
}
int arch_getc(void) { return -1; }

static void use_uart(void) {
  if (!board.has_uart) return;
  /* The line first: it tells of a key by a change, and one that was typed already must not be missed. */
  if (board.io_apic != 0) line_enable(board.isa[SERIAL_LINE].gsi, board.isa[SERIAL_LINE].level);
  ns16550_init(SERIAL_PORT, 0);
  console_use(board.io_apic != 0 ? &ns16550 : &ns16550_polled);
}

_Noreturn void x86_main(paddr start_info) {
  pics_shut();
  features_read();
  traps_init();
  if (!board_read(start_info, cpuid(1, 0).b >> 24)) {
    print("hypercraft guest: no PVH start info with memory at %016lx\n", start_info);
    arch_power_off(1);
  }
  machine_reserve((struct range){LOAD_BASE, image_address(image_end)});
  pages_init();
  paging_init();
  core_init(0);
  timer_init();
  lines_init();
  use_uart();
  kernel_main();
}

void arch_print_banner(void) {
  struct cpuid one = cpuid(1, 0);
  print("processor %s, signature %x, APIC %u\n", features.brand, one.a, this_core()->apic_id);
  print("paging    4 levels, pages up to %s,%s image at %016lx\n", features.page1g ? "1 GiB" : "2 MiB",
        features.pcid ? " PCIDs," : "", (u64)LOAD_BASE);
  print("timer     %lu Hz, %s\n", machine.ticks_per_second, timer_has_deadline() ? "TSC deadline" : "one-shot");
  print("apic      %s, %u lines\n", features.x2apic ? "x2APIC" : "xAPIC", lines_count());
}
