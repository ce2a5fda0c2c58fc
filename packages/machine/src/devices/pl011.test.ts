import { describe, expect, it } from "vitest";
import { FdtNode } from "../fdt/node.js";
import { Pl011 } from "./pl011.js";
import { primecellClocks } from "./primecell.js";
import { Rig, throughJson } from "./testing/rig.js";

const [DR, RSR, FR, IBRD, FBRD, LCR_H, CR] = [0x00, 0x04, 0x18, 0x24, 0x28, 0x2c, 0x30] as const;
const [IFLS, IMSC, RIS, MIS, ICR, DMACR] = [0x34, 0x38, 0x3c, 0x40, 0x44, 0x48] as const;

function uart(options: Partial<ConstructorParameters<typeof Pl011>[0]> = {}) {
  const rig = new Rig();
  const make = (from = rig) =>
    new Pl011({
      irq: from.irq,
      sink: from.output,
      source: from.input,
      clock: from.clock,
      timers: from.timers,
      ...options,
    });
  const device = make();
  const get = (offset: number) => device.read(offset, 4);
  const set = (offset: number, value: number) => device.write(offset, 4, value);
  const readAll = () => {
    let text = "";
    while ((get(FR) & 0x10) === 0) text += String.fromCharCode(get(DR) & 0xff);
    return text;
  };
  return { rig, device, get, set, make, readAll };
}

/** 32 bits at 115200 baud as the tests set it: 24 MHz / (16 * (13 + 1/64)). */
const TIMEOUT = Math.ceil((32 * 16 * (13 + 1 / 64) * 1e9) / 24e6);

describe("PL011", () => {
  it("has the manual's reset values and identification (table 3-1, 3.3.15 to 3.3.22)", () => {
    const { get, rig } = uart();
    expect([FR, LCR_H, CR, IFLS, IMSC, RIS, MIS, DMACR].map(get)).toEqual([0x97, 0, 0x300, 0x12, 0, 0, 0, 0]);
    const identification = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => get(0xfe0 + 4 * i));
    expect(identification).toEqual([0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
    expect(rig.irq.level).toBe(false);
  });

  it("sends at once, and each character raises the transmit interrupt", () => {
    const { get, set, rig } = uart();
    set(IMSC, 0x20);
    expect(rig.irq.level).toBe(false);
    for (const byte of new TextEncoder().encode("hi")) set(DR, byte);
    expect([rig.output.text(), rig.irq.level, get(MIS)]).toEqual(["hi", true, 0x20]);
    set(ICR, 0x20);
    expect([rig.irq.level, get(RIS)]).toEqual([false, 0]);
  });

  it("serves a driver as NimbOS's: holding register, receive interrupt per character", () => {
    const { get, set, rig } = uart();
    set(ICR, 0x3ff);
    set(IFLS, 0);
    set(IMSC, 0x10);
    set(CR, 0x301);
    rig.input.push("ab");
    expect([rig.irq.level, get(MIS), get(FR) & 0x50]).toEqual([true, 0x10, 0x40]);
    set(ICR, 0x10);
    expect(rig.irq.level).toBe(false);
    // The next character comes as this one is read, and interrupts anew.
    expect([get(DR), rig.irq.level, get(DR), rig.irq.level]).toEqual([0x61, true, 0x62, false]);
    expect(get(FR) & 0x50).toBe(0x10);
  });

  it("interrupts when the FIFO fills to its trigger level, once", () => {
    for (const [select, level] of [
      [0, 2],
      [1, 4],
      [2, 8],
      [3, 12],
      [4, 14],
    ] as const) {
      const { get, set, rig } = uart();
      set(LCR_H, 0x70);
      set(IFLS, select << 3);
      set(IMSC, 0x10);
      for (let count = 1; count <= level; count++) {
        expect(rig.irq.level).toBe(false);
        rig.input.push("x");
      }
      expect(rig.irq.level).toBe(true);
      set(ICR, 0x10);
      rig.input.push("y");
      expect(rig.irq.level).toBe(false);
      get(DR);
      get(DR);
      rig.input.push("z");
      expect(rig.irq.level).toBe(true);
      get(DR);
      expect(rig.irq.level).toBe(false);
    }
  });

  it("reports a time-out of 32 bits below the trigger, until the FIFO is empty", async () => {
    const { get, set, rig } = uart();
    set(IBRD, 13);
    set(FBRD, 1);
    set(LCR_H, 0x70);
    set(IMSC, 0x50);
    rig.input.push("ab");
    await rig.runTo(TIMEOUT - 1);
    expect(rig.irq.level).toBe(false);
    await rig.runTo(TIMEOUT);
    expect(get(MIS)).toBe(0x40);
    get(DR);
    expect(rig.irq.level).toBe(true);
    get(DR);
    expect(rig.irq.level).toBe(false);
    await rig.runTo(10 * TIMEOUT);
    expect([get(RIS), rig.timers.nextDeadline()]).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  it("takes 16 characters and leaves the rest in the queue", () => {
    const { get, set, rig, readAll } = uart();
    set(LCR_H, 0x70);
    const text = "The quick brown fox jumps over the lazy dog";
    rig.input.push(text);
    expect([rig.input.available, get(FR) & 0x50]).toEqual([text.length - 16, 0x40]);
    expect([readAll(), get(RIS) & 0x400]).toEqual([text, 0]);
  });

  it("loops back: overruns, break and modem lines", () => {
    const { get, set, rig } = uart();
    set(LCR_H, 0x70);
    set(CR, 0x381);
    // CTS, DSR and DCD went inactive.
    expect([get(FR) & 0x107, get(RIS)]).toEqual([0, 0x0e]);
    set(CR, 0x3f81);
    expect([get(FR) & 0x107, get(RIS)]).toEqual([0x107, 0x0f]);
    set(ICR, 0x7ff);
    for (let i = 1; i <= 16; i++) set(DR, i);
    expect(get(RIS) & 0x400).toBe(0);
    set(DR, 17);
    expect(get(RIS) & 0x400).toBe(0x400);
    expect(get(DR)).toBe(1);
    set(DR, 18);
    for (let i = 2; i <= 16; i++) expect(get(DR)).toBe(i);
    // The character after the gap tells of it.
    expect([get(DR), get(RSR)]).toEqual([0x800 | 18, 8]);
    set(RSR, 0);
    expect(get(RSR)).toBe(0);
    set(LCR_H, 0x71);
    expect([get(RIS) & 0x200, get(DR), get(RSR)]).toEqual([0x200, 0x400, 4]);
    expect(rig.output.bytes().length).toBe(0);
  });

  it("keeps input for a driver that empties the FIFO before it listens, as Linux does", () => {
    const { get, set, rig, readAll } = uart({ waitForListener: true });
    rig.input.push("hello");
    set(LCR_H, 0x70);
    expect(readAll()).toBe("");
    set(CR, 0x301);
    set(IMSC, 0x50);
    set(LCR_H, 0);
    set(LCR_H, 0x70);
    expect([get(DR), readAll()]).toEqual([0x68, "ello"]);
  });

  it("gives again what a driver reads to empty the FIFO before it listens, once", () => {
    const { get, set, rig, readAll } = uart({ waitForListener: true });
    rig.input.push("hello");
    set(IMSC, 0x50);
    set(ICR, 0x50);
    expect([get(FR) & 0x10, get(DR), get(FR) & 0x10, get(DR)]).toEqual([0, 0x68, 0, 0x65]);
    set(IMSC, 0x50);
    expect(readAll()).toBe("hello");
    rig.input.push("again");
    set(ICR, 0x50);
    expect(readAll()).toBe("again");
    set(IMSC, 0x50);
    expect(readAll()).toBe("");
  });

  it("gives nothing twice to a driver that looks at what interrupted it", () => {
    const { get, set, rig, readAll } = uart({ waitForListener: true });
    set(IMSC, 0x50);
    rig.input.push("hello");
    get(MIS);
    set(ICR, 0x50);
    expect(readAll()).toBe("hello");
    set(IMSC, 0x50);
    expect(readAll()).toBe("");
  });

  it("gives input to a guest that polls", () => {
    const { get, rig, readAll } = uart({ waitForListener: true });
    rig.input.push("hello");
    for (let i = 0; i < 8; i++) get(FR);
    expect(readAll()).toBe("hello");
  });

  it("goes on in another machine where it was", async () => {
    const first = uart();
    first.set(LCR_H, 0x70);
    first.set(IMSC, 0x50);
    first.set(CR, 0xf01);
    first.rig.input.push("xyz");
    await first.rig.runTo(1000);
    const saved = throughJson(first.device.state());
    const rig = new Rig();
    rig.clock.restore(throughJson(first.rig.clock.state()));
    const second = first.make(rig);
    second.restore(saved);
    expect(second.state()).toEqual(saved);
    await rig.runTo(TIMEOUT);
    expect([rig.irq.level, second.read(DR, 4)]).toEqual([true, 0x78]);
    second.reset();
    expect([rig.irq.level, second.read(IMSC, 4)]).toEqual([false, 0]);
    expect(() => second.restore({ ...saved, version: 9 })).toThrow("'pl011' has version 9");
    expect(() => second.restore({ ...saved, rx: new Array(17).fill(0) })).toThrow("no valid 'rx'");
  });

  it("describes itself", () => {
    const { device } = uart();
    const node = device.fdt({ base: 0x900_0000, size: 0x1000, addressCells: 2, sizeCells: 2 });
    primecellClocks(node, new FdtNode("apb-pclk"), "uartclk", "apb_pclk");
    expect(node.name).toBe("pl011@9000000");
    expect(node.getStrings("compatible")).toEqual(["arm,pl011", "arm,primecell"]);
    expect(node.getStrings("clock-names")).toEqual(["uartclk", "apb_pclk"]);
  });
});
