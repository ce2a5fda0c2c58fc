import { describe, expect, it } from "vitest";
import { PIT_HZ, Pit } from "./i8254.js";
import { Rig, throughJson } from "./testing/rig.js";

// 8254 data sheet; offsets are from port 0x40. Time is told in ticks of the counters' clock.
const [CONTROL, PORT_B] = [3, 0x21];

function rig() {
  const outer = new Rig();
  const pit = new Pit({ irq: outer.irq, clock: outer.clock, timers: outer.timers });
  /** In the middle of a tick, so that rounding does not matter. */
  const to = (tick: number) => outer.runTo(Math.ceil(((tick + 0.5) * 1e9) / PIT_HZ));
  const out = (offset: number, ...values: number[]) => {
    for (const value of values) pit.write(offset, 1, value);
  };
  const read = (offset: number) => pit.read(offset, 1);
  const word = (channel: number) => read(channel) | (read(channel) << 8);
  /** Latch and read, low byte first. */
  const latched = (channel: number) => {
    out(CONTROL, channel << 6);
    return word(channel);
  };
  const out2 = () => (read(PORT_B) & 0x20) !== 0;
  return { ...outer, outer, pit, to, out, read, word, latched, out2 };
}

/** Channel 2 in a mode, its gate open, with a count; a tick later, the count is loaded. */
function channel2(mode: number, count: number, bcd = 0) {
  const it = rig();
  it.out(PORT_B, 1);
  it.out(CONTROL, 0xb0 | (mode << 1) | bcd);
  it.out(2, count & 0xff, count >> 8);
  /** The output in each of so many ticks from the one in which the count is loaded on: L or H. */
  const wave = async (from: number, ticks: number) => {
    let text = "";
    for (let tick = from; tick < from + ticks; tick++) {
      await it.to(tick);
      text += it.out2() ? "H" : "L";
    }
    return text;
  };
  const counts = async (from: number, ticks: number) => {
    const list: number[] = [];
    for (let tick = from; tick < from + ticks; tick++) {
      await it.to(tick);
      list.push(it.latched(2));
    }
    return list;
  };
  return { ...it, wave, counts };
}

describe("modes", () => {
  it("0 goes high when the count is over, N + 1 ticks after it was written", async () => {
    expect(await channel2(0, 4).wave(0, 8)).toBe("LLLLLHHH");
    expect(await channel2(0, 4).counts(1, 6)).toEqual([4, 3, 2, 1, 0, 0xffff]);
  });

  it("0 stops while the gate is low, and at the first byte of a new count", async () => {
    const it = channel2(0, 10);
    await it.to(4);
    expect(it.latched(2)).toBe(7);
    it.out(PORT_B, 0);
    await it.to(50);
    expect(it.latched(2)).toBe(7);
    it.out(PORT_B, 1);
    await it.to(53);
    expect([it.latched(2), it.out2()]).toEqual([4, false]);
    await it.to(57);
    expect(it.out2()).toBe(true);
    it.out(2, 3);
    expect(it.out2()).toBe(false);
    await it.to(70);
    expect(it.out2()).toBe(false);
    it.out(2, 0);
    expect(await it.wave(71, 5)).toBe("LLLHH");
  });

  it("1 is a one-shot that the gate's rising edge starts, again and again", async () => {
    const it = channel2(1, 3);
    expect(await it.wave(0, 4)).toBe("HHHH");
    it.out(PORT_B, 0);
    it.out(PORT_B, 1);
    expect(await it.wave(4, 5)).toBe("LLLHH");
    it.out(PORT_B, 0);
    it.out(PORT_B, 1);
    expect(await it.wave(9, 2)).toBe("LL");
    // Retriggered before its end; a low gate does not stop it.
    it.out(PORT_B, 0);
    it.out(PORT_B, 1);
    it.out(PORT_B, 0);
    expect(await it.wave(11, 5)).toBe("LLLHH");
  });

  it("2 is low for the last tick of each period", async () => {
    expect(await channel2(2, 4).wave(1, 12)).toBe("HHHLHHHLHHHL");
    expect(await channel2(2, 4).counts(1, 6)).toEqual([4, 3, 2, 1, 4, 3]);
    const it = channel2(2, 4);
    await it.to(4);
    expect(it.out2()).toBe(false);
    it.out(PORT_B, 0);
    expect(await it.wave(5, 4)).toBe("HHHH");
    it.out(PORT_B, 1);
    expect(await it.wave(9, 6)).toBe("HHHLHH");
  });

  it("2 takes a new count up at the end of its period", async () => {
    const it = channel2(2, 4);
    await it.to(2);
    it.out(2, 3, 0);
    expect(await it.wave(3, 9)).toBe("HLHHLHHLH");
  });

  it("3 is a square wave; of an odd count, the high half is longer", async () => {
    expect(await channel2(3, 4).wave(1, 8)).toBe("HHLLHHLL");
    expect(await channel2(3, 5).wave(1, 10)).toBe("HHHLLHHHLL");
    expect(await channel2(3, 4).counts(1, 5)).toEqual([4, 2, 4, 2, 4]);
    expect(await channel2(3, 5).counts(1, 6)).toEqual([4, 2, 0, 4, 2, 4]);
  });

  it("3 takes a new count up at the end of its half", async () => {
    const it = channel2(3, 8);
    await it.to(2);
    it.out(2, 4, 0);
    expect(await it.wave(3, 10)).toBe("HHLLHHLLHH");
  });

  it("4 and 5 strobe for a tick at the end of the count", async () => {
    const it = channel2(4, 3);
    expect(await it.wave(1, 8)).toBe("HHHLHHHH");
    it.out(2, 2, 0);
    expect(await it.wave(9, 4)).toBe("HHLH");
    const triggered = channel2(5, 3);
    expect(await triggered.wave(0, 5)).toBe("HHHHH");
    triggered.out(PORT_B, 0);
    triggered.out(PORT_B, 1);
    expect(await triggered.wave(5, 6)).toBe("HHHLHH");
  });

  it("6 and 7 are 2 and 3", async () => {
    expect(await channel2(6, 4).wave(1, 4)).toBe("HHHL");
    expect(await channel2(7, 4).wave(1, 4)).toBe("HHLL");
  });
});

describe("counts", () => {
  it("are 65536, or 10000 in BCD, when 0 is written", async () => {
    const binary = channel2(0, 0);
    expect(await binary.counts(1, 2)).toEqual([0, 0xffff]);
    await binary.to(0x1_0000);
    expect(binary.out2()).toBe(false);
    await binary.to(0x1_0001);
    expect(binary.out2()).toBe(true);
    const decimal = channel2(0, 0, 1);
    expect(await decimal.counts(1, 2)).toEqual([0, 0x9999]);
    await decimal.to(10_001);
    expect(decimal.out2()).toBe(true);
  });

  it("are decimal in BCD", async () => {
    const it = channel2(0, 0x1000, 1);
    expect(await it.counts(1, 3)).toEqual([0x1000, 0x0999, 0x0998]);
    expect(await it.counts(1001, 2)).toEqual([0, 0x9999]);
  });

  it("have one byte where the control word says so", async () => {
    const it = rig();
    it.out(PORT_B, 1);
    it.out(CONTROL, 0x90);
    it.out(2, 5);
    await it.to(3);
    expect([it.read(2), it.read(2)]).toEqual([3, 3]);
    it.out(CONTROL, 0xa0);
    it.out(2, 5);
    await it.to(4);
    expect(it.read(2)).toBe(5);
    await it.to(5);
    expect(it.read(2)).toBe(4);
  });

  it("stay latched until they are read", async () => {
    const it = channel2(0, 0x1234);
    await it.to(1 + 4);
    it.out(CONTROL, 0x80);
    await it.to(100);
    it.out(CONTROL, 0x80);
    expect(it.word(2)).toBe(0x1230);
    expect(it.word(2)).toBe(0x1234 - 99);
  });
});

describe("read-back", () => {
  it("latches status and count, of several channels at once", async () => {
    const it = channel2(3, 0x1000);
    it.out(CONTROL, 0x34);
    it.out(0, 100, 0);
    await it.to(11);
    it.out(CONTROL, 0xc0 | 0b1010);
    expect([it.read(0), it.word(0)]).toEqual([0xb4, 90]);
    expect([it.read(2), it.word(2)]).toEqual([0xb6, 0x1000 - 20]);
    // The other channel was not selected.
    expect(it.read(1)).toBe(0);
  });

  it("shows a count that is not loaded yet", async () => {
    const it = rig();
    it.out(PORT_B, 1);
    const status = () => {
      it.out(CONTROL, 0xe8);
      return it.read(2);
    };
    it.out(CONTROL, 0xb0);
    expect(status()).toBe(0x70);
    it.out(2, 9, 0);
    expect(status()).toBe(0x70);
    await it.to(1);
    expect(status()).toBe(0x30);
    await it.to(10);
    expect(status()).toBe(0xb0);
    // In periodic modes until the next period, in triggered ones until the gate rises.
    it.out(CONTROL, 0xb4);
    it.out(2, 9, 0);
    await it.to(12);
    expect(status()).toBe(0xb4);
    it.out(2, 5, 0);
    expect(status()).toBe(0xf4);
    await it.to(20);
    expect(status()).toBe(0xb4);
    it.out(CONTROL, 0xb2);
    it.out(2, 9, 0);
    await it.to(30);
    expect(status()).toBe(0xf2);
  });
});

describe("in a PC", () => {
  it("interrupts by channel 0, at rising edges", async () => {
    const it = rig();
    it.out(CONTROL, 0x34);
    it.out(0, 100, 0);
    const before = it.irq.rises;
    await it.to(1001);
    expect(it.irq.rises - before).toBe(10);
    it.out(CONTROL, 0x30);
    expect(it.irq.level).toBe(false);
    it.out(0, 50, 0);
    await it.to(1050);
    expect(it.irq.level).toBe(false);
    await it.to(1052);
    expect(it.irq.level).toBe(true);
    expect(it.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it("loses no edge when its timer runs late, but those of the time slept", async () => {
    const it = rig();
    it.out(CONTROL, 0x34);
    it.out(0, 100, 0);
    const before = it.irq.rises;
    const late = it.timers.nextDeadline() + 20_000;
    it.clock.advanceTo(late);
    await it.timers.runDue(late);
    expect([it.irq.level, it.irq.rises - before]).toEqual([true, 1]);
  });

  it("has channel 2's gate and output, and the refresh in port 0x61", async () => {
    const it = rig();
    it.out(PORT_B, 0xff);
    expect(it.read(PORT_B) & 0x0f).toBe(0x0f);
    expect(it.pit.speaker).toBe(true);
    it.out(PORT_B, 0);
    const toggles = new Set<number>();
    for (let ns = 0; ns < 40_000; ns += 10_000) {
      await it.outer.runTo(ns);
      toggles.add(it.read(PORT_B) & 0x10);
    }
    expect([...toggles].sort()).toEqual([0, 0x10]);
    // Without its gate, nothing counts.
    it.out(CONTROL, 0xb0);
    it.out(2, 1, 0);
    await it.to(1000);
    expect(it.out2()).toBe(false);
  });

  it("goes on after a restore", async () => {
    const [a, b] = [rig(), rig()];
    for (const it of [a]) {
      it.out(CONTROL, 0x36);
      it.out(0, 0x34, 0x12);
      it.out(PORT_B, 1);
      it.out(CONTROL, 0xb4);
      it.out(2, 9, 0);
    }
    await a.to(20);
    a.out(2, 5, 0);
    a.out(CONTROL, 0x00);
    a.read(0);
    const state = throughJson(a.pit.state());
    b.clock.advanceTo(a.clock.now());
    b.pit.restore(state);
    expect(b.pit.state()).toEqual(a.pit.state());
    for (const it of [a, b]) await it.to(20_000);
    expect(b.pit.state()).toEqual(a.pit.state());
    expect([b.irq.level, b.latched(2), b.out2()]).toEqual([a.irq.level, a.latched(2), a.out2()]);
    expect(() => b.pit.restore({ ...state, channels: [] })).toThrow("no valid 'channels'");
    b.pit.reset();
    expect(b.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });
});
