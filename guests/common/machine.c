#include "machine.h"

struct machine machine;

void machine_add_ram(struct range range) {
  if (machine.ram_count < COUNT(machine.ram)) machine.ram[machine.ram_count++] = range;
}

void machine_reserve(struct range range) {
  if (machine.reserved_count < COUNT(machine.reserved)) machine.reserved[machine.reserved_count++] = range;
}
