import { describe, expect, it } from "vitest";
import { ApicRig, extend, get, set, take } from "../testing/apic-rig.js";
import { localApicPage } from "./local-apic-page.js";
import { messageSignaled } from "./message.js";

// SDM volume 3, chapter 11.

function one(options = {}) {
  const rig = new ApicRig();
  const apic = rig.add(0, options);
  set(apic, 0xf0, 0x1ff);
  return { rig, apic };
}

const fixed = (vector: number, destination = 0, level = false) =>
  ({ mode: 0, vector, level, logical: false, destination, wide: false }) as const;

describe("registers in xAPIC mode", () => {
  it("has table 11-1's values after reset", () => {
    const apic = new ApicRig().add(5);
    const expected: [offset: number, value: number][] = [
      [0x20, 5 << 24],
      [0x30, 0x0105_0014],
      [0x80, 0],
      [0x90, 0],
      [0xa0, 0],
      [0xc0, 0],
      [0xd0, 0],
      [0xe0, 0xffff_ffff],
      [0xf0, 0xff],
      [0x280, 0],
      [0x300, 0],
      [0x310, 0],
      [0x380, 0],
      [0x390, 0],
      [0x3e0, 0],
    ];
    for (let i = 0; i < 24; i++) expected.push([0x100 + 16 * i, 0]);
    for (let i = 0; i < 6; i++) expected.push([0x320 + 16 * i, 0x1_0000]);
    for (const [offset, value] of expected) expect([offset, get(apic, offset)]).toEqual([offset, value]);
    expect(apic.base).toBe(0xfee0_0800n);
    expect(new ApicRig().add(0).base).toBe(0xfee0_0900n);
  });

  it("keeps what can be written, and only that", () => {
    const { apic } = one();
    const cases: [offset: number, writable: number][] = [
      [0x80, 0xff],
      [0xd0, 0xff00_0000],
      [0xf0, 0x13ff],
      [0x310, 0xff00_0000],
      [0x320, 0x700ff],
      [0x330, 0x107ff],
      [0x340, 0x107ff],
      [0x350, 0x1a7ff],
      [0x360, 0x1a7ff],
      [0x370, 0x100ff],
      [0x380, 0xffff_ffff],
      [0x3e0, 0xb],
      [0x20, 0],
      [0x30, 0],
    ];
    for (const [offset, writable] of cases) {
      const before = get(apic, offset);
      set(apic, offset, 0xffff_ffff);
      const readOnly = writable === 0 ? before : 0;
      expect([offset, get(apic, offset)]).toEqual([offset, (writable | readOnly) >>> 0]);
    }
    set(apic, 0xe0, 0);
    expect(get(apic, 0xe0)).toBe(0x0fff_ffff);
  });

  it("reads parts of registers, and writes them whole", () => {
    const { apic } = one();
    expect([apic.read(0x30, 1), apic.read(0x32, 2), apic.read(0x33, 1)]).toEqual([0x14, 0x105, 1]);
    expect(apic.read(0x34, 4)).toBe(0);
    apic.write(0x80, 1, 0x50);
    apic.write(0x84, 4, 0x50);
    expect(get(apic, 0x80)).toBe(0);
  });

  it("tells of registers that are not there by an error, when ESR is written", () => {
    const { apic } = one();
    set(apic, 0x370, 0xfe);
    get(apic, 0x400);
    set(apic, 0x10, 1);
    expect(get(apic, 0x280)).toBe(0);
    // One interrupt for one bit.
    expect(take(apic)).toEqual([0xfe]);
    set(apic, 0x280, 0);
    expect(get(apic, 0x280)).toBe(0x80);
    set(apic, 0x280, 0);
    expect(get(apic, 0x280)).toBe(0);
  });

  it("is on a bus for each processor by itself", () => {
    const rig = new ApicRig();
    const apics = [rig.add(0), rig.add(1)];
    let accessor = 1;
    const page = localApicPage(apics, () => accessor);
    expect(page.read(0x20, 4)).toBe(1 << 24);
    page.write(0x80, 4, 0x20);
    accessor = 0;
    expect([page.read(0x20, 4), page.read(0x80, 4), apics[1]!.taskPriority]).toEqual([0, 0, 0x20]);
  });
});

describe("priorities", () => {
  it("delivers the highest vector first, and of lower classes none while one is in service", () => {
    const { apic } = one();
    for (const vector of [0x31, 0x52, 0x38, 0x5f]) apic.accept(fixed(vector));
    expect([get(apic, 0x210), get(apic, 0x220)]).toEqual([
      (1 << 17) | (1 << 24),
      ((1 << 18) | (1 << 31)) >>> 0,
    ]);
    expect(apic.acknowledge()).toBe(0x5f);
    expect([get(apic, 0x120), get(apic, 0xa0)]).toEqual([0x8000_0000, 0x50]);
    // 0x52 is of the same class.
    expect(apic.pending).toBe(false);
    apic.accept(fixed(0x61));
    expect(apic.acknowledge()).toBe(0x61);
    set(apic, 0xb0, 0);
    expect(apic.pending).toBe(false);
    set(apic, 0xb0, 0);
    expect(take(apic)).toEqual([0x52, 0x38, 0x31]);
    expect(get(apic, 0xa0)).toBe(0);
  });

  it("keeps a second request for a vector in service", () => {
    const { apic } = one();
    apic.accept(fixed(0x40));
    apic.acknowledge();
    apic.accept(fixed(0x40));
    apic.accept(fixed(0x40));
    set(apic, 0xb0, 0);
    expect(take(apic)).toEqual([0x40]);
  });

  it("holds back what TPR is not below", () => {
    const { apic } = one();
    apic.accept(fixed(0x45));
    for (const [priority, pending] of [
      [0x50, false],
      [0x40, false],
      [0x4f, false],
      [0x3f, true],
    ] as const) {
      set(apic, 0x80, priority);
      expect([priority, apic.pending, get(apic, 0xa0)]).toEqual([priority, pending, priority]);
    }
    expect(apic.acknowledge()).toBe(0x45);
    expect(get(apic, 0xa0)).toBe(0x40);
    set(apic, 0x80, 0x48);
    expect(get(apic, 0xa0)).toBe(0x48);
  });

  it("gives the spurious vector if nothing is pending any more, and puts that not in service", () => {
    const { apic } = one();
    apic.accept(fixed(0x45));
    set(apic, 0x80, 0x50);
    expect(apic.acknowledge()).toBe(0xff);
    expect(get(apic, 0x170)).toBe(0);
    set(apic, 0x80, 0);
    expect(take(apic)).toEqual([0x45]);
  });

  it("does not take vectors below 16", () => {
    const { apic } = one();
    set(apic, 0x370, 0xfe);
    expect(apic.accept(fixed(15))).toBe(false);
    expect(take(apic)).toEqual([0xfe]);
    set(apic, 0x280, 0);
    expect(get(apic, 0x280)).toBe(0x40);
  });
});

describe("disabling", () => {
  it("takes no fixed interrupts while SVR disables it, but those of other modes", () => {
    const { rig, apic } = one();
    apic.accept(fixed(0x41));
    set(apic, 0x320, 0x40);
    set(apic, 0xf0, 0xff);
    // Entries are masked, and stay so.
    expect(get(apic, 0x320)).toBe(0x1_0040);
    set(apic, 0x320, 0x40);
    expect(get(apic, 0x320)).toBe(0x1_0040);
    expect(apic.accept(fixed(0x42))).toBe(false);
    expect(apic.accept({ ...fixed(0), mode: 4 })).toBe(true);
    expect(rig.told[0]!.nmi).toBe(1);
    // What came before is still to be handled.
    expect(take(apic)).toEqual([0x41]);
    set(apic, 0xf0, 0x1ff);
    expect(get(apic, 0x320)).toBe(0x1_0040);
  });

  it("loses its state when IA32_APIC_BASE disables it, and leaves its pins to INTR and NMI", () => {
    const { rig, apic } = one({ extInt: { pending: true, acknowledge: () => 0x28 } });
    set(apic, 0x80, 0x20);
    expect(apic.writeBase(0xfee0_0100n)).toBe(true);
    expect([apic.read(0x30, 4), apic.read(0x30, 2), apic.read(0x30, 1)]).toEqual([0xffff_ffff, 0xffff, 0xff]);
    expect(apic.pending).toBe(false);
    apic.lint(0).set(true);
    expect([apic.pending, apic.acknowledge()]).toEqual([true, 0x28]);
    apic.lint(1).set(true);
    expect(rig.told[0]!.nmi).toBe(1);
    expect(apic.accept(fixed(0x41))).toBe(false);
    apic.lint(0).set(false);
    expect(apic.writeBase(0xfee0_0900n)).toBe(true);
    expect([get(apic, 0x80), get(apic, 0xf0)]).toEqual([0, 0xff]);
  });

  it("allows the mode changes of figure 11-27 and no others", () => {
    const [off, invalid, on, extended] = [0x000n, 0x400n, 0x800n, 0xc00n];
    const allowed = (from: bigint, to: bigint) => {
      const { apic } = one();
      if (from === off) apic.writeBase(0xfee0_0000n);
      if (from === extended) extend(apic);
      return apic.writeBase(0xfee0_0000n | to);
    };
    expect(
      [off, on, extended].map((from) => [off, invalid, on, extended].map((to) => allowed(from, to))),
    ).toEqual([
      [true, false, true, false],
      [true, false, true, true],
      [true, false, false, true],
    ]);
    const { apic } = one();
    expect([apic.writeBase(0xfee0_0801n), apic.writeBase(1n << 40n)]).toEqual([false, false]);
    expect(apic.writeBase(0x1_2345_6800n)).toBe(true);
    expect(apic.address).toBe(0x1_2345_6000);
  });
});

describe("end of interrupt", () => {
  it("is broadcast for level-triggered interrupts alone, unless that is suppressed", () => {
    const { rig, apic } = one();
    const ended: number[] = [];
    rig.bus.listen({ endOfInterrupt: (vector) => ended.push(vector) });
    apic.accept(fixed(0x41, 0, true));
    expect(get(apic, 0x1a0)).toBe(2);
    take(apic);
    apic.accept(fixed(0x41));
    expect(get(apic, 0x1a0)).toBe(0);
    take(apic);
    expect(ended).toEqual([0x41]);
    set(apic, 0xf0, 0x11ff);
    apic.accept(fixed(0x41, 0, true));
    take(apic);
    set(apic, 0xb0, 0);
    expect(ended).toEqual([0x41]);
  });
});

describe("local interrupts", () => {
  it("takes edges of LINT pins by their entries' modes", () => {
    const { rig, apic } = one();
    const pulse = (pin: 0 | 1) => {
      apic.lint(pin).set(true);
      apic.lint(pin).set(false);
    };
    set(apic, 0x350, 0x61);
    pulse(0);
    pulse(0);
    expect(take(apic)).toEqual([0x61]);
    set(apic, 0x350, 0x1_0061);
    pulse(0);
    set(apic, 0x360, 0x400);
    pulse(1);
    set(apic, 0x360, 0x200);
    pulse(1);
    expect(rig.told[0]).toEqual({ nmi: 1, smi: 1, init: 0, startUp: [] });
    expect(take(apic)).toEqual([]);
    set(apic, 0x360, 0x500);
    pulse(1);
    expect(rig.told[0]!.init).toBe(1);
    // INIT clears the registers.
    expect(get(apic, 0x360)).toBe(0x1_0000);
  });

  it("asks again while a level-triggered LINT0 is high", () => {
    const { apic } = one();
    set(apic, 0x350, 0x8061);
    apic.lint(0).set(true);
    expect(get(apic, 0x350)).toBe(0xc061);
    expect(apic.acknowledge()).toBe(0x61);
    set(apic, 0xb0, 0);
    expect(apic.acknowledge()).toBe(0x61);
    apic.lint(0).set(false);
    set(apic, 0xb0, 0);
    expect([apic.pending, get(apic, 0x350)]).toEqual([false, 0x8061]);
    // What waits behind the mask is let through with it.
    set(apic, 0x350, 0x1_8061);
    apic.lint(0).set(true);
    expect(apic.pending).toBe(false);
    set(apic, 0x350, 0x8061);
    expect(apic.acknowledge()).toBe(0x61);
  });

  it("takes vectors from the 8259 by ExtINT, whatever the priorities", () => {
    const pic = { pending: true, acknowledge: () => 0x30 };
    const { apic } = one({ extInt: pic });
    apic.lint(0).set(true);
    expect(apic.pending).toBe(false);
    set(apic, 0x350, 0x700);
    set(apic, 0x80, 0xff);
    expect(apic.pending).toBe(true);
    expect(apic.acknowledge()).toBe(0x30);
    expect([get(apic, 0x110), get(apic, 0x130)]).toEqual([0, 0]);
    apic.lint(0).set(false);
    expect(apic.pending).toBe(false);
    apic.accept({ ...fixed(0), mode: 7 });
    expect([apic.pending, apic.acknowledge(), apic.pending]).toEqual([true, 0x30, false]);
  });

  it("is in virtual wire mode where firmware has been", () => {
    const rig = new ApicRig();
    const apic = rig.add(0, { extInt: { pending: true, acknowledge: () => 8 } });
    apic.enterVirtualWireMode();
    apic.lint(0).set(true);
    expect([apic.acknowledge(), get(apic, 0xf0)]).toEqual([8, 0x1ff]);
    apic.lint(1).set(true);
    expect(rig.told[0]!.nmi).toBe(1);
  });

  it("has a thermal sensor's and performance counters' interrupts", () => {
    const { rig, apic } = one();
    set(apic, 0x330, 0x71);
    set(apic, 0x340, 0x400);
    apic.signal("thermal");
    apic.signal("performance");
    apic.signal("performance");
    expect([take(apic), rig.told[0]!.nmi, get(apic, 0x340)]).toEqual([[0x71], 1, 0x1_0400]);
  });
});

describe("x2APIC mode", () => {
  function extended() {
    const { rig, apic } = one();
    extend(apic);
    return { rig, apic };
  }

  it("has registers as MSRs, and none in memory", () => {
    const { apic } = one();
    expect([apic.readMsr(0x803), apic.writeMsr(0x808, 0n)]).toEqual([undefined, false]);
    extend(apic);
    expect(apic.read(0x30, 4)).toBe(0xffff_ffff);
    apic.write(0x80, 4, 0x30);
    expect([apic.readMsr(0x803), apic.readMsr(0x808), apic.readMsr(0x80f)]).toEqual([
      0x0105_0014n,
      0n,
      0x1ffn,
    ]);
  });

  it("reads and writes what table 11-6 has", () => {
    const { apic } = extended();
    const readOnly = [0x02, 0x03, 0x0a, 0x0d, ...Array.from({ length: 24 }, (_, i) => 0x10 + i), 0x39];
    const both = [0x08, 0x0f, 0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x3e];
    const writeOnly = [0x0b, 0x3f];
    for (let register = 0; register < 0x100; register++) {
      const reads = readOnly.includes(register) || both.includes(register);
      const writes = writeOnly.includes(register) || both.includes(register);
      expect([register, apic.readMsr(0x800 + register) !== undefined]).toEqual([register, reads]);
      // 0x20 is a vector where there is one, and a reserved bit for two.
      const value = [0x0b, 0x28, 0x3e].includes(register) ? 0n : 0x20n;
      expect([register, apic.writeMsr(0x800 + register, value)]).toEqual([register, writes]);
    }
  });

  it("faults on reserved bits", () => {
    const { apic } = extended();
    const refused: [msr: number, value: bigint][] = [
      [0x808, 0x100n],
      [0x80b, 1n],
      [0x80f, 0x400n],
      [0x828, 1n],
      [0x830, 0x10_0000n],
      [0x830, 0x2000n],
      [0x832, 0x100n],
      [0x835, 0x2_0000n],
      [0x838, 1n << 32n],
      [0x83e, 4n],
      [0x83f, 0x100n],
    ];
    for (const [msr, value] of refused) expect([msr, apic.writeMsr(msr, value)]).toEqual([msr, false]);
  });

  it("sends by one write of 64 bits, and to itself by SELF IPI", () => {
    const { rig, apic } = extended();
    const other = rig.add(0x123);
    set(other, 0xf0, 0x1ff);
    extend(other);
    expect(apic.writeMsr(0x830, (0x123n << 32n) | 0x55n)).toBe(true);
    expect(apic.readMsr(0x830)).toBe((0x123n << 32n) | 0x55n);
    expect([other.pending, apic.pending]).toEqual([true, false]);
    apic.writeMsr(0x83f, 0x66n);
    expect(apic.acknowledge()).toBe(0x66);
    expect([apic.readMsr(0x802), other.readMsr(0x802)]).toEqual([0n, 0x123n]);
  });

  it("has logical IDs of cluster and place in it", () => {
    const { rig, apic } = extended();
    const others = [0x1f, 0x10, 0x2f].map((id) => rig.add(id));
    for (const other of others) {
      set(other, 0xf0, 0x1ff);
      extend(other);
    }
    expect(others.map((other) => other.readMsr(0x80d))).toEqual([0x1_8000n, 0x1_0001n, 0x2_8000n]);
    apic.writeMsr(0x830, (0x1_8001n << 32n) | 0x877n);
    expect(others.map((other) => other.pending)).toEqual([true, true, false]);
  });
});

describe("interprocessor interrupts", () => {
  function four(extendedOnes: readonly number[] = []) {
    const rig = new ApicRig();
    const apics = [0, 1, 2, 3].map((id) => rig.add(id));
    apics.forEach((apic, id) => {
      set(apic, 0xf0, 0x1ff);
      set(apic, 0xd0, (1 << id) << 24);
      if (extendedOnes.includes(id)) extend(apic);
    });
    /** Who has something after a message from the first. */
    const sent = (command: number, destination = 0) => {
      set(apics[0]!, 0x310, destination << 24);
      set(apics[0]!, 0x300, command);
      return apics.map((apic) => take(apic)[0] ?? 0);
    };
    return { rig, apics, sent };
  }

  it("go to physical destinations", () => {
    const { sent } = four();
    expect(sent(0x41, 2)).toEqual([0, 0, 0x41, 0]);
    expect(sent(0x41, 0xff)).toEqual([0x41, 0x41, 0x41, 0x41]);
    expect(sent(0x41, 7)).toEqual([0, 0, 0, 0]);
  });

  it("go to logical destinations of the flat and the cluster model", () => {
    const { apics, sent } = four();
    expect(sent(0x841, 0b1010)).toEqual([0, 0x41, 0, 0x41]);
    expect(sent(0x841, 0xff)).toEqual([0x41, 0x41, 0x41, 0x41]);
    apics.forEach((apic, id) => {
      set(apic, 0xe0, 0);
      set(apic, 0xd0, (((id >> 1) << 4) | (1 << (id & 1))) << 24);
    });
    expect(sent(0x841, 0x13)).toEqual([0, 0, 0x41, 0x41]);
    expect(sent(0x841, 0xf1)).toEqual([0x41, 0, 0x41, 0]);
    expect(sent(0x841, 0x04)).toEqual([0, 0, 0, 0]);
  });

  it("go where shorthands say", () => {
    const { sent } = four();
    expect(sent(0x4_0041, 3)).toEqual([0x41, 0, 0, 0]);
    expect(sent(0x8_0041)).toEqual([0x41, 0x41, 0x41, 0x41]);
    expect(sent(0xc_0041)).toEqual([0, 0x41, 0x41, 0x41]);
  });

  it("of the lowest priority go to one: the processor of the lowest", () => {
    const { apics, sent } = four();
    [0x30, 0x20, 0x10, 0x40].forEach((priority, id) => set(apics[id]!, 0x80, priority));
    expect(sent(0x951, 0b1011)).toEqual([0, 0x51, 0, 0]);
    expect(sent(0x951, 0b1111)).toEqual([0, 0, 0x51, 0]);
    // One that is disabled takes none.
    set(apics[2]!, 0xf0, 0xff);
    expect(sent(0x951, 0b1111)).toEqual([0, 0x51, 0, 0]);
    set(apics[2]!, 0xf0, 0x1ff);
    // A handler's priority counts as well.
    apics[2]!.accept(fixed(0x71));
    expect(apics[2]!.acknowledge()).toBe(0x71);
    expect(sent(0x951, 0b0110)).toEqual([0, 0x51, 0, 0]);
  });

  it("are INIT, start-up, NMI and SMI, too", () => {
    const { rig, apics, sent } = four();
    set(apics[1]!, 0x80, 0x20);
    sent(0xc500, 1);
    // The de-assertion that ends INIT on old processors.
    sent(0x8500, 1);
    sent(0x069a, 1);
    sent(0x0400, 2);
    sent(0x0200, 2);
    expect(rig.told.slice(1)).toEqual([
      { nmi: 0, smi: 0, init: 1, startUp: [0x9a] },
      { nmi: 1, smi: 1, init: 0, startUp: [] },
      { nmi: 0, smi: 0, init: 0, startUp: [] },
    ]);
    expect([get(apics[1]!, 0x80), get(apics[1]!, 0x20), get(apics[1]!, 0xf0)]).toEqual([0, 1 << 24, 0xff]);
  });

  it("with a vector below 16 are an error of the sender", () => {
    const { apics, sent } = four();
    expect(sent(0x0f, 1)).toEqual([0, 0, 0, 0]);
    set(apics[0]!, 0x280, 0);
    expect([get(apics[0]!, 0x280), get(apics[1]!, 0x280)]).toEqual([0x20, 0]);
  });

  it("reach processors in the other mode", () => {
    const { rig, apics, sent } = four([2]);
    expect(sent(0x41, 2)).toEqual([0, 0, 0x41, 0]);
    apics[2]!.writeMsr(0x830, (1n << 32n) | 0x61n);
    expect(take(apics[1]!)).toEqual([0x61]);
    expect(rig.bus.send({ ...fixed(0x50, 0xffff_ffff), wide: true })).toBe(true);
    expect(apics.map((apic) => apic.pending)).toEqual([true, true, true, true]);
  });

  it("of devices are writes to the message addresses", () => {
    const { rig, apics } = four();
    expect(messageSignaled(0xfee0_3000, 0xc1a5)).toEqual({
      mode: 1,
      vector: 0xa5,
      level: true,
      logical: false,
      destination: 3,
      wide: false,
    });
    rig.bus.send(messageSignaled(0xfee0_600c, 0x0044));
    expect(apics.map((apic) => take(apic)[0] ?? 0)).toEqual([0, 0x44, 0x44, 0]);
  });
});

describe("timer", () => {
  const LVT = 0x320;
  const [INITIAL, CURRENT, DIVIDE] = [0x380, 0x390, 0x3e0];

  it("counts at its clock, divided by 1 to 128", () => {
    for (const [code, divisor] of [
      [0, 2],
      [1, 4],
      [2, 8],
      [3, 16],
      [8, 32],
      [9, 64],
      [10, 128],
      [11, 1],
    ] as const) {
      const { rig, apic } = one({ timerHz: 100_000_000 });
      set(apic, DIVIDE, code);
      set(apic, INITIAL, 1000);
      rig.runTo(divisor * 10 * 100);
      expect([code, get(apic, CURRENT)]).toEqual([code, 900]);
    }
  });

  it("interrupts once in one-shot mode", () => {
    const { rig, apic } = one();
    set(apic, DIVIDE, 11);
    set(apic, LVT, 0xf0);
    set(apic, INITIAL, 5000);
    rig.runTo(4999);
    expect([apic.pending, get(apic, CURRENT)]).toEqual([false, 1]);
    rig.runTo(5000);
    expect([take(apic), get(apic, CURRENT), get(apic, INITIAL)]).toEqual([[0xf0], 0, 5000]);
    rig.runTo(50_000);
    expect(apic.pending).toBe(false);
    expect(rig.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it("interrupts again and again in periodic mode, and counts on from where it was asked late", () => {
    const { rig, apic } = one();
    set(apic, DIVIDE, 11);
    set(apic, LVT, 0x2_00f0);
    set(apic, INITIAL, 1000);
    let count = 0;
    for (let ns = 100; ns <= 10_000; ns += 100) {
      rig.runTo(ns);
      count += take(apic).length;
    }
    expect(count).toBe(10);
    // The run loop slept: one interrupt, and the next where it belongs.
    rig.clock.advanceTo(15_250);
    expect(get(apic, CURRENT)).toBe(750);
    expect([take(apic), rig.timers.nextDeadline()]).toEqual([[0xf0], 16_000]);
    set(apic, INITIAL, 0);
    rig.runTo(100_000);
    expect([apic.pending, get(apic, CURRENT)]).toEqual([false, 0]);
  });

  it("counts on when the mode changes, and starts by a count alone", () => {
    const { rig, apic } = one();
    set(apic, DIVIDE, 11);
    set(apic, LVT, 0x1_00f0);
    set(apic, INITIAL, 1000);
    rig.runTo(600);
    set(apic, LVT, 0x2_00f0);
    expect(get(apic, CURRENT)).toBe(400);
    rig.runTo(1100);
    expect([take(apic), get(apic, CURRENT)]).toEqual([[0xf0], 900]);
    set(apic, LVT, 0xf0);
    rig.runTo(2000);
    expect([take(apic), get(apic, CURRENT)]).toEqual([[0xf0], 0]);
    set(apic, LVT, 0x2_00f0);
    rig.runTo(5000);
    expect([apic.pending, get(apic, CURRENT)]).toEqual([false, 0]);
  });

  it("is not stopped by its mask, and goes on at another rate from where it is", () => {
    const { rig, apic } = one();
    set(apic, DIVIDE, 11);
    set(apic, LVT, 0x1_00f0);
    set(apic, INITIAL, 1000);
    rig.runTo(500);
    set(apic, DIVIDE, 0);
    rig.runTo(700);
    expect(get(apic, CURRENT)).toBe(400);
    rig.runTo(3000);
    expect([apic.pending, get(apic, CURRENT)]).toEqual([false, 0]);
  });

  it("follows the time-stamp counter in TSC-deadline mode", () => {
    const rig = new ApicRig();
    let offset = 0n;
    const now = () => BigInt(rig.clock.now()) * 2n + offset;
    const tsc = { now, reaches: (value: bigint) => rig.clock.now() + Number((value - now() + 1n) / 2n) };
    const apic = rig.add(0, { tsc });
    set(apic, 0xf0, 0x1ff);
    apic.timer.deadline = 1000n;
    expect(apic.timer.deadline).toBe(0n);
    set(apic, LVT, 0x4_00f0);
    set(apic, INITIAL, 100);
    expect([get(apic, INITIAL), get(apic, CURRENT)]).toEqual([0, 0]);
    apic.timer.deadline = 1000n;
    expect(rig.timers.nextDeadline()).toBe(500);
    rig.runTo(499);
    expect([apic.pending, apic.timer.deadline]).toEqual([false, 1000n]);
    rig.runTo(500);
    expect([take(apic), apic.timer.deadline]).toEqual([[0xf0], 0n]);
    // A deadline in the past is due at once; 0 takes it back.
    apic.timer.deadline = 1n;
    expect(take(apic)).toEqual([0xf0]);
    apic.timer.deadline = 5000n;
    apic.timer.deadline = 0n;
    rig.runTo(4000);
    expect(take(apic)).toEqual([]);
    apic.timer.deadline = 10_000n;
    offset = 1000n;
    apic.timer.timestampChanged();
    expect(rig.timers.nextDeadline()).toBe(4500);
    set(apic, LVT, 0xf0);
    rig.runTo(10_000);
    expect(take(apic)).toEqual([]);
  });
});

it("goes on after a restore", () => {
  const { rig, apic } = one();
  for (const [offset, value] of [
    [0x80, 0x15],
    [0xd0, 0x0500_0000],
    [0x350, 0x8061],
    [0x3e0, 11],
    [0x320, 0x2_00f0],
    [0x380, 1000],
  ] as const)
    set(apic, offset, value);
  apic.lint(0).set(true);
  apic.accept(fixed(0x72, 0, true));
  apic.acknowledge();
  rig.runTo(300);
  const state = JSON.parse(JSON.stringify(apic.state()));
  const other = new ApicRig();
  const copy = other.add(0);
  copy.restore(state);
  expect(copy.state()).toEqual(apic.state());
  other.clock.advanceTo(300);
  for (const each of [rig, other]) each.runTo(2500);
  expect(copy.state()).toEqual(apic.state());
  expect([copy.acknowledge(), get(copy, 0x390)]).toEqual([0xf0, 500]);
  expect(() => copy.restore({ ...state, version: 2 })).toThrow("another version");
});
