import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { XMM } from "../cpu/state.js";
import type { X86Declaration } from "./declaration.js";
import type { X86Builder } from "./lifter.js";
import {
  type Lift,
  leaveMmx,
  lowHalves,
  read,
  readLow,
  setMmx,
  shuffle,
  simd,
  simdWithoutEntry,
  write,
  zeroVector,
} from "./vector-lifter.js";

// Moves of MMX and XMM registers and parts of them, and of MXCSR.

const mmx = simd("MMX", "mmx");
const mmxOfSse = simd("SSE", "mmx");
const sse = simd("SSE");
const sse2 = simd("SSE2");
const both = simd("SSE2", "both");
const sse3 = simd("SSE3");
const sse41 = simd("SSE4.1");

const UNALIGNED = { unaligned: true } as const;

const move: Lift = (b) => write(b, 0, read(b, 1));

/** A general-purpose register or memory, zero-extended to all of the vector. */
const fromInteger: Lift = (b) => {
  const value = b.unsigned(1);
  if (b.register(0) >= 0 && b.d.instruction?.operands[0]?.place === "mmxReg") setMmx(b, b.register(0), value);
  else write(b, 0, b.ir.i64x2.replace_lane(zeroVector(b), 0, value));
};

const toInteger: Lift = (b) => b.write(0, readLow(b, 1));

/** The rest of the register is kept where both are registers, and becomes zero where it is loaded. */
const moveScalar =
  (shape: "i32x4" | "i64x2"): Lift =>
  (b) => {
    const value = read(b, 1);
    if (b.isMemory(0) || b.isMemory(1)) return write(b, 0, value);
    const { ir } = b;
    const lane = ir[shape].extract_lane(value, 0);
    write(b, 0, ir[shape].replace_lane(read(b, 0), 0, lane));
  };

/** Between memory and one half of a register; the other half is kept. */
const loadHalf =
  (half: 0 | 1): Lift =>
  (b) => {
    const value = b.raw(1);
    const field = XMM[b.register(0)]!;
    b.ir.set(field, b.ir.i64x2.replace_lane(b.ir.get(field), half, value));
  };
const storeHalf =
  (half: 0 | 1): Lift =>
  (b) =>
    b.write(0, b.ir.i64x2.extract_lane(b.ir.get(XMM[b.register(1)]!), half));

const lowToHigh: Lift = (b) => write(b, 0, lowHalves(b, read(b, 0), read(b, 1)));
const highToLow: Lift = (b) => {
  const high = b.ir.i64x2.extract_lane(read(b, 1), 1);
  write(b, 0, b.ir.i64x2.replace_lane(read(b, 0), 0, high));
};

/** The low half, with zeros above. */
const moveLow: Lift = (b) => {
  const low = readLow(b, 1);
  if (b.isMemory(0)) b.write(0, low);
  else write(b, 0, b.ir.i64x2.replace_lane(zeroVector(b), 0, low));
};

const duplicate =
  (byteAt: (i: number) => number): Lift =>
  (b) => {
    const x = read(b, 1);
    write(b, 0, shuffle(b, x, x, byteAt));
  };

type SignMask = (b: X86Builder, x: Value) => Value;

/** The signs of all lanes as a number. */
const signs =
  (mask: SignMask): Lift =>
  (b) =>
    b.write(0, b.i64.extend_i32_u(mask(b, read(b, 1))));

/** `movaps`, `movapd` and the like: whole registers, by the prefixes of single, double and integer forms. */
const wholes = [
  sse("movups Vps, Wps", "NP 0F 10 /r", move, UNALIGNED),
  sse("movups Wps, Vps", "NP 0F 11 /r", move, UNALIGNED),
  sse2("movupd Vpd, Wpd", "66 0F 10 /r", move, UNALIGNED),
  sse2("movupd Wpd, Vpd", "66 0F 11 /r", move, UNALIGNED),
  sse("movaps Vps, Wps", "NP 0F 28 /r", move),
  sse("movaps Wps, Vps", "NP 0F 29 /r", move),
  sse2("movapd Vpd, Wpd", "66 0F 28 /r", move),
  sse2("movapd Wpd, Vpd", "66 0F 29 /r", move),
  sse2("movdqa Vdq, Wdq", "66 0F 6F /r", move),
  sse2("movdqa Wdq, Vdq", "66 0F 7F /r", move),
  sse2("movdqu Vdq, Wdq", "F3 0F 6F /r", move, UNALIGNED),
  sse2("movdqu Wdq, Vdq", "F3 0F 7F /r", move, UNALIGNED),
  sse3("lddqu Vdq, Mdq", "F2 0F F0 /r", move, UNALIGNED),
  sse("movntps Mps, Vps", "NP 0F 2B /r", move),
  sse2("movntpd Mpd, Vpd", "66 0F 2B /r", move),
  sse2("movntdq Mdq, Vdq", "66 0F E7 /r", move),
  sse41("movntdqa Vdq, Mdq", "66 0F 38 2A /r", move),
];

const halves = [
  sse("movlps Vdq, Mq", "NP 0F 12 /r", loadHalf(0)),
  sse("movhlps Vdq, Udq", "NP 0F 12 /r", highToLow),
  sse("movlps Mq, Vdq", "NP 0F 13 /r", storeHalf(0)),
  sse("movhps Vdq, Mq", "NP 0F 16 /r", loadHalf(1)),
  sse("movlhps Vdq, Udq", "NP 0F 16 /r", lowToHigh),
  sse("movhps Mq, Vdq", "NP 0F 17 /r", storeHalf(1)),
  sse2("movlpd Vdq, Mq", "66 0F 12 /r", loadHalf(0)),
  sse2("movlpd Mq, Vdq", "66 0F 13 /r", storeHalf(0)),
  sse2("movhpd Vdq, Mq", "66 0F 16 /r", loadHalf(1)),
  sse2("movhpd Mq, Vdq", "66 0F 17 /r", storeHalf(1)),
  sse2("movq Vdq, Wq", "F3 0F 7E /r", moveLow),
  sse2("movq Wq, Vdq", "66 0F D6 /r", moveLow),
];

const scalars = [
  sse("movss Vss, Wss", "F3 0F 10 /r", moveScalar("i32x4")),
  sse("movss Wss, Vss", "F3 0F 11 /r", moveScalar("i32x4")),
  sse2("movsd Vsd, Wsd", "F2 0F 10 /r", moveScalar("i64x2")),
  sse2("movsd Wsd, Vsd", "F2 0F 11 /r", moveScalar("i64x2")),
];

const integers = [
  mmx("movd Pq, Ed", "NP REX.W0 0F 6E /r", fromInteger),
  mmx("movq Pq, Eq", "NP REX.W 0F 6E /r", fromInteger),
  mmx("movd Ed, Pq", "NP REX.W0 0F 7E /r", toInteger),
  mmx("movq Eq, Pq", "NP REX.W 0F 7E /r", toInteger),
  mmx("movq Pq, Qq", "NP 0F 6F /r", move),
  mmx("movq Qq, Pq", "NP 0F 7F /r", move),
  mmxOfSse("movntq Mq, Pq", "NP 0F E7 /r", move),
  sse2("movd Vdq, Ed", "66 REX.W0 0F 6E /r", fromInteger),
  sse2("movq Vdq, Eq", "66 REX.W 0F 6E /r", fromInteger),
  sse2("movd Ed, Vdq", "66 REX.W0 0F 7E /r", toInteger),
  sse2("movq Eq, Vdq", "66 REX.W 0F 7E /r", toInteger),
  both("movq2dq Vdq, Nq", "F3 0F D6 /r", move),
  both("movdq2q Pq, Udq", "F2 0F D6 /r", move),
];

const masks = [
  sse(
    "movmskps Gd, Ups",
    "NP 0F 50 /r",
    signs((b, x) => b.ir.i32x4.bitmask(x)),
  ),
  sse2(
    "movmskpd Gd, Upd",
    "66 0F 50 /r",
    signs((b, x) => b.ir.i64x2.bitmask(x)),
  ),
  // What lies above a MMX register is zero.
  mmxOfSse(
    "pmovmskb Gd, Nq",
    "NP 0F D7 /r",
    signs((b, x) => b.ir.i8x16.bitmask(x)),
  ),
  sse2(
    "pmovmskb Gd, Udq",
    "66 0F D7 /r",
    signs((b, x) => b.ir.i8x16.bitmask(x)),
  ),
];

const duplicates = [
  sse3(
    "movddup Vdq, Wq",
    "F2 0F 12 /r",
    duplicate((i) => i & 7),
  ),
  sse3(
    "movsldup Vps, Wps",
    "F3 0F 12 /r",
    duplicate((i) => i & ~4),
  ),
  sse3(
    "movshdup Vps, Wps",
    "F3 0F 16 /r",
    duplicate((i) => i | 4),
  ),
];

export const sseMoves: readonly X86Declaration<X86Builder>[] = [
  ...wholes,
  ...halves,
  ...scalars,
  ...integers,
  ...masks,
  ...duplicates,
  simdWithoutEntry("MMX")("emms", "NP 0F 77", leaveMmx),
  sse("ldmxcsr Md", "NP 0F AE /2", (b) => b.callAndDispatch(Helper.loadMxcsr, 0, b.unsigned(0))),
  sse("stmxcsr Md", "NP 0F AE /3", (b) => {
    const value = b.ir.call(Helper.storeMxcsr, 0);
    b.write(0, value);
  }),
];
