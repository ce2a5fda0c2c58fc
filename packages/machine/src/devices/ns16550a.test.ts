import { describe, expect, it } from "vitest";
import { Ns16550a } from "./ns16550a.js";
import { ByteRegisters, Rig, throughJson } from "./testing/rig.js";

const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const FCR = IIR;

function uart(options: Partial<ConstructorParameters<typeof Ns16550a>[0]> = {}) {
  const rig = new Rig();
  const make = (from = rig) =>
    new Ns16550a({
      irq: from.irq,
      sink: from.output,
      source: from.input,
      clock: from.clock,
      timers: from.timers,
      ...options,
    });
  const device = make();
  return { rig, device, r: new ByteRegisters(device), make };
}

/** Nanoseconds of one 8N1 character at the reset divisor: 10 bits of 16 * 2 clocks at 3.6864 MHz. */
const CHARACTER = Math.ceil((10 * 32 * 1e9) / 3_686_400);

describe("input that waits for a listener", () => {
  const typed = () => {
    const { rig, r, device, make } = uart({ waitForListener: true });
    rig.input.push("hello");
    return { rig, r, device, make, readAll: () => readAll(r) };
  };
  const readAll = (r: ByteRegisters) => {
    let text = "";
    while ((r.get(LSR) & 1) !== 0) text += String.fromCharCode(r.get(DATA));
    return text;
  };

  it("is not there before the receive interrupt is enabled", () => {
    const { r, readAll } = typed();
    expect(r.get(LSR)).toBe(0x60);
    r.set(FCR, 0x07);
    r.set(IER, 0x01);
    expect(readAll()).toBe("hello");
  });

  it("comes to a guest that polls", () => {
    const { r, readAll } = typed();
    for (let i = 0; i < 8; i++) r.get(LSR);
    expect(readAll()).toBe("hello");
  });

  it("survives a driver that sets its FIFO up after enabling the interrupt, as Linux does", () => {
    const { r, readAll } = typed();
    r.set(IER, 0x05);
    r.set(FCR, 0x01);
    r.set(FCR, 0x81);
    expect(readAll()).toBe("hello");
  });

  it("is cleared as usual once the guest has read of it", () => {
    const { r, rig, readAll } = typed();
    r.set(FCR, 0x01);
    r.set(IER, 0x01);
    expect(r.get(DATA)).toBe("h".charCodeAt(0));
    r.set(FCR, 0x03);
    expect(readAll()).toBe("");
    rig.input.push("!");
    expect(readAll()).toBe("!");
  });

  it("is kept over a snapshot in the middle of a driver's start", () => {
    const { r, device, make } = typed();
    r.set(FCR, 0x01);
    r.set(IER, 0x01);
    r.set(FCR, 0x00);
    const restored = make(new Rig());
    restored.restore(throughJson(device.state()));
    const registers = new ByteRegisters(restored);
    registers.set(FCR, 0x01);
    expect(readAll(registers)).toBe("hello");
  });
});

describe("NS16550A after reset", () => {
  it("has the datasheet's values (PC16550D table III)", () => {
    const { r, rig } = uart();
    expect([IER, IIR, LCR, MCR, LSR, SCR].map((register) => r.get(register))).toEqual([0, 1, 0, 0, 0x60, 0]);
    expect(r.get(MSR)).toBe(0xb0);
    expect(rig.irq.level).toBe(false);
  });

  it("passes what Linux and others probe", () => {
    const { r } = uart();
    // Interrupt enable has four bits.
    r.set(IER, 0xff);
    expect(r.get(IER)).toBe(0x0f);
    r.set(IER, 0);
    // Loopback connects modem outputs to inputs: RTS and OUT2 show as CTS and DCD.
    r.set(MCR, 0x1a);
    expect(r.get(MSR) & 0xf0).toBe(0x90);
    r.set(MCR, 0);
    // FIFOs: bits 7:6 of IIR tell a 16550A from its ancestors.
    r.set(FCR, 0x01);
    expect(r.get(IIR) >> 6).toBe(3);
    r.set(FCR, 0);
    expect(r.get(IIR) >> 6).toBe(0);
    r.set(SCR, 0xa5);
    expect(r.get(SCR)).toBe(0xa5);
    // The upper half of MCR reads as zero.
    r.set(MCR, 0xff);
    expect(r.get(MCR)).toBe(0x1f);
  });

  it("keeps the divisor behind DLAB", () => {
    const { r, rig } = uart();
    r.set(LCR, 0x83);
    r.set(0, 0x34);
    r.set(1, 0x12);
    expect([r.get(0), r.get(1), r.get(LCR)]).toEqual([0x34, 0x12, 0x83]);
    r.set(LCR, 0x03);
    expect(r.get(IER)).toBe(0);
    expect(rig.output.bytes().length).toBe(0);
    r.set(LCR, 0x83);
    expect([r.get(0), r.get(1)]).toEqual([0x34, 0x12]);
  });
});

describe("NS16550A transmitting", () => {
  it("sends each byte at once and is always ready", () => {
    const { r, rig } = uart();
    for (const byte of new TextEncoder().encode("hello")) {
      expect(r.get(LSR) & 0x60).toBe(0x60);
      r.set(DATA, byte);
    }
    expect(rig.output.text()).toBe("hello");
  });

  it("interrupts when THRE is enabled, and again after each byte", () => {
    const { r, rig } = uart();
    r.set(IER, 0x02);
    expect(rig.irq.level).toBe(true);
    expect(r.get(IIR)).toBe(0x02);
    // Reading IIR while it names THRE is what acknowledges it.
    expect(rig.irq.level).toBe(false);
    expect(r.get(IIR)).toBe(0x01);
    r.set(DATA, 0x41);
    expect(rig.irq.level).toBe(true);
    expect(r.get(IIR)).toBe(0x02);
    expect(rig.irq.level).toBe(false);
    // Disabling and enabling again interrupts again (Linux relies on it to start sending).
    r.set(IER, 0);
    r.set(IER, 0x02);
    expect(rig.irq.level).toBe(true);
    r.set(IER, 0);
    expect(rig.irq.level).toBe(false);
  });

  it("does not acknowledge THRE when IIR names something else", () => {
    const { r, rig } = uart();
    r.set(IER, 0x03);
    rig.input.push("x");
    expect(r.get(IIR)).toBe(0x04);
    r.get(DATA);
    expect(r.get(IIR)).toBe(0x02);
  });
});

describe("NS16550A receiving without FIFO", () => {
  it("offers one byte at a time", () => {
    const { r, rig } = uart();
    r.set(IER, 0x01);
    rig.input.push("ab");
    expect(rig.irq.level).toBe(true);
    expect(rig.input.available).toBe(1);
    expect([r.get(IIR), r.get(LSR) & 1, r.get(DATA)]).toEqual([0x04, 1, 0x61]);
    expect(rig.irq.level).toBe(true);
    expect(r.get(DATA)).toBe(0x62);
    expect([rig.irq.level, r.get(LSR), r.get(DATA)]).toEqual([false, 0x60, 0]);
  });
});

describe("NS16550A receiving with FIFO", () => {
  it("interrupts at each trigger level", () => {
    for (const [bits, level] of [
      [0x01, 1],
      [0x41, 4],
      [0x81, 8],
      [0xc1, 14],
    ] as const) {
      const { r, rig } = uart();
      r.set(FCR, bits);
      r.set(IER, 0x01);
      for (let count = 1; count <= level; count++) {
        expect(rig.irq.level).toBe(false);
        rig.input.push("x");
      }
      expect(rig.irq.level).toBe(true);
      expect(r.get(IIR)).toBe(0xc4);
      r.get(DATA);
      expect(r.get(IIR)).toBe(0xc1);
    }
  });

  it("takes 16 bytes and leaves the rest in the queue, never overrunning", () => {
    const { r, rig } = uart();
    r.set(FCR, 0x01);
    const text = "The quick brown fox jumps over the lazy dog";
    rig.input.push(text);
    expect(rig.input.available).toBe(text.length - 16);
    let read = "";
    while ((r.get(LSR) & 1) !== 0) read += String.fromCharCode(r.get(DATA));
    expect(read).toBe(text);
    expect(r.get(LSR) & 0x02).toBe(0);
  });

  it("reports a time-out after four character times below the trigger", async () => {
    const { r, rig } = uart();
    r.set(LCR, 0x03);
    r.set(FCR, 0x81);
    r.set(IER, 0x01);
    rig.input.push("ab");
    await rig.runTo(4 * CHARACTER - 1);
    expect(rig.irq.level).toBe(false);
    await rig.runTo(4 * CHARACTER);
    expect(rig.irq.level).toBe(true);
    expect(r.get(IIR)).toBe(0xcc);
    // A read ends it, and starts the wait for the next.
    r.get(DATA);
    expect([rig.irq.level, r.get(IIR)]).toEqual([false, 0xc1]);
    await rig.runTo(8 * CHARACTER);
    expect(r.get(IIR)).toBe(0xcc);
    r.get(DATA);
    await rig.runTo(100 * CHARACTER);
    expect(r.get(IIR)).toBe(0xc1);
    expect(rig.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it("starts the time-out anew with each character", async () => {
    const { r, rig } = uart();
    r.set(LCR, 0x03);
    r.set(FCR, 0x81);
    r.set(IER, 0x01);
    rig.input.push("a");
    await rig.runTo(3 * CHARACTER);
    rig.input.push("b");
    await rig.runTo(5 * CHARACTER);
    expect(rig.irq.level).toBe(false);
    await rig.runTo(7 * CHARACTER);
    expect(rig.irq.level).toBe(true);
  });

  it("times out at once where there is no clock", () => {
    const { r, rig } = uart({ clock: undefined, timers: undefined });
    r.set(FCR, 0xc1);
    r.set(IER, 0x01);
    rig.input.push("a");
    expect(r.get(IIR)).toBe(0xcc);
  });

  it("is cleared by FCR, and by switching FIFO mode", () => {
    const { r, rig } = uart();
    r.set(FCR, 0x01);
    rig.input.push("abc");
    r.set(FCR, 0x03);
    expect(r.get(LSR) & 1).toBe(0);
    rig.input.push("d");
    r.set(FCR, 0x00);
    expect(r.get(LSR) & 1).toBe(0);
  });

  it("paces characters when asked to", async () => {
    const { r, rig } = uart({ receiveIntervalNs: 1000 });
    r.set(FCR, 0x01);
    rig.input.push("abc");
    expect(rig.input.available).toBe(2);
    await rig.runTo(999);
    expect(rig.input.available).toBe(2);
    await rig.runTo(1000);
    expect(rig.input.available).toBe(1);
    await rig.runTo(10_000);
    expect([r.get(DATA), r.get(DATA), r.get(DATA)]).toEqual([0x61, 0x62, 0x63]);
  });
});

describe("NS16550A loopback", () => {
  it("receives what it sends, and not what comes from outside", () => {
    const { r, rig } = uart();
    r.set(FCR, 0x01);
    r.set(MCR, 0x10);
    rig.input.push("outside");
    r.set(DATA, 0x55);
    expect([r.get(LSR) & 1, r.get(DATA), r.get(LSR) & 1]).toEqual([1, 0x55, 0]);
    expect(rig.output.bytes().length).toBe(0);
    r.set(MCR, 0x00);
    expect(r.get(DATA)).toBe("o".charCodeAt(0));
  });

  it("overruns: the 17th character is lost and LSR tells once", () => {
    const { r, rig } = uart();
    r.set(FCR, 0x01);
    r.set(MCR, 0x10);
    r.set(IER, 0x04);
    for (let i = 1; i <= 16; i++) r.set(DATA, i);
    expect(rig.irq.level).toBe(false);
    r.set(DATA, 17);
    expect([rig.irq.level, r.get(IIR)]).toEqual([true, 0xc6]);
    expect(r.get(LSR) & 0x02).toBe(0x02);
    expect([rig.irq.level, r.get(LSR) & 0x02]).toEqual([false, 0]);
    for (let i = 1; i <= 16; i++) expect(r.get(DATA)).toBe(i);
  });

  it("without FIFO the new character replaces the old", () => {
    const { r } = uart();
    r.set(MCR, 0x10);
    r.set(DATA, 1);
    r.set(DATA, 2);
    expect([r.get(LSR) & 0x03, r.get(DATA)]).toEqual([0x03, 2]);
  });

  it("mirrors modem control into modem status with deltas", () => {
    const { r, rig } = uart();
    r.set(MCR, 0x10);
    // From CTS, DSR, DCD high to all low: three deltas; RI was low.
    expect(r.get(MSR)).toBe(0x0b);
    r.set(IER, 0x08);
    r.set(MCR, 0x14);
    // A rising RI is no interrupt, its trailing edge is.
    expect([rig.irq.level, r.get(MSR)]).toEqual([false, 0x40]);
    r.set(MCR, 0x10);
    expect([rig.irq.level, r.get(IIR)]).toEqual([true, 0x00]);
    expect(r.get(MSR)).toBe(0x04);
    expect([rig.irq.level, r.get(MSR)]).toEqual([false, 0]);
    r.set(MCR, 0x1f);
    expect(r.get(MSR)).toBe(0xfb);
  });
});

describe("NS16550A line status", () => {
  it("receives a break as a zero with the break bit", () => {
    const { r, device, rig } = uart();
    r.set(FCR, 0x01);
    r.set(IER, 0x05);
    rig.input.push("a");
    device.receiveBreak();
    // The break is behind 'a': only the FIFO error bit shows.
    expect(r.get(LSR) & 0x90).toBe(0x80);
    expect(r.get(DATA)).toBe(0x61);
    expect(r.get(IIR)).toBe(0xc6);
    expect(r.get(LSR) & 0x91).toBe(0x91);
    expect(r.get(DATA)).toBe(0);
    expect(r.get(LSR)).toBe(0x60);
  });

  it("serves interrupts in order of priority", () => {
    const { r, rig, device } = uart();
    r.set(IER, 0x0f);
    device.receiveBreak();
    r.set(MCR, 0x10);
    expect(r.get(IIR)).toBe(0x06);
    r.get(LSR);
    expect(r.get(IIR)).toBe(0x04);
    r.get(DATA);
    expect(r.get(IIR)).toBe(0x02);
    expect(r.get(IIR)).toBe(0x00);
    r.get(MSR);
    expect([r.get(IIR), rig.irq.level]).toEqual([0x01, false]);
  });
});

describe("NS16550A on a bus", () => {
  it("spaces registers by the register shift and ignores the rest", () => {
    const { device, rig } = uart({ regShift: 2 });
    device.write(0x1c, 4, 0x1234_5677);
    expect(device.read(0x1c, 4)).toBe(0x77);
    expect(device.read(0x1d, 1)).toBe(0);
    device.write(0x01, 1, 0xff);
    device.write(0x20, 4, 0xff);
    expect(device.read(0x20, 4)).toBe(0);
    device.write(0, 4, 0x41);
    expect(rig.output.text()).toBe("A");
  });

  it("describes itself", () => {
    const { device } = uart();
    const node = device.fdt({ base: 0x1000_0000, size: 0x100, addressCells: 2, sizeCells: 2 });
    expect(node.name).toBe("serial@10000000");
    expect(node.getStrings("compatible")).toEqual(["ns16550a"]);
    expect(node.getCells("reg")).toEqual([0, 0x1000_0000, 0, 0x100]);
    expect(node.getCells("clock-frequency")).toEqual([3_686_400]);
    expect(node.has("interrupts")).toBe(false);
  });
});

describe("NS16550A state", () => {
  it("goes on in another machine where it was", async () => {
    const first = uart();
    first.r.set(LCR, 0x83);
    first.r.set(0, 12);
    first.r.set(LCR, 0x1b);
    first.r.set(FCR, 0x81);
    first.r.set(IER, 0x0d);
    first.r.set(SCR, 0x5a);
    first.rig.input.push("xyz");
    await first.rig.runTo(1000);
    const saved = throughJson(first.device.state());

    const second = uart();
    second.rig.clock.restore(throughJson(first.rig.clock.state()));
    second.device.restore(saved);
    expect(second.device.state()).toEqual(saved);
    expect(second.rig.timers.nextDeadline()).toBe(first.rig.timers.nextDeadline());
    for (const { rig, r } of [first, second]) {
      await rig.runTo(rig.timers.nextDeadline());
      expect([rig.irq.level, r.get(IIR), r.get(DATA), r.get(SCR)]).toEqual([true, 0xcc, 0x78, 0x5a]);
    }
    expect(second.device.state()).toEqual(first.device.state());
  });

  it("raises a pending interrupt on restore and lowers it on reset", () => {
    const { r, device, make } = uart();
    r.set(IER, 0x02);
    const rig = new Rig();
    const other = make(rig);
    other.restore(throughJson(device.state()));
    expect(rig.irq.level).toBe(true);
    other.reset();
    expect([rig.irq.level, other.read(IER, 1)]).toEqual([false, 0]);
  });

  it("refuses states that are none", () => {
    const { device } = uart();
    const state = device.state();
    expect(() => device.restore({ ...state, version: 9 })).toThrow("'ns16550a' has version 9");
    expect(() => device.restore({ ...state, ier: 256 })).toThrow("no valid 'ier'");
    expect(() => device.restore({ ...state, rx: new Array(17).fill(0) })).toThrow("no valid 'rx'");
    expect(() => device.restore({ ...state, rx: [300] })).toThrow("no valid 'rx'");
    expect(() => device.restore({ ...state, thrPending: 1 })).toThrow("no valid 'thrPending'");
  });
});
