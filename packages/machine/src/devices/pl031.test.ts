import { describe, expect, it } from "vitest";
import { Pl031 } from "./pl031.js";
import { Rig, throughJson } from "./testing/rig.js";

const SECOND = 1_000_000_000;
/** Half a second after a full one. */
const EPOCH = 1_700_000_000_500_000_000n;
const [DR, MR, LR, CR, IMSC, RIS, MIS, ICR] = [0, 4, 8, 12, 16, 20, 24, 28] as const;

function rtc(epochNs = EPOCH) {
  const rig = new Rig();
  const device = new Pl031({ irq: rig.irq, clock: rig.clock, timers: rig.timers, epochNs });
  const get = (offset: number) => device.read(offset, 4);
  const set = (offset: number, value: number) => device.write(offset, 4, value);
  return { rig, device, get, set };
}

describe("PL031", () => {
  it("counts seconds since 1970 and can be set", async () => {
    const { rig, get, set } = rtc();
    expect([get(DR), get(CR)]).toEqual([1_700_000_000, 1]);
    await rig.runTo(SECOND / 2);
    expect(get(DR)).toBe(1_700_000_001);
    set(LR, 5);
    expect([get(DR), get(LR)]).toEqual([5, 5]);
    await rig.runTo(SECOND * 1.5);
    expect(get(DR)).toBe(6);
  });

  it("interrupts when the counter gets to the match register", async () => {
    const { rig, get, set } = rtc();
    set(IMSC, 1);
    set(MR, 1_700_000_002);
    await rig.runTo(1.5 * SECOND - 1);
    expect([rig.irq.level, get(RIS)]).toEqual([false, 0]);
    await rig.runTo(1.5 * SECOND);
    expect([rig.irq.level, get(RIS), get(MIS)]).toEqual([true, 1, 1]);
    set(IMSC, 0);
    expect([rig.irq.level, get(RIS), get(MIS)]).toEqual([false, 1, 0]);
    set(IMSC, 1);
    set(ICR, 1);
    expect([rig.irq.level, get(RIS)]).toEqual([false, 0]);
  });

  it("matches the present at once, and the past only after the counter went around", async () => {
    const { rig, get, set } = rtc();
    set(MR, 1_699_999_999);
    await rig.runTo(1000 * SECOND);
    expect(get(RIS)).toBe(0);
    set(LR, 0xffff_fffe);
    set(MR, 1);
    await rig.runTo(1003 * SECOND);
    expect([get(DR), get(RIS)]).toEqual([1, 1]);
    set(ICR, 1);
    set(MR, get(DR));
    expect(get(RIS)).toBe(1);
  });

  it("has 32-bit registers and a PrimeCell's identification", () => {
    const { device, get } = rtc();
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((i) => get(0xfe0 + 4 * i))).toEqual([
      0x31, 0x10, 0x14, 0, 0x0d, 0xf0, 5, 0xb1,
    ]);
    device.write(IMSC, 2, 1);
    expect([get(IMSC), device.read(CR, 1)]).toEqual([0, 0]);
    const node = device.fdt({ base: 0x901_0000, size: 0x1000, addressCells: 2, sizeCells: 2 });
    expect(node.getStrings("compatible")).toEqual(["arm,pl031", "arm,primecell"]);
  });

  it("keeps time and alarm across a restore", async () => {
    const first = rtc();
    first.set(IMSC, 1);
    first.set(LR, 100);
    first.set(MR, 103);
    await first.rig.runTo(SECOND);
    const saved = throughJson(first.device.state());
    const second = rtc();
    second.rig.clock.restore(throughJson(first.rig.clock.state()));
    second.device.restore(saved);
    expect(second.device.state()).toEqual(saved);
    await second.rig.runTo(2.5 * SECOND - 1);
    expect(second.rig.irq.level).toBe(false);
    await second.rig.runTo(2.5 * SECOND);
    expect([second.rig.irq.level, second.get(DR)]).toEqual([true, 103]);
    second.device.reset();
    expect([second.rig.irq.level, second.get(DR)]).toEqual([false, 1_700_000_003]);
    expect(() => second.device.restore({ ...saved, mask: 2 })).toThrow("no valid 'mask'");
  });
});
