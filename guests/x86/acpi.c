/* The ACPI tables, as far as they are tables (ACPI specification, chapter 5): processors, interrupt controllers,
 * clocks, power. The rest is bytecode, in which we only look for two things by the bytes they begin with. */
#include "arch.h"
#include "board.h"
#include "string.h"

struct __attribute__((packed)) table {
  char signature[4];
  u32 size;
  u8 revision, checksum;
  char maker[6], model[8];
  u32 maker_revision, creator, creator_revision;
  u8 body[];
};

enum { PROCESSOR = 0, IO_APIC = 1, OVERRIDE = 2, LOCAL_APIC_ADDRESS = 5, X2APIC_PROCESSOR = 9 }; /* in MADT */
enum { ENABLED = 1 };
enum { ACTIVE_LOW = 3, LEVEL = 3 << 2 }; /* of an override's flags */

/* Fields lie where they lie. */
static u16 u16_at(const u8 *at) { return (u16)(at[0] | at[1] << 8); }
static u32 u32_at(const u8 *at) { return u16_at(at) | (u32)u16_at(at + 2) << 16; }
static u64 u64_at(const u8 *at) { return u32_at(at) | (u64)u32_at(at + 4) << 32; }

static void add_processor(u32 id, u32 flags, u32 boot_apic) {
  if (!(flags & ENABLED) || id == boot_apic || machine.cpu_count == MAX_CPUS) return;
  board.apic_ids[machine.cpu_count++] = id;
}

static void add_override(const u8 *entry) {
  u16 flags = u16_at(entry + 8);
  if (entry[3] >= COUNT(board.isa)) return;
  board.isa[entry[3]] =
      (struct line){u32_at(entry + 4), (flags & LEVEL) == LEVEL, (flags & ACTIVE_LOW) == ACTIVE_LOW};
}

static void read_interrupts(const struct table *madt, u32 boot_apic) {
  const u8 *end = (const u8 *)madt + madt->size;
  board.local_apic = u32_at(madt->body);
  for (const u8 *entry = madt->body + 8; entry + 2 <= end && entry[1] >= 2; entry += entry[1]) {
    switch (entry[0]) {
      case PROCESSOR:
        add_processor(entry[3], u32_at(entry + 4), boot_apic);
        break;
      case X2APIC_PROCESSOR:
        add_processor(u32_at(entry + 4), u32_at(entry + 8), boot_apic);
        break;
      case IO_APIC:
        if (u32_at(entry + 8) == 0) board.io_apic = u32_at(entry + 4); /* whose first input is line 0 */
        break;
      case OVERRIDE:
        add_override(entry);
        break;
      case LOCAL_APIC_ADDRESS:
        board.local_apic = u64_at(entry + 4);
        break;
    }
  }
}

/* \_S5 is a package whose first number is SLP_TYP of soft-off: 08 "_S5_" 12, length, count, number. */
static void find_sleep_type(const u8 *code, const u8 *end) {
  for (const u8 *p = code; p + 12 < end; p++) {
    if (memcmp(p, "\x08_S5_\x12", 6) != 0) continue;
    const u8 *number = p + 8 + (p[6] >> 6); /* a long length takes more bytes */
    if (*number == 0x0a) board.sleep_off = number[1];
    else if (*number <= 1) board.sleep_off = *number;
    return;
  }
}

/* A virtio device is called LNRO0005 and says where it is in a Memory32Fixed descriptor, and its interrupt in an
 * extended one. */
static void find_virtio(const u8 *code, const u8 *end) {
  for (const u8 *p = code; p + 9 < end && board.virtio_count < COUNT(board.virtio); p++) {
    if (memcmp(p, "LNRO0005", 9) != 0) continue;
    for (const u8 *q = p + 9; q + 21 <= end && q < p + 64; q++) {
      if (memcmp(q, "\x86\x09\x00", 3) != 0 || memcmp(q + 12, "\x89\x06\x00", 3) != 0) continue;
      unsigned i = board.virtio_count++;
      board.virtio[i].base = u32_at(q + 4);
      board.virtio[i].size = u32_at(q + 8);
      board.virtio[i].gsi = u32_at(q + 17);
      break;
    }
  }
}

enum { FADT_DSDT = 40, FADT_EVENT = 56, FADT_CONTROL = 64, FADT_TIMER = 76, FADT_FLAGS = 112, FADT_RESET = 116,
       FADT_RESET_VALUE = 128 };
enum { IN_PORTS = 1, CAN_RESET = 1 << 10 };

static void read_fixed(const struct table *fadt) {
  const u8 *at = (const u8 *)fadt;
  board.pm_event = (u16)u32_at(at + FADT_EVENT);
  board.pm_control = (u16)u32_at(at + FADT_CONTROL);
  board.pm_timer = (u16)u32_at(at + FADT_TIMER);
  if (fadt->size > FADT_RESET_VALUE && u32_at(at + FADT_FLAGS) & CAN_RESET && at[FADT_RESET] == IN_PORTS) {
    board.reset_port = (u16)u64_at(at + FADT_RESET + 4);
    board.reset_value = at[FADT_RESET_VALUE];
  }
  const struct table *dsdt = arch_at(u32_at(at + FADT_DSDT));
  const u8 *end = (const u8 *)dsdt + dsdt->size;
  if (memcmp(dsdt->signature, "DSDT", 4) != 0) return;
  find_sleep_type(dsdt->body, end);
  find_virtio(dsdt->body, end);
}

static void read_table(const struct table *table, u32 boot_apic) {
  if (memcmp(table->signature, "APIC", 4) == 0) read_interrupts(table, boot_apic);
  if (memcmp(table->signature, "FACP", 4) == 0) read_fixed(table);
  if (memcmp(table->signature, "HPET", 4) == 0) board.hpet = u64_at(table->body + 8);
}

enum { ROOT_MAKER = 9, ROOT_REVISION = 15, ROOT_RSDT = 16, ROOT_XSDT = 24 };

static bool is_root(const u8 *at) {
  u8 sum = 0;
  for (int i = 0; i < 20; i++) sum += at[i];
  return memcmp(at, "RSD PTR ", 8) == 0 && sum == 0;
}

/* Where a PC's firmware leaves the root pointer, if nobody says. */
static paddr find_root(void) {
  for (paddr at = 0xe0000; at < 0x100000; at += 16) {
    if (is_root(arch_at(at))) return at;
  }
  return 0;
}

void acpi_read(paddr root_at, u32 boot_apic) {
  for (unsigned i = 0; i < COUNT(board.isa); i++) board.isa[i].gsi = i;
  board.local_apic = 0xfee00000;
  board.apic_ids[0] = boot_apic;
  machine.cpu_count = 1;
  if (root_at == 0) root_at = find_root();
  if (root_at == 0) return;

  const u8 *root = arch_at(root_at);
  memcpy(board.firmware, root + ROOT_MAKER, 6);
  for (int i = 5; i >= 0 && board.firmware[i] == ' '; i--) board.firmware[i] = 0;
  bool wide = root[ROOT_REVISION] >= 2 && u64_at(root + ROOT_XSDT) != 0;
  const struct table *list = arch_at(wide ? u64_at(root + ROOT_XSDT) : u32_at(root + ROOT_RSDT));
  unsigned step = wide ? 8 : 4;
  for (const u8 *p = list->body; p + step <= (const u8 *)list + list->size; p += step) {
    read_table(arch_at(wide ? u64_at(p) : u32_at(p)), boot_apic);
  }
}
