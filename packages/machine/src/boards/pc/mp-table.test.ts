import { expect, test } from "vitest";
import { MP_TABLE, writeMpTable } from "./mp-table.js";

const MACHINE = {
  processors: [0, 1, 5],
  localApic: 0xfee0_0000,
  ioApic: { id: 7, base: 0xfec0_0000 },
  overrides: [
    { irq: 0, input: 2 },
    { irq: 9, input: 9, level: true },
  ],
  cpuid: { signature: 0x306a9, features: 0x8789_fbff | 0 },
};
const bytes = writeMpTable(MACHINE);
const view = new DataView(bytes.buffer);
const sum = (part: Uint8Array) => part.reduce((total, byte) => total + byte, 0) & 0xff;
const text = (at: number, size: number) => new TextDecoder().decode(bytes.subarray(at, at + size));
const SIZES = [20, 8, 8, 8, 8];

/** The entries, read as a system does. */
function entries(bytes = writeMpTable(MACHINE)): DataView[] {
  const view = new DataView(bytes.buffer);
  const table = view.getUint32(4, true) - MP_TABLE;
  const found: DataView[] = [];
  let at = table + 44;
  for (let i = 0; i < view.getUint16(table + 34, true); i++) {
    const size = SIZES[bytes[at]!]!;
    found.push(new DataView(bytes.buffer, at, size));
    at += size;
  }
  expect(at - table).toBe(view.getUint16(table + 4, true));
  expect(at).toBe(bytes.length);
  return found;
}

test("the pointer leads to the table, and both have sums of 0", () => {
  expect(MP_TABLE % 16).toBe(0);
  expect([text(0, 4), bytes[8], bytes[9]]).toEqual(["_MP_", 1, 4]);
  expect(sum(bytes.subarray(0, 16))).toBe(0);
  const table = view.getUint32(4, true) - MP_TABLE;
  expect([text(table, 4), sum(bytes.subarray(table))]).toEqual(["PCMP", 0]);
  expect(view.getUint32(table + 36, true)).toBe(0xfee0_0000);
});

test("processors, one of them the first, and the I/O APIC", () => {
  const found = entries();
  const processors = found.filter((entry) => entry.getUint8(0) === 0);
  expect(processors.map((entry) => [entry.getUint8(1), entry.getUint8(3)])).toEqual([
    [0, 3],
    [1, 1],
    [5, 1],
  ]);
  expect([processors[2]!.getUint32(4, true), processors[2]!.getUint32(8, true)]).toEqual([
    0x306a9, 0x8789_fbff,
  ]);
  const ioApics = found.filter((entry) => entry.getUint8(0) === 2);
  expect(ioApics.map((entry) => [entry.getUint8(1), entry.getUint8(3), entry.getUint32(4, true)])).toEqual([
    [7, 1, 0xfec0_0000],
  ]);
});

test("every interrupt of the ISA bus but the cascade, where it goes", () => {
  const lines = entries().filter((entry) => entry.getUint8(0) === 3);
  const told = lines.map((entry) => [entry.getUint8(5), entry.getUint8(7), entry.getUint16(2, true)]);
  const expected = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((irq) => [
    irq,
    irq === 0 ? 2 : irq,
    irq === 9 ? 0x0d : 0,
  ]);
  expect(told).toEqual(expected);
  expect(new Set(lines.map((entry) => entry.getUint8(6)))).toEqual(new Set([7]));
  const local = entries().filter((entry) => entry.getUint8(0) === 4);
  expect(local.map((entry) => [entry.getUint8(1), entry.getUint8(6), entry.getUint8(7)])).toEqual([
    [3, 0, 0],
    [1, 0xff, 1],
  ]);
});

test("PCI's pins take their lines from the ISA bus", () => {
  const pci = {
    ...{ base: 0, buses: 1, resources: [], devices: 3 },
    interruptOf: (device: number, pin: number) => 10 + ((device + pin) & 1),
  };
  const found = entries(writeMpTable({ ...MACHINE, pci }));
  const buses = found.filter((entry) => entry.getUint8(0) === 1).map((entry) => entry.getUint8(1));
  expect(buses).toEqual([0, 1]);
  const lines = found.filter((entry) => entry.getUint8(0) === 3);
  const of = (bus: number) => lines.filter((entry) => entry.getUint8(4) === bus);
  expect(of(0).map((entry) => [entry.getUint8(5), entry.getUint8(7), entry.getUint16(2, true)])).toEqual(
    Array.from({ length: 12 }, (_, i) => [i, 10 + (((i >> 2) + i + 1) & 1), 0x0d]),
  );
  expect(of(1).map((entry) => entry.getUint8(5))).toEqual([0, 1, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15]);
});
