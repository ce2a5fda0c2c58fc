import { expect, it } from "vitest";
import { ApicRig, set, take } from "../testing/apic-rig.js";
import { IoApic } from "./io-apic.js";

function rig(cpus = 2) {
  const outer = new ApicRig();
  const apics = Array.from({ length: cpus }, (_, id) => outer.add(id));
  for (const apic of apics) set(apic, 0xf0, 0x1ff);
  const chip = new IoApic({ bus: outer.bus, id: 2 });
  const read = (register: number) => {
    chip.write(0, 4, register);
    return chip.read(0x10, 4);
  };
  const write = (register: number, value: number) => {
    chip.write(0, 4, register);
    chip.write(0x10, 4, value);
  };
  const entry = (pin: number, low: number, destination = 0) => {
    write(0x11 + 2 * pin, destination << 24);
    write(0x10 + 2 * pin, low);
  };
  const pulse = (pin: number) => {
    chip.line(pin).set(true);
    chip.line(pin).set(false);
  };
  return { apics, chip, read, write, entry, pulse };
}

it("has the data sheet's registers after reset", () => {
  const { chip, read } = rig();
  expect([read(0), read(1), read(2), read(3)]).toEqual([0x0200_0000, 0x0017_0020, 0x0200_0000, 0]);
  for (let pin = 0; pin < 24; pin++)
    expect([read(0x10 + 2 * pin), read(0x11 + 2 * pin)]).toEqual([0x1_0000, 0]);
  expect([read(0x40), read(0xff)]).toEqual([0, 0]);
  chip.write(0, 1, 1);
  expect([chip.read(0, 4), chip.read(0x10, 1), chip.read(0x12, 2)]).toEqual([1, 0x20, 0x17]);
});

it("keeps what can be written", () => {
  const { read, write } = rig();
  for (const register of [0, 1, 2, 0x10, 0x11, 0x3e, 0x3f, 0x40]) write(register, 0xffff_ffff);
  expect([0, 1, 2, 0x10, 0x11, 0x3e, 0x3f, 0x40].map(read)).toEqual([
    0x0f00_0000, 0x0017_0020, 0x0f00_0000, 0x1_afff, 0xff00_0000, 0x1_afff, 0xff00_0000, 0,
  ]);
});

it("sends edges once each, and loses those that meet a mask", () => {
  const { apics, chip, entry, pulse } = rig();
  entry(4, 0x41, 1);
  chip.line(4).set(true);
  expect([take(apics[0]!), take(apics[1]!)]).toEqual([[], [0x41]]);
  expect(take(apics[1]!)).toEqual([]);
  chip.line(4).set(false);
  entry(4, 0x1_0041, 1);
  pulse(4);
  entry(4, 0x41, 1);
  expect(take(apics[1]!)).toEqual([]);
  pulse(4);
  expect(take(apics[1]!)).toEqual([0x41]);
});

it("sends levels until they are ended and low", () => {
  const { apics, chip, entry, read } = rig();
  const apic = apics[0]!;
  entry(9, 0x8051);
  chip.line(9).set(true);
  expect(read(0x22)).toBe(0xc051);
  expect(apic.acknowledge()).toBe(0x51);
  expect(apic.pending).toBe(false);
  set(apic, 0xb0, 0);
  expect(apic.acknowledge()).toBe(0x51);
  chip.line(9).set(false);
  expect(read(0x22)).toBe(0xc051);
  set(apic, 0xb0, 0);
  expect([apic.pending, read(0x22)]).toEqual([false, 0x8051]);
});

it("has levels wait behind a mask", () => {
  const { apics, chip, entry } = rig();
  entry(9, 0x1_8051);
  chip.line(9).set(true);
  expect(apics[0]!.pending).toBe(false);
  entry(9, 0x8051);
  expect(apics[0]!.acknowledge()).toBe(0x51);
  chip.line(9).set(false);
  set(apics[0]!, 0xb0, 0);
  entry(9, 0x1_8051);
  chip.line(9).set(true);
  chip.line(9).set(false);
  entry(9, 0x8051);
  expect(apics[0]!.pending).toBe(false);
});

it("is told of an end by its own register, where broadcasts are suppressed", () => {
  const { apics, chip, entry, read } = rig();
  set(apics[0]!, 0xf0, 0x11ff);
  entry(9, 0x8051);
  chip.line(9).set(true);
  expect(take(apics[0]!)).toEqual([0x51]);
  expect(read(0x22)).toBe(0xc051);
  chip.write(0x40, 4, 0x51);
  expect(take(apics[0]!)).toEqual([0x51]);
  chip.line(9).set(false);
  chip.write(0x40, 4, 0x51);
  expect([take(apics[0]!), read(0x22)]).toEqual([[], 0x8051]);
});

it("ends all entries of a vector, and waits for no end of one that became edge-triggered", () => {
  const { apics, chip, entry, read } = rig();
  entry(9, 0x8051);
  entry(10, 0x8051);
  chip.line(9).set(true);
  chip.line(10).set(true);
  entry(10, 0x51);
  expect([read(0x22), read(0x24)]).toEqual([0xc051, 0x51]);
  chip.line(9).set(false);
  take(apics[0]!);
  expect(read(0x22)).toBe(0x8051);
});

it("delivers by all modes and to logical destinations", () => {
  const { apics, entry, pulse } = rig();
  set(apics[0]!, 0xd0, 0x0100_0000);
  set(apics[1]!, 0xd0, 0x0200_0000);
  set(apics[0]!, 0x80, 0x40);
  entry(3, 0x0971, 3);
  pulse(3);
  expect([take(apics[0]!), take(apics[1]!)]).toEqual([[], [0x71]]);
  entry(3, 0x0871, 3);
  pulse(3);
  expect([take(apics[0]!), take(apics[1]!)]).toEqual([[0x71], [0x71]]);
  entry(3, 0x0700, 1);
  pulse(3);
  expect([apics[0]!.pending, apics[1]!.pending]).toEqual([false, true]);
});

it("does not wait for the end of what nobody took, and sends that again", () => {
  const { apics, chip, entry, read } = rig();
  set(apics[0]!, 0xf0, 0xff);
  entry(9, 0x8051);
  chip.line(9).set(true);
  expect(read(0x22)).toBe(0x8051);
  set(apics[0]!, 0xf0, 0x1ff);
  expect([read(0x22), apics[0]!.acknowledge()]).toEqual([0xc051, 0x51]);
});

it("goes on after a restore, and refuses what cannot be", () => {
  const { chip, apics, entry } = rig();
  entry(9, 0x8051);
  chip.line(9).set(true);
  const state = JSON.parse(JSON.stringify(chip.state()));
  const copy = rig();
  copy.chip.restore(state);
  expect(copy.chip.state()).toEqual(chip.state());
  copy.apics[0]!.restore(apics[0]!.state());
  expect(copy.apics[0]!.acknowledge()).toBe(0x51);
  set(copy.apics[0]!, 0xb0, 0);
  expect(copy.apics[0]!.acknowledge()).toBe(0x51);
  expect(() => copy.chip.restore({ ...state, low: [] })).toThrow("another version or shape");
  expect(() => chip.line(24)).toThrow("has no pin 24 (0..23)");
  expect(() => new IoApic({ bus: { listen: () => undefined } as never, pins: 0 })).toThrow("1 to 240 pins");
});
