import { expect, test } from "vitest";
import { type CodeMode, modeNumber, modeOf, packedModeNumber, packMode, USER_32, USER_64 } from "./mode.js";

const MODES: readonly CodeMode[] = [
  USER_64,
  USER_32,
  { ...USER_64, cpl: 0, interruptsAllowed: true, baseAccess: true, taskSwitched: true },
  { ...USER_32, bits: 16, stack: 2, flat: false, protectedMode: false, monitored: false, sse: false },
  { ...USER_32, cpl: 1, virtual8086: true, emulated: true, rounding: 3, unmasked: true, trapOverflow: true },
  { ...USER_64, rounding: 2, flushToZero: true, denormalsAreZero: true, unmasked: true, trapUnderflow: true },
];

test.each(MODES.map((mode) => ({ mode })))("a mode is found again by its number: $mode", ({ mode }) => {
  const number = modeNumber(mode);
  expect(modeOf(number)).toEqual(mode);
  expect(packedModeNumber(packMode(mode))).toBe(number);
});

test("different modes have different numbers", () => {
  expect(new Set(MODES.map(modeNumber)).size).toBe(MODES.length);
});
