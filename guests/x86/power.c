/* The end of the machine. */
#include "arch.h"
#include "board.h"
#include "io.h"
#include "x86.h"

enum { DEBUG_EXIT = 0xf4 };
enum { SLEEP = 1 << 13, SLEEP_TYPE = 10 };
enum { DEFAULT_CONTROL = 0x604 }; /* of QEMU's boards */
enum { KEYBOARD_COMMAND = 0x64, PULSE_RESET = 0xfe };

static _Noreturn void wait_forever(void) {
  for (;;) __asm__ volatile("cli\n hlt");
}

/* ACPI's soft-off knows no failure: where a machine has QEMU's isa-debug-exit, that carries the code. */
_Noreturn void arch_power_off(int code) {
  if (code != 0) io_write8(DEBUG_EXIT, (u8)code);
  u16 port = board.pm_control != 0 ? board.pm_control : DEFAULT_CONTROL;
  io_write16(port, (u16)(SLEEP | board.sleep_off << SLEEP_TYPE));
  wait_forever();
}

_Noreturn void arch_reboot(void) {
  if (board.reset_port != 0) io_write8(board.reset_port, board.reset_value);
  wait_us(1000);
  io_write8(KEYBOARD_COMMAND, PULSE_RESET);
  wait_us(1000);
  /* Without any gate, an exception has no handler; nor has that: the processor shuts down. */
  static const struct __attribute__((packed)) {
    u16 limit;
    u64 base;
  } none;
  __asm__ volatile("lidt %0\n ud2" ::"m"(none));
  wait_forever();
}
