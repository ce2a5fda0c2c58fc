import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { GPR, Gpr, XMM } from "../cpu/state.js";
import { Component, X87Image, X87Op } from "../cpu/x87/operations.js";
import { packStateMove } from "../cpu/x87/quick-images.js";
import type { X86Declaration } from "./declaration.js";
import { Vector, type X86Builder, x86 } from "./lifter.js";
import { zeroVector } from "./vector-lifter.js";
import { type Lift, nonWaitingOf, operate, putImage, wholeAddress } from "./x87-lifter.js";

// FXSAVE and XSAVE, and what restores their images: SDM volume 1, 10.5 and chapter 13, and volume 2. The extended
// region is a header alone: there are no components but x87 and SSE. Both are always saved as if they were in use.

const FXSAVE_BYTES = 512;
const XSAVE_BYTES = 576;
/** The unit's part: the registers end here, and XMM0 begins. */
const VECTORS = 160;
const HEADER = 512;
const MXCSR_WORD = 3;
const X87 = 1;
const SSE = 2;

const imageOf = ({ d }: X86Builder): number => (d.wide ? X87Image.extended64 : X87Image.extended);

/** Linear address of the image; #GP if it is not aligned. */
function imageAddress(b: X86Builder, bytes: number, alignment: number, write: boolean): Value {
  const { i32 } = b;
  const address = wholeAddress(b, bytes, write);
  b.raiseIf(i32.and(i32.wrap_i64(address), i32.const(alignment - 1)), Vector.GP, 0);
  if (write) b.probe(address, bytes);
  return address;
}

/**
 * Have everything moved at once, and be done, where that can be: 64-bit mode has no segments whose faults would go
 * first.
 */
function moveAtOnce(b: X86Builder, restores: boolean, extended: boolean): void {
  const { ir, d, mode } = b;
  if (mode.bits !== 64) return;
  const move = { restores, extended, wide: d.wide, registers: vectors(b).length, length: d.length };
  ir.call(
    Helper.moveState,
    packStateMove(move),
    wholeAddress(b, extended ? XSAVE_BYTES : FXSAVE_BYTES, !restores),
  );
}

const at = (b: X86Builder, address: Value, offset: number): Value => b.i64.add(address, b.i64.const(offset));

/** The image's registers XMM0 and on, 8 or 16 of them. */
const vectorAddress = (b: X86Builder, address: Value, number: number): Value =>
  at(b, address, VECTORS + 16 * number);
const vectors = ({ mode }: X86Builder): readonly number[] =>
  Array.from({ length: mode.bits === 64 ? 16 : 8 }, (_, i) => i);

const save: Lift = (b) => {
  const { ir } = b;
  moveAtOnce(b, false, false);
  const address = imageAddress(b, FXSAVE_BYTES, 16, true);
  const image = imageOf(b);
  for (let word = 0; 8 * word < VECTORS; word++)
    b.store(8, at(b, address, 8 * word), ir.call(Helper.x87ImageWord, image | (word << 4)));
  for (const i of vectors(b)) ir.store(16, vectorAddress(b, address, i), ir.get(XMM[i]!));
};

const restore: Lift = (b) => {
  const { ir, i64 } = b;
  moveAtOnce(b, true, false);
  const address = imageAddress(b, FXSAVE_BYTES, 16, false);
  putImage(b, address, VECTORS);
  ir.call(Helper.checkMxcsr, 0, i64.const(1));
  const loaded = vectors(b).map((i) => ir.load(16, false, vectorAddress(b, address, i)));
  for (const [i, value] of loaded.entries()) ir.set(XMM[i]!, value);
  operate(b, { op: X87Op.restoreComponent, register: imageOf(b) }, i64.const(Component.restore));
  b.callAndDispatch(Helper.restoreMxcsr, 0, i64.const(1));
};

/** The components asked for: EDX:EAX, as far as XCR0 has them. */
function requested(b: X86Builder): Value {
  const { ir, i64 } = b;
  const enabled = ir.call(Helper.extendedMask, 0);
  const high = i64.shl(ir.get(GPR[Gpr.rdx]!), i64.const(32));
  const low = b.zeroExtended(4, ir.get(GPR[Gpr.rax]!));
  return i64.and(enabled, i64.or(high, low));
}

/** An i32 that is not zero if a component is among some. */
const has = ({ i32 }: X86Builder, components: Value, component: number): Value =>
  i32.and(i32.wrap_i64(components), i32.const(component));

/** XSAVE: what is not asked for is stored as it is. */
const saveComponents: Lift = (b) => {
  const { ir, i64 } = b;
  moveAtOnce(b, false, true);
  const asked = requested(b);
  const address = imageAddress(b, XSAVE_BYTES, 64, true);
  const image = imageOf(b);
  const [x87, sse] = [has(b, asked, X87), has(b, asked, SSE)];
  for (let word = 0; 8 * word < VECTORS; word++) {
    const value = ir.call(Helper.x87ImageWord, image | (word << 4));
    const place = at(b, address, 8 * word);
    b.store(8, place, ir.select(word === MXCSR_WORD ? sse : x87, value, b.load(8, false, place)));
  }
  for (const i of vectors(b)) {
    const place = vectorAddress(b, address, i);
    ir.store(16, place, ir.select(sse, ir.get(XMM[i]!), ir.load(16, false, place)));
  }
  const header = at(b, address, HEADER);
  b.store(8, header, i64.or(b.load(8, false, header), asked));
};

/** XRSTOR: what is asked for and not in the image is initialized. */
const restoreComponents: Lift = (b) => {
  const { ir, i32, i64 } = b;
  moveAtOnce(b, true, true);
  const asked = requested(b);
  const address = imageAddress(b, XSAVE_BYTES, 64, false);
  const present = b.load(8, false, at(b, address, HEADER));
  const reserved = i64.or(
    b.load(8, false, at(b, address, HEADER + 8)),
    b.load(8, false, at(b, address, HEADER + 16)),
  );
  putImage(b, address, VECTORS);
  const loaded = vectors(b).map((i) => ir.load(16, false, vectorAddress(b, address, i)));
  ir.call(Helper.checkComponents, 0, present, reserved);
  const [x87, sse] = [has(b, asked, X87), has(b, asked, SSE)];
  ir.call(Helper.checkMxcsr, 0, i64.extend_i32_u(sse));
  const [hasX87, hasSse] = [has(b, present, X87), has(b, present, SSE)];
  for (const [i, value] of loaded.entries()) {
    const field = XMM[i]!;
    ir.set(field, ir.select(sse, ir.select(hasSse, value, zeroVector(b)), ir.get(field)));
  }
  const restored = ir.select(hasX87, i32.const(Component.restore), i32.const(Component.initialize));
  const what = ir.select(x87, restored, i32.const(Component.leave));
  operate(b, { op: X87Op.restoreComponent, register: imageOf(b) }, i64.extend_i32_u(what));
  b.callAndDispatch(Helper.restoreMxcsr, 0, i64.extend_i32_u(sse));
};

const fxsr = nonWaitingOf("FXSR");
/** CR0.EM does not matter to them. */
const xsave = (text: string, encoding: string, lift: Lift): X86Declaration<X86Builder> =>
  x86("XSAVE")(text, encoding, (b) => (b.mode.taskSwitched ? unavailable(b) : lift(b)));

/** #UD goes before #NM. */
function unavailable(b: X86Builder): void {
  b.ir.call(Helper.extendedMask, 0);
  b.raise(Vector.NM);
}

export const extendedStates: readonly X86Declaration<X86Builder>[] = [
  fxsr("fxsave M", "NP 0F AE /0", save),
  fxsr("fxrstor M", "NP 0F AE /1", restore),
  fxsr("fxsave64 M", "NP REX.W 0F AE /0", save),
  fxsr("fxrstor64 M", "NP REX.W 0F AE /1", restore),
  xsave("xsave M", "NP 0F AE /4", saveComponents),
  xsave("xrstor M", "NP 0F AE /5", restoreComponents),
  xsave("xsave64 M", "NP REX.W 0F AE /4", saveComponents),
  xsave("xrstor64 M", "NP REX.W 0F AE /5", restoreComponents),
];
