import type { SystemCase } from "./programs/case.js";
import { one, user } from "./system-programs.js";

// Segment registers and the instructions that ask about selectors.

const selectors = [
  ...["0", "3", "CODE32", "DATA32", "CODE64", "CODE16", "DATA16", "USER_CODE32", "USER_DATA32", "TSS", "LDT"],
  ...["CONFORMING", "DOWN", "ABSENT_DATA", "ABSENT_CODE", "READ_ONLY", "EXECUTE_ONLY", "GATE", "SMALL"],
  ...["RING1_DATA", "BEYOND", "DATA32+1", "DATA32+3", "4", "12", "0xfff8"],
];

/** A selector loaded into a segment register. */
const load = (register: string, selector: string | number): SystemCase =>
  one(`mov ${register}, ${selector}`, `mov $${selector}, %eax\nmov %ax, %${register}\nint $0x30`);

export const segmentLoads = ["ds", "es", "ss", "fs"].flatMap((register) =>
  selectors
    .filter((selector) => register !== "ss" || !["DATA16", "SMALL", "DOWN"].includes(selector))
    .map((selector) => load(register, selector)),
);

const visible = (instruction: string) =>
  selectors.map((selector) =>
    one(`${instruction} ${selector}`, `mov $${selector}, %ecx\n${instruction}\nint $0x30`),
  );

const userVisible = (instruction: string) =>
  selectors.map((selector) =>
    user(`${instruction} ${selector}`, `mov $${selector}, %ecx\n${instruction}\nint $0x30`),
  );

export const inspections = ["lar %cx, %eax", "lsl %cx, %eax", "verr %cx", "verw %cx"].flatMap((text) => [
  ...visible(text),
  ...userVisible(text),
]);
