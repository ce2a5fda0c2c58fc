import { describe, expect, it } from "vitest";
import { throughJson } from "./testing/rig.js";
import { VgaText } from "./vga-text.js";

/** Ports by their numbers. */
function rig() {
  const time = { ns: 0 };
  const device = new VgaText({ clock: { now: () => time.ns } });
  const input = (port: number, width: 1 | 2 | 4 = 1) => device.read(port - 0x3c0, width);
  const output = (port: number, value: number, width: 1 | 2 | 4 = 1) =>
    device.write(port - 0x3c0, width, value);
  return { time, device, input, output };
}

describe("VGA in text mode", () => {
  it("keeps the CRTC's registers: the cursor's place", () => {
    const { device, input, output } = rig();
    output(0x3d4, 0x0e);
    output(0x3d5, 0x03);
    // Index and data at once.
    output(0x3d4, 0x840f, 2);
    expect(device.cursor).toBe(0x384);
    expect([input(0x3d4), input(0x3d5), input(0x3d4, 2)]).toEqual([0x0f, 0x84, 0x840f]);
    output(0x3d4, 0x40);
    output(0x3d5, 0x55);
    expect(input(0x3d5)).toBe(0);
  });

  it("is in mode 3 after reset: with colours, 80 columns", () => {
    const { device, input, output } = rig();
    output(0x3c2, 0);
    expect(input(0x3cc)).toBe(0);
    device.reset();
    expect(input(0x3cc) & 1).toBe(1);
    output(0x3d4, 0x01);
    expect(input(0x3d5)).toBe(79);
    // Memory from 0xb8000, 32 KiB.
    output(0x3ce, 0x06);
    expect(input(0x3cf) & 0x0c).toBe(0x0c);
  });

  it("takes index and data of the attribute controller at one port, by turns that the status sets back", () => {
    const { input, output } = rig();
    output(0x3c0, 0x07);
    output(0x3c0, 0x2a);
    output(0x3c0, 0x07);
    expect(input(0x3c1)).toBe(0x2a);
    input(0x3da);
    output(0x3c0, 0x06);
    output(0x3c0, 0x11);
    output(0x3c0, 0x06);
    expect(input(0x3c1)).toBe(0x11);
  });

  it("keeps a palette of 256 colours of 18 bits", () => {
    const { input, output } = rig();
    output(0x3c8, 255);
    for (const value of [1, 0xff, 3, 4]) output(0x3c9, value);
    output(0x3c7, 255);
    expect([1, 2, 3, 4].map(() => input(0x3c9))).toEqual([1, 0x3f, 3, 4]);
  });

  it("tells of retraces 70 times a second", () => {
    const { time, input } = rig();
    let [retraces, blanks, before] = [0, 0, 0];
    for (time.ns = 0; time.ns < 1e9; time.ns += 5000) {
      const status = input(0x3da);
      if ((status & 8) > (before & 8)) retraces++;
      if ((status & 1) > (before & 1)) blanks++;
      before = status;
    }
    expect(retraces).toBe(70);
    // After each line that shows something.
    expect(Math.round(blanks / 100)).toBe(280);
  });

  it("continues from a saved state", () => {
    const { device, input, output } = rig();
    output(0x3d4, 0x0f);
    output(0x3d5, 0x12);
    output(0x3c0, 0x01);
    output(0x3c8, 1);
    const saved = throughJson(device.state());
    const after = rig();
    after.device.restore(saved);
    expect(after.device.cursor).toBe(device.cursor);
    after.output(0x3c0, 0x3c);
    after.output(0x3c0, 0x01);
    expect([after.input(0x3c1), after.input(0x3d5), after.input(0x3c8)]).toEqual([0x3c, 0x12, 1]);
    expect(input(0x3c1)).toBe(0x01);
    for (const bad of [{ registers: [] }, { palette: [1, 2, 3] }, { version: 9 }])
      expect(() => after.device.restore({ ...saved, ...bad })).toThrow("vga");
  });
});
