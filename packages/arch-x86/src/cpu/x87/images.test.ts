import { FakeCore } from "@hypercraft/engine/testing/fake-core";
import { expect, test } from "vitest";
import { X87, x86Layout } from "../state.js";
import { X87Images } from "./images.js";
import { REAL_MODE_IMAGE, X87Image } from "./operations.js";
import { RegisterStack } from "./stack.js";

// The images of real mode (SDM volume 1, figures 8-10 and 8-12), where pointers are linear addresses. Protected mode's
// are compared with the host's in isa/x87.test.ts.

const core = new FakeCore(x86Layout, 0);
const images = new X87Images(new RegisterStack(core));

function setUp(): void {
  core.set(X87.control, 0x27f, 0);
  core.set(X87.status, 0x3800, 0);
  core.set(X87.used, 0, 0);
  core.set(X87.opcode, 0x51b, 0);
  core.set(X87.instruction, 0x5678, 0);
  core.set(X87.instructionSegment, 0xf123, 0);
  core.set(X87.data, 0x9abc, 0);
  core.set(X87.dataSegment, 0x4000, 0);
}

function words(image: number, count: number): bigint[] {
  images.take(image);
  const half = (i: number, high: 0 | 1) => BigInt(images.half(i, high) >>> 0);
  return Array.from({ length: count }, (_, i) => half(i, 0) | (half(i, 1) << 32n));
}

test("16 bits", () => {
  setUp();
  const [first, second] = words(X87Image.environment16 | REAL_MODE_IMAGE, 2) as [bigint, bigint];
  // F1230 + 5678 = F68A8; 40000 + 9ABC = 49ABC.
  expect(first).toBe(0x68a8_ffff_3800_027fn);
  expect(BigInt.asUintN(48, second)).toBe(0x4000_9abc_f51bn);
});

test("32 bits", () => {
  setUp();
  const all = words(X87Image.environment32 | REAL_MODE_IMAGE, 4);
  expect(all.slice(0, 3)).toEqual([0xffff_3800_ffff_027fn, 0xffff_68a8_ffff_ffffn, 0xffff_9abc_0000_f51bn]);
  expect(BigInt.asUintN(32, all[3] as bigint)).toBe(0x0000_4000n);
});

test.each([X87Image.environment16, X87Image.environment32])("what was saved is restored: %d", (kind) => {
  setUp();
  const image = kind | REAL_MODE_IMAGE;
  const saved = words(image, 4);
  for (const [i, word] of saved.entries())
    images.put(i, Number(BigInt.asIntN(32, word)), Number(BigInt.asIntN(32, word >> 32n)));
  core.set(X87.instruction, 0, 0);
  core.set(X87.control, 0x37f, 0);
  images.restore(image);
  expect(core.lo(X87.control)).toBe(0x27f);
  expect([core.lo(X87.instruction), core.lo(X87.instructionSegment)]).toEqual([0xf68a8, 0]);
  expect([core.lo(X87.data), core.lo(X87.opcode)]).toEqual([0x49abc, 0x51b]);
  expect(words(image, 4)).toEqual(saved);
});
