import { describe, expect, it } from "vitest";
import { CpuLines, random } from "../testing/interrupt-lines.js";
import { GicV3 } from "./gicv3.js";

const register = (op0: number, op1: number, crn: number, crm: number, op2: number) =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
/** Encodings of IHI 0069, tables 12-1 to 12-3. */
const ICC = {
  PMR: register(3, 0, 4, 6, 0),
  IAR0: register(3, 0, 12, 8, 0),
  EOIR0: register(3, 0, 12, 8, 1),
  BPR0: register(3, 0, 12, 8, 3),
  AP0R0: register(3, 0, 12, 8, 4),
  AP1R0: register(3, 0, 12, 9, 0),
  DIR: register(3, 0, 12, 11, 1),
  RPR: register(3, 0, 12, 11, 3),
  SGI1R: register(3, 0, 12, 11, 5),
  SGI0R: register(3, 0, 12, 11, 7),
  IAR1: register(3, 0, 12, 12, 0),
  EOIR1: register(3, 0, 12, 12, 1),
  HPPIR1: register(3, 0, 12, 12, 2),
  BPR1: register(3, 0, 12, 12, 3),
  CTLR: register(3, 0, 12, 12, 4),
  SRE: register(3, 0, 12, 12, 5),
  IGRPEN0: register(3, 0, 12, 12, 6),
  IGRPEN1: register(3, 0, 12, 12, 7),
  SRE_EL2: register(3, 4, 12, 9, 5),
} as const;
const ICH = {
  AP0R0: register(3, 4, 12, 8, 0),
  AP1R0: register(3, 4, 12, 9, 0),
  HCR: register(3, 4, 12, 11, 0),
  VTR: register(3, 4, 12, 11, 1),
  MISR: register(3, 4, 12, 11, 2),
  EISR: register(3, 4, 12, 11, 3),
  ELRSR: register(3, 4, 12, 11, 5),
  VMCR: register(3, 4, 12, 11, 7),
  LR0: register(3, 4, 12, 12, 0),
} as const;

function setup(cpus = 2, options: Partial<ConstructorParameters<typeof GicV3>[0]> = {}) {
  const lines = Array.from({ length: cpus }, () => new CpuLines());
  const routing = { fiq: false, irq: false };
  const make = (outputs = lines) =>
    new GicV3({ cpus: outputs, accessor: () => 0, interrupts: 96, ...options });
  const gic = make();
  const system = lines.map((_, cpu) => gic.systemRegisters(cpu, () => routing));
  const get = (number: number, cpu = 0) => Number(system[cpu]?.read(number));
  const set = (number: number, value: number | bigint, cpu = 0) => system[cpu]?.write(number, BigInt(value));
  const d = {
    get: (offset: number) => gic.distributor.read(offset, 4),
    set: (offset: number, value: number) => gic.distributor.write(offset, 4, value),
  };
  const r = {
    get: (offset: number) => gic.redistributors.read(offset, 4),
    set: (offset: number, value: number) => gic.redistributors.write(offset, 4, value),
  };
  return { gic, lines, routing, make, system, get, set, d, r };
}

/** What Linux's driver does at its start: everything in group 1, priority 0xa0, all SPIs to CPU 0. */
function asLinux(cpus = 2, options: Partial<ConstructorParameters<typeof GicV3>[0]> = {}) {
  const rig = setup(cpus, options);
  const { d, r, set } = rig;
  d.set(0, 0);
  for (let word = 1; word < 3; word++) d.set(0x80 + 4 * word, 0xffffffff);
  for (let i = 32; i < 96; i += 4) d.set(0x400 + i, 0xa0a0a0a0);
  d.set(0, 0x12);
  for (let cpu = 0; cpu < cpus; cpu++) {
    const base = cpu * 0x20000;
    r.set(base + 0x14, 0);
    r.set(base + 0x10080, 0xffffffff);
    for (let i = 0; i < 32; i += 4) r.set(base + 0x10400 + i, 0xa0a0a0a0);
    r.set(base + 0x10100, 0xffff);
    set(ICC.PMR, 0xf0, cpu);
    set(ICC.BPR1, 0, cpu);
    set(ICC.CTLR, 0, cpu);
    set(ICC.IGRPEN1, 1, cpu);
  }
  return rig;
}

describe("GICv3", () => {
  it("identifies itself", () => {
    const { d, r, get, system } = setup(2, { affinities: [0x0000_0001, 0x0100_0200] });
    expect([d.get(0), d.get(4) & 0x1f, d.get(0xffe8) & 0xf0]).toEqual([0x50, 2, 0x30]);
    expect([r.get(8), r.get(12), r.get(0x20008), r.get(0x2000c), r.get(0xffe8)]).toEqual([
      0, 1, 0x110, 0x1000200, 0x3b,
    ]);
    expect([get(ICC.SRE), get(ICC.SRE_EL2), get(ICC.RPR), get(ICC.IAR1)]).toEqual([7, 15, 0xff, 1023]);
    expect([get(ICC.CTLR) >> 8, get(ICC.BPR0), get(ICC.BPR1)]).toEqual([0x84, 2, 3]);
    expect([get(ICH.VTR) % 32, Math.floor(get(ICH.VTR) / 2 ** 26)]).toEqual([3, 0x24]);
    for (const number of [...Object.values(ICC), ...Object.values(ICH), ICH.LR0 + 3]) {
      expect(system[0]?.implemented(number)).toBe(true);
    }
    for (const number of [ICC.AP0R0 + 1, ICC.AP1R0 + 1, ICH.LR0 + 4, ICH.AP0R0 + 1, 0]) {
      expect(system[0]?.implemented(number)).toBe(false);
    }
  });

  it("routes SPIs by affinity", () => {
    const { gic, lines, d, get, set } = asLinux(2, { affinities: [0, 0x0200_0100] });
    d.set(0x104, 3);
    d.set(0x6000 + 8 * 33, 0x100);
    gic.line(33).set(true);
    gic.line(32).set(true);
    // Affinity 0.0.1.0 is nobody's.
    expect(lines.map((l) => l.irq)).toEqual([true, false]);
    d.set(0x6004 + 8 * 33, 2);
    expect([lines.map((l) => l.irq), d.get(0x6000 + 8 * 33), d.get(0x6004 + 8 * 33)]).toEqual([
      [true, true],
      0x100,
      2,
    ]);
    expect([get(ICC.HPPIR1, 1), get(ICC.IAR1, 1), get(ICC.RPR, 1), get(ICC.AP1R0, 1)]).toEqual([
      33,
      33,
      0xa0,
      1 << 20,
    ]);
    expect([lines[1]?.irq, d.get(0x304)]).toEqual([false, 2]);
    set(ICC.EOIR1, 33, 1);
    expect([lines[1]?.irq, d.get(0x304), get(ICC.RPR, 1)]).toEqual([true, 0, 0xff]);
  });

  it("keeps SGIs and PPIs in the redistributors", () => {
    const { gic, lines, d, r, get, set } = asLinux();
    d.set(0x100, 0xffffffff);
    expect([d.get(0x100), r.get(0x10100), d.get(0x400)]).toEqual([0, 0xffff, 0]);
    r.set(0x30100, 1 << 27);
    gic.privateLine(1, 27).set(true);
    expect([lines.map((l) => l.irq), r.get(0x30200), get(ICC.IAR1, 1), r.get(0x30300)]).toEqual([
      [false, true],
      1 << 27,
      27,
      1 << 27,
    ]);
    gic.redistributors.write(0x10403, 1, 0x47);
    expect([gic.redistributors.read(0x10403, 1), r.get(0x10400)]).toEqual([0x40, 0x40a0a0a0]);
    set(ICC.SGI1R, (3 << 24) | 2);
    expect([r.get(0x30200) & 8, lines[0]?.irq]).toEqual([8, false]);
  });

  it("sends SGIs to lists, clusters and all others, within their group", () => {
    const { lines, r, get, set } = asLinux(3, { affinities: [0, 1, 0x0100_0012] });
    set(ICC.SGI1R, (5n << 24n) | 3n);
    expect(lines.map((l) => l.irq)).toEqual([true, true, false]);
    expect([get(ICC.IAR1), get(ICC.IAR1, 1)]).toEqual([5, 5]);
    set(ICC.SGI1R, (1n << 48n) | (1n << 44n) | (6n << 24n) | 4n);
    expect([get(ICC.HPPIR1, 2), lines[2]?.irq]).toEqual([6, true]);
    set(ICC.EOIR1, 5);
    set(ICC.SGI1R, (1n << 40n) | (7n << 24n), 2);
    expect([lines[0]?.irq, get(ICC.HPPIR1, 1), get(ICC.IAR1)]).toEqual([true, 7, 7]);
    set(ICC.SGI0R, (8n << 24n) | 1n);
    expect(r.get(0x10200)).toBe(0);
    r.set(0x10080, ~(1 << 8));
    set(ICC.SGI0R, (8n << 24n) | 1n);
    expect(r.get(0x10200)).toBe(1 << 8);
    // Pending by hand, too.
    r.set(0x10280, 1 << 8);
    r.set(0x10200, 2);
    expect(r.get(0x10200)).toBe(2);
  });

  it("forwards nothing to a CPU asleep", () => {
    const { gic, lines, d, r } = asLinux();
    d.set(0x104, 1);
    gic.line(32).set(true);
    r.set(0x14, 2);
    expect([lines[0]?.irq, r.get(0x14)]).toEqual([false, 6]);
    r.set(0x14, 0);
    expect([lines[0]?.irq, r.get(0x14)]).toEqual([true, 0]);
    expect([setup().r.get(0x14), setup(1, { awake: true }).r.get(0x14)]).toEqual([6, 0]);
  });

  it("makes group 0 FIQs, each group with registers of its own", () => {
    const { gic, lines, d, get, set } = asLinux();
    d.set(0, 3);
    d.set(0x84, ~1);
    d.set(0x104, 3);
    set(ICC.IGRPEN0, 1);
    gic.line(33).set(true);
    gic.line(32).set(true);
    expect([lines[0]?.irq, lines[0]?.fiq, get(ICC.IAR1), get(ICC.HPPIR1)]).toEqual([false, true, 1023, 1023]);
    expect([get(ICC.IAR0), get(ICC.AP0R0), get(ICC.AP1R0)]).toEqual([32, 1 << 20, 0]);
    set(ICC.EOIR1, 32);
    expect(get(ICC.RPR)).toBe(0xa0);
    gic.line(32).set(false);
    set(ICC.EOIR0, 32);
    expect([get(ICC.RPR), get(ICC.IAR1)]).toEqual([0xff, 33]);
    // One binary point for both.
    set(ICC.BPR0, 5);
    set(ICC.CTLR, 1);
    set(ICC.BPR1, 3);
    expect([get(ICC.BPR1), get(ICC.CTLR) & 3]).toEqual([6, 1]);
    set(ICC.CTLR, 0);
    expect(get(ICC.BPR1)).toBe(3);
  });

  it("splits priority drop and deactivation", () => {
    const { gic, lines, d, get, set } = asLinux();
    set(ICC.CTLR, 2);
    d.set(0x104, 1);
    gic.line(32).set(true);
    set(ICC.EOIR1, get(ICC.IAR1));
    expect([get(ICC.RPR), d.get(0x304), lines[0]?.irq]).toEqual([0xff, 1, false]);
    set(ICC.DIR, 32);
    expect([d.get(0x304), lines[0]?.irq]).toEqual([0, true]);
  });

  it("survives a snapshot", () => {
    const { gic, lines, d, get, make } = asLinux();
    d.set(0x104, 3);
    d.set(0x6000 + 8 * 33, 1);
    gic.line(32).set(true);
    gic.line(33).set(true);
    get(ICC.IAR1);
    const saved = JSON.parse(JSON.stringify(gic.state()));
    const others = [new CpuLines(), new CpuLines()];
    const other = make(others);
    other.restore(saved);
    expect([others, other.state()]).toEqual([lines, gic.state()]);
    expect([lines[1]?.irq, other.systemRegisters(1).read(ICC.IAR1)]).toEqual([true, 33n]);
    other.reset();
    expect([others[1]?.irq, other.distributor.read(0, 4), other.redistributors.read(0x14, 4)]).toEqual([
      false,
      0x50,
      6,
    ]);
  });
});

describe("GICv3's virtual interface", () => {
  const list = (
    id: number,
    fields: { state?: number; hw?: number; group?: number; priority?: number; eoi?: boolean },
  ) =>
    BigInt(id) |
    (BigInt(fields.hw ?? 0) << 32n) |
    (fields.eoi ? 1n << 41n : 0n) |
    (BigInt(fields.priority ?? 0xa0) << 48n) |
    (BigInt(fields.group ?? 1) << 60n) |
    (fields.hw === undefined ? 0n : 1n << 61n) |
    (BigInt(fields.state ?? 1) << 62n);

  it("shows a guest its interrupts through the same register numbers", () => {
    const { gic, lines, routing, system, d, get, set } = asLinux();
    set(ICC.CTLR, 2);
    d.set(0x104, 1 << 8);
    gic.line(40).set(true);
    set(ICC.EOIR1, get(ICC.IAR1));
    set(ICH.HCR, 1);
    set(ICH.LR0, list(48, { hw: 40 }));
    expect([get(ICH.ELRSR), lines[0]?.virtualIrq]).toEqual([0xe, false]);
    routing.irq = true;
    set(ICC.PMR, 0xf0);
    set(ICC.IGRPEN1, 1);
    expect([get(ICH.VMCR), lines[0]?.virtualIrq, lines[0]?.irq]).toEqual([0xf04c000a, true, false]);
    // Registers of group 0 are the physical ones still.
    expect([get(ICC.HPPIR1), get(ICC.IAR0)]).toEqual([48, 1023]);
    expect([get(ICC.IAR1), get(ICC.RPR), get(ICC.IAR1)]).toEqual([48, 0xa0, 1023]);
    expect([get(ICH.AP1R0), system[0]?.read(ICH.LR0)]).toEqual([1 << 20, list(48, { hw: 40, state: 2 })]);
    gic.line(40).set(false);
    set(ICC.EOIR1, 48);
    expect([d.get(0x304), get(ICH.ELRSR), get(ICH.AP1R0)]).toEqual([0, 0xf, 0]);
    routing.irq = false;
    expect([get(ICC.CTLR) & 3, get(ICC.PMR)]).toEqual([2, 0xf0]);
  });

  it("tells what goes to the hypervisor", () => {
    const { routing, system, set } = asLinux();
    const trapped = (...numbers: number[]) => numbers.map((number) => system[0]?.trapsToEl2(number));
    expect(trapped(ICC.SGI1R, ICC.PMR, ICC.IAR1, ICC.IAR0)).toEqual([false, false, false, false]);
    routing.irq = true;
    expect(trapped(ICC.SGI1R, ICC.SGI0R, ICC.PMR, ICC.SRE)).toEqual([true, true, false, false]);
    set(ICH.HCR, 1 << 10);
    expect(trapped(ICC.PMR, ICC.CTLR, ICC.DIR, ICC.RPR, ICC.IAR1)).toEqual([true, true, true, true, false]);
    set(ICH.HCR, 1 << 12);
    expect(trapped(ICC.IAR1, ICC.IGRPEN1, ICC.IAR0, ICC.PMR)).toEqual([true, true, false, false]);
    set(ICH.HCR, (1 << 11) | (1 << 14));
    expect(trapped(ICC.IAR1, ICC.BPR0, ICC.DIR, ICC.PMR)).toEqual([false, true, true, false]);
  });

  it("has no virtual interface where there is to be none", () => {
    const { system } = setup(1, { virtualization: false });
    expect([ICH.HCR, ICH.LR0, ICC.IAR1].map((number) => system[0]?.implemented(number))).toEqual([
      false,
      false,
      true,
    ]);
  });

  /** List registers by the book: a stack of what is active, and lists as objects. */
  for (const seed of [5, 6, 7]) {
    it(`does as the list registers' state machine does in random sequence ${seed}`, () => {
      const { lines, routing, system, get, set } = asLinux(1);
      const below = random(seed);
      const lists = [0, 1, 2, 3].map(() => ({ id: 0, state: "invalid", priority: 0, group: 1, eoi: false }));
      const running: { id: number; priority: number; group: number }[] = [];
      const enabled = [true, true];
      let [mask, missed, split, taken] = [0xf0, 0, false, 0];
      set(ICH.HCR, 1);
      routing.irq = true;
      routing.fiq = true;
      set(ICC.PMR, mask);
      set(ICC.IGRPEN0, 1);
      set(ICC.IGRPEN1, 1);
      const candidate = () =>
        lists
          .filter((l) => l.state === "pending" && enabled[l.group])
          .sort((a, b) => a.priority - b.priority)[0];
      const top = () => Math.min(0xff, ...running.map((entry) => entry.priority));
      const signalled = () => {
        const best = candidate();
        return best !== undefined && best.priority < mask && best.priority < top() ? best : undefined;
      };
      const deactivate = (id: number) => {
        const found = lists.find((l) => l.id === id && l.state.includes("active"));
        if (found === undefined) missed = (missed + 1) % 32;
        else found.state = found.state === "active" ? "invalid" : "pending";
      };
      for (let step = 0; step < 3000; step++) {
        switch (below(8)) {
          case 0:
          case 1: {
            const n = below(4);
            const state = ["invalid", "pending", "active", "active and pending"][below(6) % 4] as string;
            const group = below(2);
            const priority = below(32) * 8;
            const eoi = below(3) === 0;
            // An ID is in one list register only.
            const id = 32 + n + 4 * below(3);
            lists[n] = { id, state, priority, group, eoi };
            const code = ["invalid", "pending", "active", "active and pending"].indexOf(state);
            set(ICH.LR0 + n, list(id, { state: code, group, priority, eoi }));
            break;
          }
          case 2:
            mask = below(32) * 8;
            set(ICC.PMR, mask + below(8));
            break;
          case 3: {
            const group = below(2);
            enabled[group] = below(4) > 0;
            set(group === 1 ? ICC.IGRPEN1 : ICC.IGRPEN0, Number(enabled[group]));
            break;
          }
          case 4:
          case 5: {
            const group = below(2);
            const best = signalled();
            const taking = best?.group === group ? best : undefined;
            expect(get(group === 1 ? ICC.IAR1 : ICC.IAR0)).toBe(taking?.id ?? 1023);
            if (taking === undefined) break;
            taken++;
            taking.state = "active";
            running.push({ id: taking.id, priority: taking.priority, group });
            break;
          }
          case 6: {
            if (below(4) === 0) {
              split = !split;
              set(ICC.CTLR, split ? 2 : 0);
            }
            const last = running.pop();
            if (last === undefined) break;
            set(last.group === 1 ? ICC.EOIR1 : ICC.EOIR0, last.id);
            if (!split) deactivate(last.id);
            break;
          }
          default: {
            const id = 32 + below(12);
            set(ICC.DIR, id);
            if (split) deactivate(id);
          }
        }
        const best = signalled();
        expect([lines[0]?.virtualIrq, lines[0]?.virtualFiq]).toEqual([best?.group === 1, best?.group === 0]);
        expect(get(ICC.RPR)).toBe(top());
        const status = [0, 0];
        lists.forEach((l, n) => {
          if (l.state === "invalid") status[l.eoi ? 0 : 1] = (status[l.eoi ? 0 : 1] as number) + 2 ** n;
          const code = ["invalid", "pending", "active", "active and pending"].indexOf(l.state);
          expect(Number((system[0]?.read(ICH.LR0 + n) ?? 0n) >> 62n)).toBe(code);
        });
        expect([get(ICH.EISR), get(ICH.ELRSR)]).toEqual(status);
        expect([get(ICH.HCR), get(ICH.MISR)]).toEqual([missed * 2 ** 27 + 1, Number(status[0] !== 0)]);
      }
      expect(taken).toBeGreaterThan(50);
    });
  }
});
