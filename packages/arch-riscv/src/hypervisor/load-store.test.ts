import { expect, test } from "vitest";
import { decodeLoadStore } from "./load-store.js";

// Encodings as binutils prints them.
test.each([
  ["lb a0, 4(a1)", 0x00458503, { store: false, width: 1, signed: true, reg: 10 }],
  ["lbu t6, -1(sp)", 0xfff14f83, { store: false, width: 1, signed: false, reg: 31 }],
  ["lh s1, 0(a0)", 0x00051483, { store: false, width: 2, signed: true, reg: 9 }],
  ["lwu a5, 8(a5)", 0x0087e783, { store: false, width: 4, signed: false, reg: 15 }],
  ["ld ra, 8(sp)", 0x00813083, { store: false, width: 8, signed: false, reg: 1 }],
  ["flw fa0, 0(a0)", 0x00052507, { store: false, width: 4, signed: false, reg: 10, float: true }],
  ["sb a2, 3(a0)", 0x00c501a3, { store: true, width: 1, signed: false, reg: 12 }],
  ["sd s0, 16(sp)", 0x00813823, { store: true, width: 8, signed: false, reg: 8 }],
  ["fsd fa5, 0(a4)", 0x00f73027, { store: true, width: 8, signed: false, reg: 15, float: true }],
  ["c.lw a0, 0(a1)", 0x4188, { store: false, width: 4, signed: true, reg: 10 }],
  ["c.ld s0, 8(a5)", 0x6780, { store: false, width: 8, signed: false, reg: 8 }],
  ["c.sw a4, 4(a5)", 0xc3d8, { store: true, width: 4, signed: false, reg: 14 }],
  ["c.sd a1, 0(a0)", 0xe10c, { store: true, width: 8, signed: false, reg: 11 }],
  ["c.lwsp t0, 12(sp)", 0x42b2, { store: false, width: 4, signed: true, reg: 5 }],
  ["c.sdsp ra, 8(sp)", 0xe406, { store: true, width: 8, signed: false, reg: 1 }],
  ["c.fldsp fs0, 0(sp)", 0x2402, { store: false, width: 8, signed: false, reg: 8, float: true }],
] as const)("%s", (_text, bits, expected) => {
  expect(decodeLoadStore(bits, false)).toEqual({ float: false, ...expected });
});

test("a transformed instruction with bit 1 clear was compressed, and reads the same otherwise", () => {
  expect(decodeLoadStore(0x00002503 & ~2, true)).toMatchObject({
    store: false,
    width: 4,
    signed: true,
    reg: 10,
  });
  expect(decodeLoadStore(0x00b02023, true)).toMatchObject({ store: true, width: 4, signed: false, reg: 11 });
});

test.each([
  ["addi", 0x00150513],
  ["amoadd.w", 0x00c5a52f],
  ["c.addi", 0x0505],
  ["c.jr", 0x8082],
  ["reserved load", 0x00007503],
])("%s is neither", (_text, bits) => expect(decodeLoadStore(bits, false)).toBeUndefined());
