import { expect, it } from "vitest";
import { A20Gate } from "./a20-gate.js";
import { KeyboardController } from "./i8042.js";
import { ResetControl, SystemControlPort } from "./pc-reset.js";
import { TestLine, throughJson } from "./testing/rig.js";

const [DATA, COMMAND] = [0, 4];

function rig() {
  const irq = new TestLine();
  let resets = 0;
  const lines: boolean[] = [];
  const a20 = new A20Gate((open) => lines.push(open));
  const chip = new KeyboardController({ irq, onInit: () => resets++, a20 });
  const data = (value: number) => chip.write(DATA, 1, value);
  const command = (value: number) => chip.write(COMMAND, 1, value);
  const status = () => chip.read(COMMAND, 1);
  /** All bytes that wait. */
  const take = () => {
    const bytes: number[] = [];
    while (status() & 1) bytes.push(chip.read(DATA, 1));
    return bytes;
  };
  return { irq, a20, lines, chip, data, command, status, take, resets: () => resets };
}

it("tests itself and its lines, and has a command byte", () => {
  const { command, data, status, take, irq } = rig();
  expect(status()).toBe(0x14);
  command(0xaa);
  expect([status(), take()]).toEqual([0x1d, [0x55]]);
  command(0x20);
  expect(take()).toEqual([0x35]);
  command(0xa9);
  command(0xab);
  command(0xc0);
  expect(take()).toEqual([0, 0, 0x80]);
  command(0x60);
  data(0x44);
  expect(status() & 8).toBe(0);
  command(0x20);
  expect([irq.level, take()]).toEqual([false, [0x44]]);
  for (const [to, mode] of [
    [0xad, 0x54],
    [0xa7, 0x74],
    [0xa8, 0x54],
    [0xae, 0x44],
  ] as const) {
    command(to);
    command(0x20);
    expect(take()).toEqual([mode]);
  }
});

it("resets by its pulse and by its output port", () => {
  const { command, data, take, resets } = rig();
  for (const pulse of [0xff, 0xf1]) command(pulse);
  expect(resets()).toBe(0);
  command(0xfe);
  expect(resets()).toBe(1);
  command(0xd0);
  expect(take()).toEqual([0xcf]);
  command(0xdd);
  command(0xd0);
  expect(take()).toEqual([0xcd]);
  command(0xd1);
  data(0xdf);
  command(0xd0);
  expect([take(), resets()]).toEqual([[0xdf], 1]);
  command(0xd1);
  data(0xde);
  expect(resets()).toBe(2);
});

it("has a keyboard that answers", () => {
  const { data, take } = rig();
  const answers = (...bytes: number[]) => {
    for (const byte of bytes) data(byte);
    return take();
  };
  expect(answers(0xff)).toEqual([0xfa, 0xaa]);
  expect(answers(0xf2)).toEqual([0xfa, 0xab, 0x41]);
  expect(answers(0xed, 7)).toEqual([0xfa, 0xfa]);
  expect(answers(0xf3, 0x20)).toEqual([0xfa, 0xfa]);
  expect(answers(0xf0, 0)).toEqual([0xfa, 0xfa, 0x41]);
  expect(answers(0xee)).toEqual([0xee]);
  expect(answers(0x01)).toEqual([0xfe]);
});

it("interrupts for each key, while it is enabled", () => {
  const { chip, irq, data, command, take } = rig();
  chip.type([0x1e, 0x9e]);
  expect([irq.level, irq.rises]).toEqual([true, 1]);
  expect([chip.read(DATA, 1), irq.rises, chip.read(DATA, 1), irq.level, chip.read(DATA, 1)]).toEqual([
    0x1e,
    2,
    0x9e,
    false,
    0x9e,
  ]);
  command(0xad);
  chip.type([0x1e]);
  expect(take()).toEqual([]);
  command(0xae);
  expect([irq.level, take()]).toEqual([true, [0x1e]]);
  data(0xf5);
  take();
  chip.type([0x1e]);
  expect(take()).toEqual([]);
  data(0xf4);
  take();
  for (let i = 0; i < 20; i++) chip.type([i]);
  expect(take().length).toBe(16);
});

it("has no mouse, and echoes what it is told to", () => {
  const { command, data, take } = rig();
  command(0xd4);
  data(0xff);
  expect(take()).toEqual([]);
  command(0xd2);
  data(0x12);
  command(0xd3);
  data(0x34);
  expect(take()).toEqual([0x12, 0x34]);
});

it("goes on after a restore", () => {
  const [a, b] = [rig(), rig()];
  a.chip.type([1, 2]);
  a.command(0xd1);
  b.chip.restore(throughJson(a.chip.state()));
  expect([b.chip.state(), b.irq.level]).toEqual([a.chip.state(), true]);
  b.data(0xdd);
  expect(b.take()).toEqual([1, 2]);
  b.command(0xd0);
  expect(b.take()).toEqual([0xdd]);
});

it("is not alone in resetting: ports 0xcf9 and 0x92", () => {
  const told: string[] = [];
  const a20 = new A20Gate((open) => told.push(open ? "A20" : "no A20"));
  const lines = { a20, onInit: () => told.push("init"), onReset: () => told.push("reset") };
  const control = new ResetControl(lines);
  control.write(1, 1, 2);
  // PCI's address register.
  control.write(0, 4, 0x8000_0600);
  expect([control.read(1, 1), control.read(0, 4), told]).toEqual([2, 0xffff_ffff, []]);
  control.write(1, 1, 6);
  control.write(1, 1, 0x0e);
  expect([control.read(1, 1), told]).toEqual([6, ["reset"]]);
  const copy = new ResetControl(lines);
  copy.restore(throughJson(control.state()));
  copy.write(1, 1, 6);
  expect(told).toEqual(["reset"]);
  copy.reset();
  expect(copy.read(1, 1)).toBe(0);
  copy.write(1, 1, 4);
  expect(told).toEqual(["reset", "init"]);

  told.length = 0;
  const port = new SystemControlPort(lines);
  expect(port.read(0, 1)).toBe(2);
  port.write(0, 1, 0);
  expect([port.read(0, 1), told]).toEqual([0, ["no A20"]]);
  port.write(0, 1, 3);
  port.write(0, 1, 3);
  expect([port.read(0, 1), told]).toEqual([3, ["no A20", "A20", "init"]]);
  const other = new SystemControlPort(lines);
  other.restore(throughJson(port.state()));
  expect([other.read(0, 1), told]).toEqual([3, ["no A20", "A20", "init"]]);
});

it("has the gate of address line 20 in its output port", () => {
  const { command, data, lines, a20, chip } = rig();
  command(0xdd);
  command(0xdd);
  command(0xdf);
  command(0xd1);
  data(0xdd);
  expect(lines).toEqual([false, true, false]);
  const other: boolean[] = [];
  const copy = new A20Gate((open) => other.push(open));
  copy.restore(throughJson(a20.state()));
  expect(other).toEqual([false]);
  chip.reset();
  expect(lines).toEqual([false, true, false, true]);
});
