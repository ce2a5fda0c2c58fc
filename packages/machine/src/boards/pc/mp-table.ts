import { checksum, TableWriter } from "../../acpi/table.js";
import type { AcpiMachine } from "../../acpi/tables.js";
import { PCI_PINS } from "../../devices/pci/constants.js";
import { le } from "../../values.js";

// What systems from before ACPI look for processors and interrupts in: Intel MultiProcessor Specification 1.4, chapter 4.

/** Where the pointer is, the table behind it: in the BIOS area, which is searched for it. */
export const MP_TABLE = 0xf_8000;
const POINTER_SIZE = 16;
const HEADER_SIZE = 44;
const REVISION = 4;

/** Kinds of entries. */
const Entry = { processor: 0, bus: 1, ioApic: 2, interrupt: 3, localInterrupt: 4 } as const;
const Kind = { vectored: 0, nonMaskable: 1, fromPic: 3 } as const;
const ENABLED = 1;
const BOOTSTRAP = 2;
const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x20;
/** Polarity and trigger mode, where they are not the bus's: active high, level. */
const LEVEL_HIGH = 0x0d;
/** Numbers of the buses. PCI's is its own. */
const PCI = 0;
const ISA = 1;
const ISA_IRQS = 16;
/** The line to the second 8259. */
const CASCADE = 2;
const ALL = 0xff;

/** What the table tells of: the same as ACPI's, and leaf 1 of the processors' CPUID. */
export type MpMachine = Pick<AcpiMachine, "processors" | "localApic" | "ioApic" | "overrides" | "pci"> & {
  readonly cpuid: { readonly signature: number; readonly features: number };
};

/** The pointer and the table, to be put at `MP_TABLE`. */
export function writeMpTable(machine: MpMachine): Uint8Array {
  const entries = [...processors(machine), ...buses(machine), ioApic(machine), ...interrupts(machine)];
  const size = HEADER_SIZE + entries.flat().length;
  const writer = new TableWriter(POINTER_SIZE + size);
  writer
    .text(0, "_MP_")
    .u32(4, MP_TABLE + POINTER_SIZE)
    .u8(8, 1)
    .u8(9, REVISION);
  writer.u8(10, checksum(writer.bytes.subarray(0, POINTER_SIZE)));
  const table = new TableWriter(size);
  table.text(0, "PCMP").u16(4, size).u8(6, REVISION).text(8, "HYPERCRF").text(16, "pc          ");
  table.u16(34, entries.length).u32(36, machine.localApic);
  table.bytes.set(entries.flat(), HEADER_SIZE);
  table.u8(7, checksum(table.bytes));
  writer.bytes.set(table.bytes, POINTER_SIZE);
  return writer.bytes;
}

function processors({ processors: ids, cpuid }: MpMachine): number[][] {
  return ids.map((id, i) => [
    ...[Entry.processor, id, LOCAL_APIC_VERSION, i === 0 ? ENABLED | BOOTSTRAP : ENABLED],
    ...[...le(cpuid.signature >>> 0, 4), ...le(cpuid.features >>> 0, 4), ...le(0, 8)],
  ]);
}

function buses({ pci }: MpMachine): number[][] {
  const bus = (id: number, name: string) => [Entry.bus, id, ...new TextEncoder().encode(name)];
  return [...(pci === undefined ? [] : [bus(PCI, "PCI   ")]), bus(ISA, "ISA   ")];
}

function ioApic({ ioApic: { id, base } }: MpMachine): number[] {
  return [Entry.ioApic, id, IO_APIC_VERSION, ENABLED, ...le(base, 4)];
}

function interrupts({ ioApic: { id }, overrides, pci }: MpMachine): number[][] {
  const entries: number[][] = [];
  const add = (bus: number, source: number, input: number, level: boolean) =>
    entries.push([Entry.interrupt, Kind.vectored, ...le(level ? LEVEL_HIGH : 0, 2), bus, source, id, input]);
  const inputs = new Set<number>();
  for (let device = 0; device < (pci?.devices ?? 0); device++)
    for (let pin = 0; pin < PCI_PINS; pin++) {
      const input = pci!.interruptOf(device, pin + 1);
      inputs.add(input);
      add(PCI, (device << 2) | pin, input, true);
    }
  for (let irq = 0; irq < ISA_IRQS; irq++) {
    const { input = irq, level = false } = overrides.find((one) => one.irq === irq) ?? {};
    if (irq !== CASCADE && !inputs.has(input)) add(ISA, irq, input, level);
  }
  // The 8259 is behind LINT0 of the first processor, NMI behind LINT1 of all.
  entries.push([Entry.localInterrupt, Kind.fromPic, ...le(0, 2), ISA, 0, 0, 0]);
  entries.push([Entry.localInterrupt, Kind.nonMaskable, ...le(0, 2), ISA, 0, ALL, 1]);
  return entries;
}
