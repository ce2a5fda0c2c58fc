import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { device, eisaId, integer, name, path, scope, string } from "./aml.js";
import { type AcpiMachine, writeAcpiTables } from "./tables.js";

const ADDRESS = 0xf_0000;
const MACHINE: AcpiMachine = {
  processors: [0, 1, 2, 300],
  localApic: 0xfee0_0000,
  ioApic: { id: 0, base: 0xfec0_0000 },
  overrides: [
    { irq: 0, input: 2 },
    { irq: 9, input: 9, level: true },
  ],
  pm: { base: 0x600, sci: 9, offType: 0 },
  reset: { port: 0xcf9, value: 6 },
  hpet: 0xfed0_0000,
  pci: {
    base: 0xb000_0000,
    buses: 256,
    resources: [
      { kind: "ports", base: 0xcf8, size: 8 },
      { kind: "portWindow", base: 0xc000, size: 0x4000 },
      { kind: "memoryWindow", base: 0xc000_0000, size: 0x3eb0_0000 },
    ],
    devices: 32,
    interruptOf: (device, pin) => 10 + ((device + pin) & 1),
  },
  devices: [
    {
      name: "COM1",
      id: "PNP0501",
      unique: 1,
      resources: [
        { kind: "ports", base: 0x3f8, size: 8 },
        { kind: "irq", irq: 4 },
      ],
    },
    ...Array.from({ length: 8 }, (_, i) => ({
      name: `VR0${i}`,
      id: "LNRO0005",
      unique: i,
      coherent: true,
      resources: [
        { kind: "memory", base: 0xfeb0_0000 + 0x200 * i, size: 0x200 } as const,
        { kind: "interrupt", input: 16 + i } as const,
      ],
    })),
  ],
};

const { bytes, places } = writeAcpiTables(MACHINE, ADDRESS);
const view = new DataView(bytes.buffer);
const text = (at: number, size: number) => new TextDecoder().decode(bytes.subarray(at, at + size));
const table = (what: string) => {
  const { offset, size } = places.get(what)!;
  return bytes.slice(offset, offset + size);
};
const sum = (part: Uint8Array) => part.reduce((total, byte) => total + byte, 0) & 0xff;

describe("ACPI tables", () => {
  it("are found from the root pointer on, by 32 and by 64 bits", () => {
    expect([text(0, 8), bytes[15]]).toEqual(["RSD PTR ", 2]);
    expect([sum(bytes.subarray(0, 20)), sum(bytes.subarray(0, 36))]).toEqual([0, 0]);
    const rsdt = view.getUint32(16, true) - ADDRESS;
    const xsdt = Number(view.getBigUint64(24, true)) - ADDRESS;
    expect([text(rsdt, 4), text(xsdt, 4)]).toEqual(["RSDT", "XSDT"]);
    const listed = Array.from({ length: 4 }, (_, i) => view.getUint32(rsdt + 36 + 4 * i, true) - ADDRESS);
    expect(listed.map((at) => text(at, 4))).toEqual(["FACP", "APIC", "HPET", "MCFG"]);
    expect(listed.map((_, i) => Number(view.getBigUint64(xsdt + 36 + 8 * i, true)) - ADDRESS)).toEqual(
      listed,
    );
    const fadt = listed[0]!;
    const [facs, dsdt] = [36, 40].map((at) => view.getUint32(fadt + at, true) - ADDRESS) as [number, number];
    expect([text(facs, 4), facs % 64, text(dsdt, 4)]).toEqual(["FACS", 0, "DSDT"]);
    for (const [what, { offset, size }] of places) {
      if (what === "RSDP") continue;
      expect([what, view.getUint32(offset + 4, true)]).toEqual([what, size]);
      if (what !== "FACS") expect([what, sum(table(what))]).toEqual([what, 0]);
    }
  });

  it("tell of what there is, and nothing else", () => {
    const small = writeAcpiTables({ ...MACHINE, processors: [0], devices: [] }, ADDRESS);
    const { hpet: _, pci: __, ...least } = MACHINE;
    const none = writeAcpiTables(least, ADDRESS);
    expect(small.places.get("DSDT")!.size).toBeLessThan(places.get("DSDT")!.size);
    expect([...none.places.keys()]).toEqual(["RSDP", "FACS", "DSDT", "FACP", "APIC", "RSDT", "XSDT"]);
  });
});

const hasCompiler = spawnSync("iasl", ["-v"], { stdio: "ignore" }).status === 0;

describe.skipIf(!hasCompiler)("according to ACPICA's compiler (iasl)", () => {
  /** The table as iasl disassembles it, and what it compiles that to. */
  function roundTrip(what: string): { readonly source: string; readonly compiled: Uint8Array } {
    const folder = mkdtempSync(join(tmpdir(), "acpi-"));
    try {
      const at = (extension: string) => join(folder, `table.${extension}`);
      writeFileSync(at("dat"), table(what));
      execFileSync("iasl", ["-d", at("dat")], { cwd: folder, stdio: "pipe" });
      const source = readFileSync(at("dsl"), "utf8");
      // Warnings and remarks count as errors.
      execFileSync("iasl", ["-we", "-p", join(folder, "again"), at("dsl")], { cwd: folder, stdio: "pipe" });
      return { source, compiled: new Uint8Array(readFileSync(join(folder, "again.aml"))) };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it.each(["FACS", "FACP", "APIC", "HPET", "MCFG", "RSDT", "XSDT", "DSDT"])("%s is well-formed", (what) => {
    const { compiled } = roundTrip(what);
    const own = table(what);
    // The compiler signs with its own name and version.
    if (what !== "FACS") for (const it of [compiled, own]) it.fill(0, 28, 36).fill(0, 9, 10);
    expect(compiled).toEqual(own);
  });

  it("FACP says what the machine has", () => {
    const { source } = roundTrip("FACP");
    const field = (label: string) => source.match(new RegExp(`${label}[^:]* : (.*)`))?.[1]?.trim();
    expect(field("SCI Interrupt")).toBe("0009");
    expect(field("PM1A Event Block Address")).toBe("00000600");
    expect(field("PM1A Control Block Address")).toBe("00000604");
    expect(field("PM Timer Block Address")).toBe("00000608");
    expect(field("RTC Century Index")).toBe("32");
    expect(field("8042 Present on ports 60/64 \\(V2\\)")).toBe("1");
    expect(field("VGA Not Present \\(V4\\)")).toBe("1");
    expect(field("Reset Register Supported \\(V2\\)")).toBe("1");
    expect(field("32-bit PM Timer \\(V1\\)")).toBe("0");
    expect(field("Hardware Reduced \\(V5\\)")).toBe("0");
    expect(field("Value to cause reset")).toBe("06");
  });

  it("APIC lists processors, the I/O APIC, overrides and NMI", () => {
    const { source } = roundTrip("APIC");
    const types = [...source.matchAll(/Subtable Type : (\w+) \[(.*)\]/g)].map(([, , text]) => text);
    expect(types).toEqual([
      ...["Processor Local APIC", "Processor Local APIC", "Processor Local APIC", "Processor Local x2APIC"],
      ...["I/O APIC", "Interrupt Source Override", "Interrupt Source Override", "Local APIC NMI"],
    ]);
    expect(source).toMatch(/Processor x2Apic ID : 0000012C/);
  });

  it("DSDT has devices with their resources, and soft-off", () => {
    const { source } = roundTrip("DSDT");
    expect(source).toContain('Name (_HID, EisaId ("PNP0501")');
    expect(source).toMatch(/IO \(Decode16,\s+0x03F8,[^)]*0x03F8,[^)]*0x01,[^)]*0x08,/);
    expect(source).toMatch(/IRQNoFlags \(\)\s+\{4\}/);
    expect(source.match(/Name \(_HID, "LNRO0005"\)/g)).toHaveLength(8);
    expect(source).toMatch(/Memory32Fixed \(ReadWrite,\s+0xFEB00E00,[^)]*0x00000200,/);
    expect(source).toMatch(
      /Interrupt \(ResourceConsumer, Level, ActiveHigh, Exclusive, ,, \)\s+\{\s+0x00000017,/,
    );
    expect(source.match(/Name \(_HID, "ACPI0007"/g)).toHaveLength(4);
    expect(source).toMatch(/Name \(\\?_S5_?, Package \(0x04\)/);
  });
});

describe("AML", () => {
  it("has constants in their shortest form", () => {
    expect(
      [0, 1, 2, 0xff, 0x100, 0xffff, 0x1_0000, 0x1_0000_0000].map((value) => integer(value).length),
    ).toEqual([1, 1, 2, 2, 3, 3, 5, 9]);
    expect(integer(0x1234)).toEqual([0x0b, 0x34, 0x12]);
    expect(string("A")).toEqual([0x0d, 0x41, 0]);
    expect(eisaId("PNP0C0C")).toEqual([0x0c, 0x41, 0xd0, 0x0c, 0x0c]);
  });

  it("has lengths of one to three bytes, and paths", () => {
    expect(path("\\_SB")).toEqual([0x5c, 0x5f, 0x53, 0x42, 0x5f]);
    expect(path("_SB.COM1").slice(0, 1)).toEqual([0x2e]);
    expect(path("\\_SB.PCI0.COM1").slice(0, 3)).toEqual([0x5c, 0x2f, 3]);
    expect(scope("_SB").slice(0, 2)).toEqual([0x10, 5]);
    const long = device("COM1", name("_STR", string("x".repeat(100))));
    // Itself included: 2 bytes of length, 4 of the name, 5 of Name and its path, 102 of the string.
    expect(long.slice(0, 4)).toEqual([0x5b, 0x82, 0x40 | (113 & 15), 113 >> 4]);
    const longer = scope("_SB", name("_STR", string("x".repeat(5000))));
    expect(longer[1]! >> 6).toBe(2);
    expect((longer[1]! & 15) + 16 * (longer[2]! + 256 * longer[3]!)).toBe(longer.length - 1);
    for (const wrong of ["", "COM1.", "lower", "FIVES", "1COM"])
      expect(() => path(wrong)).toThrow("is no ACPI name");
    expect(() => eisaId("PNP05")).toThrow("is no EISA identifier");
  });
});
