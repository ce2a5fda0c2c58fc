import { ECAM_BUS_SIZE, PCI_PINS } from "../devices/pci/constants.js";
import { le } from "../values.js";
import {
  type Aml,
  device,
  eisaId,
  integer,
  name,
  pack,
  type Resource,
  resources,
  returningArgument,
  scope,
  string,
} from "./aml.js";
import { checksum, HEADER_SIZE, TableWriter, table } from "./table.js";

// The tables that tell operating systems of a PC: ACPI specification 6.5, chapter 5.

/** A device that nothing else tells of. */
export interface AcpiDevice {
  /** Four characters. */
  readonly name: string;
  /** `PNP0501`, or an identifier of ACPI's own such as `LNRO0005`. */
  readonly id: string;
  readonly unique?: number;
  readonly resources: readonly Resource[];
  /** Its DMA is coherent with caches: what x86 takes for granted, but drivers that are shared do not. */
  readonly coherent?: boolean;
}

/** An ISA interrupt that does not go to the input of its number, or not as an edge. */
export interface InterruptOverride {
  readonly irq: number;
  readonly input: number;
  readonly level?: boolean;
}

/** A PCI host bridge. */
export interface AcpiPci {
  /** Configuration space in memory, from bus 0 on. */
  readonly base: number;
  readonly buses: number;
  /** What it takes and forwards besides its buses. */
  readonly resources: readonly Resource[];
  /** Devices of bus 0 that have interrupt pins, and the global system interrupt of a pin (1 to 4). */
  readonly devices: number;
  readonly interruptOf: (device: number, pin: number) => number;
}

/** What the tables tell of. */
export interface AcpiMachine {
  /** APIC IDs of the processors, the first one's first. */
  readonly processors: readonly number[];
  readonly localApic: number;
  readonly ioApic: { readonly id: number; readonly base: number };
  readonly overrides: readonly InterruptOverride[];
  /** First port of power management registers, as `AcpiPm` has them, and its interrupt. */
  readonly pm: { readonly base: number; readonly sci: number; readonly offType: number };
  /** A port and what resets the machine when it is written there. */
  readonly reset: { readonly port: number; readonly value: number };
  readonly hpet?: number;
  readonly pci?: AcpiPci;
  readonly devices: readonly AcpiDevice[];
}

export interface AcpiTables {
  /** All of them, the root pointer first. */
  readonly bytes: Uint8Array;
  /** Each by its name: where it is in `bytes`, and how long. */
  readonly places: ReadonlyMap<string, { readonly offset: number; readonly size: number }>;
}

const ALIGNMENT = 64;
const RSDP_SIZE = 36;

/** Writes all tables for an address, a multiple of 64 below 4 GiB, that the root pointer is at. */
export function writeAcpiTables(machine: AcpiMachine, address: number): AcpiTables {
  const places = new Map<string, { offset: number; size: number }>();
  const parts: Uint8Array[] = [];
  let end = 0;
  const put = (what: string, bytes: Uint8Array) => {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    parts.push(new Uint8Array(offset - end), bytes);
    places.set(what, { offset, size: bytes.length });
    end = offset + bytes.length;
    return address + offset;
  };
  // Written last, when it is known where the others are.
  const root = new Uint8Array(RSDP_SIZE);
  put("RSDP", root);
  const facsAt = put("FACS", facs());
  const dsdtAt = put("DSDT", dsdt(machine));
  const listed = [
    put("FACP", fadt(machine, facsAt, dsdtAt)),
    put("APIC", madt(machine)),
    ...(machine.hpet === undefined ? [] : [put("HPET", hpet(machine.hpet))]),
    ...(machine.pci === undefined ? [] : [put("MCFG", mcfg(machine.pci))]),
  ];
  const rsdtAt = put("RSDT", rootTable("RSDT", 4, listed));
  const xsdtAt = put("XSDT", rootTable("XSDT", 8, listed));
  root.set(rsdp(rsdtAt, xsdtAt));
  const bytes = new Uint8Array(end);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, places };
}

/** Root system description pointer, revision 2 (5.2.5.3). */
function rsdp(rsdt: number, xsdt: number): Uint8Array {
  const writer = new TableWriter(RSDP_SIZE);
  writer.text(0, "RSD PTR ").text(9, "HYPERC").u8(15, 2).u32(16, rsdt);
  writer.u32(20, RSDP_SIZE).u64(24, xsdt);
  writer.u8(8, checksum(writer.bytes.subarray(0, 20)));
  writer.u8(32, checksum(writer.bytes));
  return writer.bytes;
}

function rootTable(signature: "RSDT" | "XSDT", entry: 4 | 8, addresses: readonly number[]): Uint8Array {
  return table(signature, 1, HEADER_SIZE + entry * addresses.length, (writer) => {
    addresses.forEach((address, i) => {
      const at = HEADER_SIZE + entry * i;
      if (entry === 4) writer.u32(at, address);
      else writer.u64(at, address);
    });
  });
}

/** Firmware ACPI control structure, version 2 (5.2.10). */
function facs(): Uint8Array {
  return new TableWriter(64).text(0, "FACS").u32(4, 64).u8(32, 2).bytes;
}

/** Boot architecture flags: legacy devices, a keyboard controller, no VGA. */
const BOOT_ARCHITECTURE = 0x07;
/** WBINVD, C1, no fixed sleep button, no fixed RTC wake-up, a reset register. */
const FADT_FLAGS = 0x465;
/** Latencies that say that there are no C2 and C3. */
const NO_C2 = 0x65;
const NO_C3 = 0x3e9;
const CENTURY = 0x32;
/** Offsets of blocks from the first power management port. */
const PM_CONTROL = 4;
const PM_TIMER = 8;

/** Fixed ACPI description table, revision 6.5 (5.2.9). */
function fadt({ pm, reset }: AcpiMachine, facsAt: number, dsdtAt: number): Uint8Array {
  const control = pm.base + PM_CONTROL;
  const timer = pm.base + PM_TIMER;
  return table("FACP", 6, 276, (writer) => {
    writer.u32(36, facsAt).u32(40, dsdtAt).u16(46, pm.sci);
    writer.u32(56, pm.base).u32(64, control).u32(76, timer);
    writer.u8(88, 4).u8(89, 2).u8(91, 4);
    writer.u16(96, NO_C2).u16(98, NO_C3).u8(108, CENTURY).u16(109, BOOT_ARCHITECTURE).u32(112, FADT_FLAGS);
    writer.address(116, 1, 8, reset.port).u8(128, reset.value).u8(131, 5);
    writer.u64(140, dsdtAt);
    writer.address(148, 1, 32, pm.base).address(172, 1, 16, control).address(208, 1, 32, timer);
  });
}

/** Local APIC IDs beyond this one need entries of x2APIC. */
const LAST_SMALL_ID = 254;
/** Of an override: active high, and level- or edge-triggered. */
const LEVEL_HIGH = 0x0d;
const EDGE_HIGH = 0x05;

/** Multiple APIC description table (5.2.12). */
function madt({ processors, localApic, ioApic, overrides }: AcpiMachine): Uint8Array {
  const entries: number[] = [];
  processors.forEach((id, uid) => {
    if (id <= LAST_SMALL_ID && uid <= LAST_SMALL_ID) entries.push(0, 8, uid, id, ...le(1, 4));
    else entries.push(9, 16, 0, 0, ...le(id, 4), ...le(1, 4), ...le(uid, 4));
  });
  entries.push(1, 12, ioApic.id, 0, ...le(ioApic.base, 4), ...le(0, 4));
  for (const { irq, input, level = false } of overrides)
    entries.push(2, 10, 0, irq, ...le(input, 4), ...le(level ? LEVEL_HIGH : EDGE_HIGH, 2));
  // NMI is LINT1 of all processors.
  entries.push(4, 6, 0xff, ...le(EDGE_HIGH, 2), 1);
  return table("APIC", 5, HEADER_SIZE + 8 + entries.length, (writer) => {
    // There are 8259s, too.
    writer.u32(36, localApic).u32(40, 1);
    writer.bytes.set(entries, 44);
  });
}

/** The HPET's: IA-PC HPET specification 1.0a, 3.2.4. Its first word is that of the capabilities. */
function hpet(base: number): Uint8Array {
  const MINIMUM_TICKS = 0x80;
  return table("HPET", 1, 56, (writer) => {
    writer.u32(36, 0x8086_a201).address(40, 0, 64, base).u16(53, MINIMUM_TICKS);
  });
}

/** PCI's memory-mapped configuration (PCI firmware specification 3.3, 4.1.2). */
function mcfg({ base, buses }: AcpiPci): Uint8Array {
  return table("MCFG", 1, HEADER_SIZE + 8 + 16, (writer) => {
    writer
      .u64(44, base)
      .u8(54, 0)
      .u8(55, buses - 1);
  });
}

/** Differentiated system description table: devices, and how to go off. */
function dsdt({ devices, processors, pm, pci }: AcpiMachine): Uint8Array {
  const bridge = pci === undefined ? [] : [hostBridge(pci), configurationSpace(pci)];
  const body = [
    ...scope("_SB", ...processors.map((_, uid) => processor(uid)), ...bridge, ...devices.map(describe)),
    // SLP_TYP of PM1a and PM1b, and two that are reserved.
    ...name("_S5", pack(integer(pm.offType), integer(0), integer(0), integer(0))),
  ];
  return table("DSDT", 2, HEADER_SIZE + body.length, (writer) => writer.bytes.set(body, HEADER_SIZE));
}

function processor(uid: number): Aml {
  const digits = uid.toString(16).toUpperCase().padStart(3, "0");
  return device(`C${digits}`, name("_HID", string("ACPI0007")), name("_UID", integer(uid)));
}

/** PCI firmware specification 3.3, 4.5; ACPI 6.5, 6.2.13. */
function hostBridge({ buses, resources: list, devices, interruptOf }: AcpiPci): Aml {
  const routes = Array.from({ length: devices * PCI_PINS }, (_, i) => {
    const [device, pin] = [Math.floor(i / PCI_PINS), i % PCI_PINS];
    // All functions of the device; the pin from 0 on; no link device, but an input of the I/O APIC.
    const address = device * 0x1_0000 + 0xffff;
    return pack(integer(address), integer(pin), integer(0), integer(interruptOf(device, pin + 1)));
  });
  return device(
    "PCI0",
    name("_HID", eisaId("PNP0A08")),
    name("_CID", eisaId("PNP0A03")),
    name("_UID", integer(0)),
    name("_SEG", integer(0)),
    name("_BBN", integer(0)),
    name("_CCA", integer(1)),
    name("_CRS", resources([{ kind: "buses", count: buses }, ...list])),
    name("_PRT", pack(...routes)),
    // The operating system may control whatever it asks for: nobody else does.
    returningArgument("_OSC", 4, 3),
  );
}

/** Says that the addresses of configuration space are taken. */
function configurationSpace({ base, buses }: AcpiPci): Aml {
  return device(
    "MRES",
    name("_HID", eisaId("PNP0C02")),
    name("_UID", integer(1)),
    name("_CRS", resources([{ kind: "memory", base, size: buses * ECAM_BUS_SIZE }])),
  );
}

function describe({ name: at, id, unique, resources: list, coherent }: AcpiDevice): Aml {
  const isEisa = /^[A-Z]{3}[0-9A-F]{4}$/.test(id);
  return device(
    at,
    name("_HID", isEisa ? eisaId(id) : string(id)),
    ...(unique === undefined ? [] : [name("_UID", integer(unique))]),
    ...(coherent ? [name("_CCA", integer(1))] : []),
    name("_CRS", resources(list)),
  );
}
