import type { Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { arrangedLanes, type Lanes } from "./vector-lanes.js";
import { low64, setLow64, setVector, vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD copy, and FMOV between registers: bits move, nothing is computed.

const simd = vectorInstructions("AdvSIMD");
const fp = vectorInstructions("FP");

/** Lane and its size by the field imm5: the lowest set bit is the size, the bits above are the lane. */
const sizeOf = (imm5: number): number => 31 - Math.clz32(imm5 & -imm5);
const laneOf = (imm5: number): number => imm5 >> (sizeOf(imm5) + 1);

/** The lanes that the field names; Q says how many. */
const lanesOf = (b: A64Builder, o: { readonly imm5: number; readonly q?: number }): Lanes =>
  arrangedLanes(b, sizeOf(o.imm5), o.q ?? 1);

const copies = [
  simd(
    "0 q:1 0 01110000 imm5:5 0 0000 1 vn:5 vd:5",
    "dup laneD, laneN",
    (b, o) => {
      const l = lanesOf(b, o);
      l.set(o.vd, l.splat(l.lane(vector(b, o.vn), laneOf(o.imm5))));
    },
    { name: "dup.v", where: "laneShape == 1" },
  ),
  simd(
    "01 0 11110000 imm5:5 0 0000 1 vn:5 vd:5",
    "mov copyScalarD, laneN",
    (b, o) => {
      setLow64(b, o.vd, lanesOf(b, { imm5: o.imm5 }).lane(vector(b, o.vn), laneOf(o.imm5)));
    },
    { name: "dup.scalar.v", where: "anyLane == 1" },
  ),
  simd(
    "0 q:1 0 01110000 imm5:5 0 0001 1 xn:5 vd:5",
    "dup laneD, laneX",
    (b, o) => {
      const l = lanesOf(b, o);
      l.set(o.vd, l.splat(b.x(o.xn)));
    },
    { name: "dup.general.v", where: "laneShape == 1" },
  ),
  simd(
    "0 1 0 01110000 imm5:5 0 0011 1 xn:5 vd:5",
    "mov laneOfD, laneX",
    (b, o) => {
      const l = lanesOf(b, { imm5: o.imm5 });
      setVector(b, o.vd, l.withLane(vector(b, o.vd), laneOf(o.imm5), b.x(o.xn)));
    },
    { name: "ins.general.v", where: "anyLane == 1" },
  ),
  simd(
    "0 1 1 01110000 imm5:5 0 imm4:4 1 vn:5 vd:5",
    "mov laneOfD, laneOfN",
    (b, o) => {
      const l = lanesOf(b, { imm5: o.imm5 });
      const value = l.lane(vector(b, o.vn), o.imm4 >> l.size);
      setVector(b, o.vd, l.withLane(vector(b, o.vd), laneOf(o.imm5), value));
    },
    { name: "ins.v", where: "anyLane == 1" },
  ),
  ...(["0", "1"] as const).map((wide) =>
    simd(
      `0 ${wide} 0 01110000 imm5:5 0 0101 1 vn:5 xd:5`,
      "smov moveX, laneN",
      (b, o) => {
        const value = lanesOf(b, { imm5: o.imm5 }).lane(vector(b, o.vn), laneOf(o.imm5), true);
        if (wide === "1") b.setX(o.xd, value);
        else b.setW(o.xd, b.i32.wrap_i64(value));
      },
      {
        name: `smov.${wide === "1" ? "x" : "w"}.v`,
        where: `anyLane == 1, laneSize != 3${wide === "1" ? "" : ", laneSize != 2"}`,
      },
    ),
  ),
  simd(
    "0 0 0 01110000 imm5:5 0 0111 1 vn:5 xd:5",
    "umov moveX, laneN",
    (b, o) => b.setX(o.xd, lanesOf(b, { imm5: o.imm5 }).lane(vector(b, o.vn), laneOf(o.imm5))),
    {
      name: "umov.w.v",
      where: "anyLane == 1, laneSize != 3",
      aliases: [["mov moveX, laneN", "laneSize == 2"]],
    },
  ),
  simd(
    "0 1 0 01110000 imm5:5 0 0111 1 vn:5 xd:5",
    "mov moveX, laneN",
    (b, o) => b.setX(o.xd, lanesOf(b, { imm5: o.imm5 }).lane(vector(b, o.vn), laneOf(o.imm5))),
    { name: "umov.x.v", where: "laneSize == 3" },
  ),
];

const w32 = (b: A64Builder, index: number): Value => b.i32.wrap_i64(low64(b, index));

const moves = [
  fp("0 0011110 00 1 00 110 000000 vsn:5 wd:5", "fmov wd, vsn", (b, o) => b.setW(o.wd, w32(b, o.vsn)), {
    name: "fmov.ws.v",
  }),
  fp(
    "0 0011110 00 1 00 111 000000 wn:5 vst:5",
    "fmov vst, wn",
    (b, o) => setLow64(b, o.vst, b.i64.extend_i32_u(b.w(o.wn))),
    { name: "fmov.sw.v" },
  ),
  fp("1 0011110 01 1 00 110 000000 vdn:5 xd:5", "fmov xd, vdn", (b, o) => b.setX(o.xd, low64(b, o.vdn)), {
    name: "fmov.xd.v",
  }),
  fp("1 0011110 01 1 00 111 000000 xn:5 vdt:5", "fmov vdt, xn", (b, o) => setLow64(b, o.vdt, b.x(o.xn)), {
    name: "fmov.dx.v",
  }),
  fp(
    "1 0011110 10 1 01 110 000000 upperN:5 xd:5",
    "fmov xd, upperN",
    (b, o) => b.setX(o.xd, b.ir.i64x2.extract_lane(vector(b, o.upperN), 1)),
    { name: "fmov.xv1.v" },
  ),
  fp(
    "1 0011110 10 1 01 111 000000 xn:5 upperD:5",
    "fmov upperD, xn",
    (b, o) => setVector(b, o.upperD, b.ir.i64x2.replace_lane(vector(b, o.upperD), 1, b.x(o.xn))),
    { name: "fmov.v1x.v" },
  ),
  fp(
    "00011110 00 1 0000 00 10000 vsn:5 vst:5",
    "fmov vst, vsn",
    (b, o) => setLow64(b, o.vst, b.i64.extend_i32_u(w32(b, o.vsn))),
    { name: "fmov.s.v" },
  ),
  fp(
    "00011110 01 1 0000 00 10000 vdn:5 vdt:5",
    "fmov vdt, vdn",
    (b, o) => setLow64(b, o.vdt, low64(b, o.vdn)),
    { name: "fmov.d.v" },
  ),
  ...(["s", "d"] as const).flatMap((letter, type) => [
    fp(
      `00011110 0${type} 1 0000 01 10000 v${letter}n:5 v${letter}t:5`,
      `fabs v${letter}t, v${letter}n`,
      (b, o) => {
        const [d, n] = letter === "s" ? [o.vst, o.vsn] : [o.vdt, o.vdn];
        const mask = letter === "s" ? b.i64.pair(0x7fffffff, 0) : b.i64.pair(-1, 0x7fffffff);
        setLow64(b, d, b.i64.and(low64(b, n), mask));
      },
      { name: `fabs.${letter}.v` },
    ),
    fp(
      `00011110 0${type} 1 0000 10 10000 v${letter}n:5 v${letter}t:5`,
      `fneg v${letter}t, v${letter}n`,
      (b, o) => {
        if (letter === "d") setLow64(b, o.vdt, b.i64.xor(low64(b, o.vdn), b.i64.pair(0, 1 << 31)));
        else {
          const value = b.i32.xor(w32(b, o.vsn), b.i32.const(1 << 31));
          setLow64(b, o.vst, b.i64.extend_i32_u(value));
        }
      },
      { name: `fneg.${letter}.v` },
    ),
    fp(
      `00011110 0${type} 1 v${letter}m:5 cond:4 11 v${letter}n:5 v${letter}t:5`,
      `fcsel v${letter}t, v${letter}n, v${letter}m, cond`,
      (b, o) => {
        const [d, n, m] = letter === "s" ? [o.vst, o.vsn, o.vsm] : [o.vdt, o.vdn, o.vdm];
        const value = b.ir.select(b.condition(o.cond), low64(b, n), low64(b, m));
        setLow64(b, d, letter === "s" ? b.i64.extend_i32_u(b.i32.wrap_i64(value)) : value);
      },
      { name: `fcsel.${letter}.v` },
    ),
  ]),
];

export const vectorCopy = [...copies, ...moves];
