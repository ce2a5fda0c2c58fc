import { expect, test } from "vitest";
import { DeviceAccess } from "./device-access.js";

/** 12 bytes that give their address, from 4 on; nothing holds what is before or behind them. */
function bus() {
  const seen: [kind: string, at: number, width: number, value: number][] = [];
  const holds = (at: number, width: number) => at >= 4 && at + width <= 16;
  const devices = new DeviceAccess({
    read(at, width) {
      seen.push(["read", at, width, 0]);
      if (!holds(at, width)) return -1;
      return [...Array(width).keys()].reduce((sum, i) => sum + (at + i) * 2 ** (8 * i), 0);
    },
    write(at, width, value) {
      seen.push(["write", at, width, value]);
      return holds(at, width);
    },
  });
  return { devices, seen };
}

test("an unaligned access is made in naturally aligned pieces, from the lowest on", () => {
  const { devices, seen } = bus();
  devices.readPieces(7, 8);
  expect([devices.lo, devices.hi]).toEqual([0x0a09_0807, 0x0e0d_0c0b]);
  devices.writePieces(5, 7, 0x4433_2211, 0x0077_6655);
  expect(seen).toEqual([
    ["read", 7, 1, 0],
    ["read", 8, 4, 0],
    ["read", 12, 2, 0],
    ["read", 14, 1, 0],
    ["write", 5, 1, 0x11],
    ["write", 6, 2, 0x3322],
    ["write", 8, 4, 0x7766_5544],
  ]);
});

test("what nobody answers reads as ones", () => {
  const { devices } = bus();
  devices.readPieces(0, 8);
  expect([devices.lo, devices.hi]).toEqual([-1, 0x0706_0504]);
  devices.readPieces(16, 1);
  expect(devices.lo).toBe(0xff);
});
