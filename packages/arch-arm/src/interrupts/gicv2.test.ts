import { describe, expect, it } from "vitest";
import { CpuLines, random } from "../testing/interrupt-lines.js";
import { GicV2 } from "./gicv2.js";

function setup(cpus = 2) {
  const lines = Array.from({ length: cpus }, () => new CpuLines());
  let current = 0;
  const make = (outputs = lines) => new GicV2({ cpus: outputs, accessor: () => current, interrupts: 96 });
  const gic = make();
  const on = (cpu: number) => {
    current = cpu;
  };
  const words = (device: { read(o: number, w: 4): number; write(o: number, w: 4, v: number): void }) => ({
    get: (offset: number) => device.read(offset, 4),
    set: (offset: number, value: number) => device.write(offset, 4, value),
  });
  return {
    gic,
    lines,
    make,
    on,
    d: words(gic.distributor),
    c: words(gic.cpuInterface),
    h: words(gic.hypervisorInterface),
    v: words(gic.virtualCpuInterface),
  };
}

/** What Linux's driver does at its start: everything off, level-sensitive, priority 0xa0, to CPU 0. */
function asLinux(cpus = 2) {
  const rig = setup(cpus);
  const { d, c, on } = rig;
  d.set(0, 0);
  for (let i = 32; i < 96; i += 4) {
    d.set(0x800 + i, 0x01010101);
    d.set(0x400 + i, 0xa0a0a0a0);
  }
  for (let word = 1; word < 3; word++) {
    d.set(0x180 + 4 * word, 0xffffffff);
    d.set(0x380 + 4 * word, 0xffffffff);
  }
  d.set(0, 1);
  for (let cpu = 0; cpu < cpus; cpu++) {
    on(cpu);
    d.set(0x180, 0xffff0000);
    d.set(0x100, 0x0000ffff);
    for (let i = 0; i < 32; i += 4) d.set(0x400 + i, 0xa0a0a0a0);
    c.set(4, 0xf0);
    c.set(0, 1);
  }
  on(0);
  return rig;
}

describe("GICv2", () => {
  it("identifies itself", () => {
    const { d, c, h } = setup();
    expect([d.get(4), d.get(0xfe8), c.get(0xfc) & 0xf0fff]).toEqual([(1 << 5) | 2, 0x2b, 0x2043b]);
    expect(h.get(4)).toBe(0x90000003);
    expect([c.get(0x14), c.get(0x0c), c.get(8), c.get(0x1c)]).toEqual([0xff, 1023, 0, 1]);
  });

  it("serves a level-sensitive SPI as long as its line is high", () => {
    const { gic, lines, d, c } = asLinux();
    const line = gic.line(33);
    line.set(true);
    expect(lines[0]?.irq).toBe(false);
    d.set(0x104, 2);
    expect([lines[0]?.irq, lines[1]?.irq, c.get(0x18)]).toEqual([true, false, 33]);
    expect(c.get(0x0c)).toBe(33);
    expect([lines[0]?.irq, c.get(0x14), d.get(0x304), d.get(0x204)]).toEqual([false, 0xa0, 2, 2]);
    c.set(0x10, 33);
    expect([lines[0]?.irq, c.get(0x14)]).toEqual([true, 0xff]);
    expect(c.get(0x0c)).toBe(33);
    line.set(false);
    c.set(0x10, 33);
    expect([lines[0]?.irq, d.get(0x204), c.get(0x0c)]).toEqual([false, 0, 1023]);
  });

  it("latches the edges of an edge-triggered SPI, also while it is active", () => {
    const { gic, lines, d, c } = asLinux();
    const line = gic.line(40);
    d.set(0xc08, 2 << 16);
    expect(d.get(0xc08)).toBe(2 << 16);
    d.set(0x104, 1 << 8);
    line.set(true);
    line.set(false);
    expect(c.get(0x0c)).toBe(40);
    expect(d.get(0x204)).toBe(0);
    line.set(true);
    expect([d.get(0x204), lines[0]?.irq]).toEqual([1 << 8, false]);
    c.set(0x10, 40);
    expect([lines[0]?.irq, c.get(0x0c), d.get(0x204)]).toEqual([true, 40, 0]);
    c.set(0x10, 40);
    expect(lines[0]?.irq).toBe(false);
  });

  it("offers an SPI to all its targets, and the first takes it", () => {
    const { gic, lines, d, c, on } = asLinux();
    gic.distributor.write(0x800 + 50, 1, 0xff);
    expect([gic.distributor.read(0x800 + 50, 1), d.get(0x800)]).toEqual([3, 0x01010101]);
    d.set(0x104, 1 << 18);
    gic.line(50).set(true);
    expect(lines.map((l) => l.irq)).toEqual([true, true]);
    on(1);
    expect([d.get(0x800), c.get(0x0c)]).toEqual([0x02020202, 50]);
    on(0);
    expect([lines.map((l) => l.irq), c.get(0x0c)]).toEqual([[false, false], 1023]);
  });

  it("keeps an SGI pending per sender", () => {
    const { lines, d, c, on } = asLinux(3);
    for (const sender of [2, 1]) {
      on(sender);
      d.set(0xf00, (1 << 16) | 5);
    }
    on(0);
    expect([lines[0]?.irq, d.get(0x200), d.get(0xf24)]).toEqual([true, 1 << 5, 6 << 8]);
    expect([c.get(0x0c), c.get(0x0c)]).toEqual([(1 << 10) | 5, 1023]);
    c.set(0x10, (1 << 10) | 5);
    expect(c.get(0x0c)).toBe((2 << 10) | 5);
    c.set(0x10, (2 << 10) | 5);
    expect([lines[0]?.irq, d.get(0x200)]).toEqual([false, 0]);
    // Filters: all but the sender, the sender.
    d.set(0xf00, (1 << 24) | 1);
    expect(lines.map((l) => l.irq)).toEqual([false, true, true]);
    d.set(0xf00, (2 << 24) | 2);
    expect([lines[0]?.irq, c.get(0x0c)]).toEqual([true, 2]);
    // Set and clear by hand; ISPENDR does not make SGIs pending.
    d.set(0x200, 1 << 9);
    expect(d.get(0x200)).toBe(0);
    d.set(0xf28, 4 << 8);
    expect([d.get(0x200), d.get(0xf18)]).toEqual([1 << 9, 4 << 8]);
    d.set(0xf18, 4 << 8);
    expect(d.get(0x200)).toBe(0);
  });

  it("banks PPIs", () => {
    const { gic, lines, d, c, on } = asLinux();
    on(1);
    d.set(0x100, 1 << 30);
    gic.privateLine(0, 30).set(true);
    gic.privateLine(1, 30).set(true);
    expect([lines.map((l) => l.irq), c.get(0x0c)]).toEqual([[false, true], 30]);
    on(0);
    expect([d.get(0x300), d.get(0x200)]).toEqual([0, 1 << 30]);
  });

  it("preempts by group priority", () => {
    const { gic, lines, d, c } = asLinux();
    c.set(8, 3);
    d.set(0x400 + 32, 0x80_90_82_a0);
    d.set(0x104, 0xf);
    gic.line(32).set(true);
    expect(c.get(0x0c)).toBe(32);
    gic.line(33).set(true);
    expect([lines[0]?.irq, c.get(0x0c), c.get(0x14)]).toEqual([true, 33, 0x80]);
    // 0x80 is more urgent than 0x82, but of the same group: no preemption.
    gic.line(35).set(true);
    expect([lines[0]?.irq, c.get(0x18), c.get(0x0c)]).toEqual([false, 35, 1023]);
    gic.line(33).set(false);
    c.set(0x10, 33);
    expect([c.get(0x14), c.get(0x0c)]).toEqual([0xa0, 35]);
    expect([c.get(0xd0), c.get(0xd4), c.get(0xd8)]).toEqual([0, 0, (1 << 0) | (1 << 16)]);
  });

  it("splits the end of an interrupt into priority drop and deactivation", () => {
    const { gic, lines, d, c } = asLinux();
    c.set(0, 0x201);
    d.set(0x104, 1);
    gic.line(32).set(true);
    expect(c.get(0x0c)).toBe(32);
    c.set(0x10, 32);
    expect([c.get(0x14), d.get(0x304), lines[0]?.irq]).toEqual([0xff, 1, false]);
    c.set(0x1000, 32);
    expect([d.get(0x304), lines[0]?.irq]).toEqual([0, true]);
  });

  it("has two groups: FIQs, acknowledge control, aliased registers", () => {
    const { gic, lines, d, c } = asLinux();
    d.set(0, 3);
    d.set(0x84, 2);
    d.set(0x104, 3);
    c.set(0, 0x0b);
    gic.line(33).set(true);
    expect([lines[0]?.irq, lines[0]?.fiq]).toEqual([true, false]);
    expect([c.get(0x0c), c.get(0x18), c.get(0x28), c.get(0x20)]).toEqual([1022, 1022, 33, 33]);
    c.set(0x24, 33);
    gic.line(32).set(true);
    expect([lines[0]?.irq, lines[0]?.fiq, c.get(0x20), c.get(0x0c)]).toEqual([false, true, 1023, 32]);
    c.set(0x10, 32);
    gic.line(32).set(false);
    c.set(0, 0x0f);
    expect(c.get(0x0c)).toBe(33);
  });

  it("with one CPU targets it alone, by no register", () => {
    const { gic, lines, d, c } = setup(1);
    d.set(0, 1);
    c.set(0, 1);
    c.set(4, 0xff);
    d.set(0x108, 1);
    expect(d.get(0x840)).toBe(0);
    gic.line(64).set(true);
    expect([lines[0]?.irq, c.get(0x0c)]).toEqual([true, 64]);
  });

  it("survives a snapshot in the middle of things", () => {
    const { gic, lines, d, c, make } = asLinux();
    d.set(0x104, 3);
    gic.line(32).set(true);
    c.get(0x0c);
    gic.line(33).set(true);
    d.set(0xf00, (2 << 24) | 3);
    d.set(0x400, 0x20a0a0a0);
    const saved = JSON.parse(JSON.stringify(gic.state()));
    const others = [new CpuLines(), new CpuLines()];
    const other = make(others);
    other.restore(saved);
    expect([others, other.state()]).toEqual([lines, gic.state()]);
    // A CPU that lost its input meanwhile gets it back.
    others[0]?.setIrq(false);
    other.restore(saved);
    expect(others).toEqual(lines);
    other.cpuInterface.write(0x10, 4, 32);
    expect([others[0]?.irq, other.cpuInterface.read(0x0c, 4)]).toEqual([true, 3]);
    other.reset();
    expect([others[0]?.irq, other.distributor.read(0, 4)]).toEqual([false, 0]);
    expect(() => other.restore({ ...saved, design: 3 })).toThrow("another version or shape");
    expect(() => gic.line(31)).toThrow("no shared interrupt 31 (32..95)");
    expect(() => gic.privateLine(2, 30)).toThrow("no private interrupt 30");
  });
});

describe("GICv2's virtual interface", () => {
  it("carries a physical interrupt into a guest as rHyper does", () => {
    const { gic, lines, d, c, h, v } = asLinux();
    c.set(0, 0x201);
    h.set(8, 0x201 & ~0x200);
    h.set(0, 1);
    v.set(4, 0xff);
    d.set(0x104, 1 << 7);
    gic.line(39).set(true);
    const id = c.get(0x0c);
    c.set(0x10, id);
    expect(h.get(0x30)).toBe(0xf);
    h.set(0x100, (0x8000_0000 | (1 << 28) | (id << 10) | id) >>> 0);
    expect([lines[0]?.irq, lines[0]?.virtualIrq, h.get(0x30)]).toEqual([false, true, 0xe]);
    expect([v.get(0x18), v.get(0x0c), v.get(0x0c)]).toEqual([39, 39, 1023]);
    expect([h.get(0x100) >>> 28, v.get(0x14), h.get(0xf0), lines[0]?.virtualIrq]).toEqual([0xa, 0, 1, false]);
    gic.line(39).set(false);
    v.set(0x10, 39);
    // The guest's end is the physical one's, too.
    expect([d.get(0x304), h.get(0x100) >>> 28, h.get(0x30), h.get(0xf0)]).toEqual([0, 8, 0xf, 0]);
  });

  it("orders list registers by priority and masks them by what the guest set", () => {
    const { lines, h, v } = asLinux();
    h.set(0, 1);
    v.set(0, 1);
    v.set(4, 0xff);
    expect([v.get(4), v.get(8), v.get(0x1c)]).toEqual([0xf8, 2, 3]);
    h.set(0x104, (1 << 28) | (20 << 23) | 50);
    h.set(0x108, (1 << 28) | (4 << 23) | (3 << 10) | 7);
    expect([v.get(0x0c), v.get(0x14)]).toEqual([(3 << 10) | 7, 0x20]);
    expect([lines[0]?.virtualIrq, v.get(0x18)]).toEqual([false, 50]);
    v.set(0x10, (3 << 10) | 7);
    expect([lines[0]?.virtualIrq, h.get(0x108) >>> 28]).toEqual([true, 0]);
    v.set(4, 20 << 3);
    expect([lines[0]?.virtualIrq, h.get(8) >>> 27]).toEqual([false, 20]);
    v.set(4, 0xff);
    v.set(0, 2);
    expect(lines[0]?.virtualIrq).toBe(false);
    v.set(0, 3);
    h.set(0x104, (1 << 30) | (1 << 28) | 50);
    expect([lines[0]?.virtualIrq, v.get(0x0c), v.get(0x20)]).toEqual([true, 1022, 50]);
  });

  it("interrupts its hypervisor for maintenance", () => {
    const { lines, d, h, v, c } = asLinux();
    d.set(0x100, 1 << 25);
    v.set(0, 1);
    v.set(4, 0xff);
    h.set(0x100, (1 << 28) | (1 << 19) | 40);
    h.set(0, 1);
    expect([v.get(0x0c), h.get(0x10)]).toEqual([40, 0]);
    v.set(0x10, 40);
    expect([h.get(0x20), h.get(0x30), h.get(0x10), lines[0]?.irq]).toEqual([1, 0xe, 1, true]);
    expect(c.get(0x0c)).toBe(25);
    h.set(0x100, 0);
    c.set(0x10, 25);
    expect([h.get(0x20), lines[0]?.irq]).toEqual([0, false]);
    // Underflow, nothing pending, groups on and off.
    for (const [hcr, misr] of [
      [3, 2],
      [9, 8],
      [0x11, 0x10],
      [0x21, 0],
      [0x41, 0],
      [0x81, 0x80],
    ] as const) {
      h.set(0, hcr);
      expect([h.get(0x10), lines[0]?.irq]).toEqual([misr, misr !== 0]);
    }
    // The end of an interrupt that is in no list register.
    h.set(0, 5);
    h.set(0xf0, 1);
    v.set(0x10, 60);
    expect([h.get(0) >>> 27, h.get(0x10)]).toEqual([1, 4]);
    h.set(0, 2);
    expect([h.get(0x10), lines[0]?.irq]).toEqual([2, false]);
  });
});

/** The state machine of chapter 3, per interrupt and by the book; no bits, no banks. */
class Model {
  readonly own: Interrupt[][];
  readonly shared: Interrupt[];
  readonly stack: { priority: number; id: number }[][];
  readonly mask: number[];
  readonly point: number[];

  constructor(cpus: number, count: number) {
    this.own = Array.from({ length: cpus }, () => Array.from({ length: 32 }, (_, id) => new Interrupt(id)));
    this.shared = Array.from({ length: count - 32 }, (_, i) => new Interrupt(i + 32));
    this.stack = Array.from({ length: cpus }, () => []);
    this.mask = new Array(cpus).fill(0xf0);
    this.point = new Array(cpus).fill(0);
  }

  of(cpu: number, id: number): Interrupt {
    return (id < 32 ? this.own[cpu]?.[id] : this.shared[id - 32]) as Interrupt;
  }

  best(cpu: number): Interrupt | undefined {
    return [...(this.own[cpu] as Interrupt[]), ...this.shared]
      .filter((i) => i.enabled && i.pending && !i.active && (i.id < 32 || i.targets.has(cpu)))
      .sort((a, b) => a.priority - b.priority || a.id - b.id)[0];
  }

  running(cpu: number): number {
    return Math.min(0xff, ...(this.stack[cpu] ?? []).map((entry) => entry.priority));
  }

  group(cpu: number, priority: number): number {
    const width = 2 ** ((this.point[cpu] as number) + 1);
    return Math.floor(priority / width) * width;
  }

  signalled(cpu: number): Interrupt | undefined {
    const best = this.best(cpu);
    if (best === undefined || best.priority >= (this.mask[cpu] as number)) return undefined;
    return this.group(cpu, best.priority) < this.running(cpu) ? best : undefined;
  }

  acknowledge(cpu: number): number {
    const best = this.signalled(cpu);
    if (best === undefined) return 1023;
    this.stack[cpu]?.push({ priority: this.group(cpu, best.priority), id: best.id });
    best.active = true;
    const source = best.id < 16 ? Math.min(...best.senders) : 0;
    if (best.id < 16) best.senders.delete(source);
    else best.latched = false;
    return best.id + source * 1024;
  }

  end(cpu: number): number | undefined {
    const stack = this.stack[cpu] as { priority: number; id: number }[];
    const last = stack.pop();
    if (last !== undefined) this.of(cpu, last.id).active = false;
    return last?.id;
  }
}

class Interrupt {
  readonly id: number;
  enabled: boolean;
  active = false;
  latched = false;
  line = false;
  edge = false;
  priority = 0;
  readonly targets = new Set<number>();
  readonly senders = new Set<number>();

  constructor(id: number) {
    this.id = id;
    this.enabled = id < 16;
  }

  get pending(): boolean {
    if (this.id < 16) return this.senders.size > 0;
    return this.latched || (this.line && !this.edge);
  }
}

describe("GICv2 against the state machine by the book", () => {
  const CPUS = 3;
  for (const seed of [1, 2, 3, 4]) {
    it(`does the same in random sequence ${seed}`, () => {
      const { gic, lines, d, c, on } = asLinux(CPUS);
      const model = new Model(CPUS, 96);
      const below = random(seed);
      for (const bank of model.own) for (const interrupt of bank) interrupt.priority = 0xa0;
      for (const interrupt of model.shared) {
        interrupt.priority = 0xa0;
        interrupt.targets.add(0);
      }
      // A few interrupts only, that they meet.
      const ids = [0, 3, 15, 20, 30, 32, 33, 47, 63, 64, 90];
      let taken = 0;
      for (let step = 0; step < 4000; step++) {
        const cpu = below(CPUS);
        const id = ids[below(ids.length)] as number;
        const interrupt = model.of(cpu, id);
        const [word, bit] = [4 * (id >> 5), 2 ** (id & 31)];
        const yes = below(2) === 1;
        on(cpu);
        switch (below(12)) {
          case 0:
          case 1:
            if (id < 16) break;
            if (yes && !interrupt.line && interrupt.edge) interrupt.latched = true;
            interrupt.line = yes;
            (id < 32 ? gic.privateLine(cpu, id) : gic.line(id)).set(yes);
            break;
          case 2:
            d.set((yes ? 0x100 : 0x180) + word, bit);
            if (id >= 16) interrupt.enabled = yes;
            break;
          case 3:
            d.set((yes ? 0x200 : 0x280) + word, bit);
            if (id >= 16) interrupt.latched = yes;
            break;
          case 4:
            interrupt.priority = below(16) * 0x10 + below(16);
            gic.distributor.write(0x400 + id, 1, interrupt.priority);
            break;
          case 5: {
            const mask = below(8);
            gic.distributor.write(0x800 + id, 1, mask);
            if (id < 32) break;
            interrupt.targets.clear();
            for (let i = 0; i < CPUS; i++) if ((mask >> i) & 1) interrupt.targets.add(i);
            break;
          }
          case 6: {
            if (id < 16) break;
            const at = 0xc00 + 4 * (id >> 4);
            const shift = 2 * (id & 15) + 1;
            const others = Math.floor(d.get(at)) & ~(1 << shift);
            d.set(at, (others | (Number(yes) << shift)) >>> 0);
            interrupt.edge = yes;
            break;
          }
          case 7: {
            const target = below(CPUS);
            const sgi = [0, 3, 15][below(3)] as number;
            d.set(0xf00, (1 << (16 + target)) | sgi);
            model.of(target, sgi).senders.add(cpu);
            break;
          }
          case 8:
            if (model.stack[cpu]?.length === 0) {
              model.point[cpu] = below(5);
              c.set(8, model.point[cpu] as number);
            }
            model.mask[cpu] = 0x40 + below(192);
            c.set(4, model.mask[cpu] as number);
            break;
          case 9:
          case 10: {
            const expected = model.acknowledge(cpu);
            expect(c.get(0x0c)).toBe(expected);
            if (expected !== 1023) taken++;
            break;
          }
          default: {
            const ended = model.end(cpu);
            if (ended !== undefined) c.set(0x10, ended);
          }
        }
        for (let i = 0; i < CPUS; i++) {
          on(i);
          expect(lines[i]?.irq).toBe(model.signalled(i) !== undefined);
          expect(c.get(0x14)).toBe(model.running(i));
          const best = model.best(i);
          expect(c.get(0x18) & 0x3ff).toBe(best?.id ?? 1023);
        }
        on(cpu);
        expect(Math.floor(d.get(0x200 + word) / bit) % 2).toBe(Number(interrupt.pending));
        expect(Math.floor(d.get(0x300 + word) / bit) % 2).toBe(Number(interrupt.active));
      }
      expect(taken).toBeGreaterThan(100);
    });
  }
});
