import { GPR, Gpr } from "../cpu/state.js";
import type { X86Declaration } from "./declaration.js";
import { type X86Builder, x86 } from "./lifter.js";
import { type Lift, lanesOf, read, simd } from "./vector-lifter.js";

// Masked stores, non-temporal stores of general-purpose registers, and what only concerns caches and the order of
// accesses: all of them are in order here, and there are no caches to be seen.

/** Store the bytes whose mask has its sign set at DS:rDI. */
const maskedStore: Lift = (b) => {
  const { ir, i32, i64 } = b;
  const lanes = lanesOf(b, 0);
  const count = lanes.width / 8;
  const [x, selected] = [read(b, 0), read(b, 1)];
  const base = b.inSegment(
    b.segmentOf(),
    b.zeroExtended(b.d.addressSize, ir.get(GPR[Gpr.rdi]!)),
    count,
    true,
  );
  const mask = ir.i8x16.bitmask(lanes.cut(selected));
  const at = (offset: number) => i64.add(base, i64.const(offset));
  const bit = (i: number) => i32.and(i32.shr_u(mask, i32.const(i)), i32.const(1));
  // Places that are not selected get what the last selected one gets, there; without any, what is there.
  const last = i64.extend_i32_u(i32.sub(i32.const(31), i32.clz(i32.or(mask, i32.const(1)))));
  const first = i64.extend_i32_u(i32.and(i32.ctz(mask), i32.const(count - 1)));
  ir.probe("write", 1, i64.add(base, first));
  const place = i64.add(base, last);
  ir.probe("write", 1, place);
  const old = ir.load(1, false, place);
  const lastByte = lanes.lane(lanes.op("swizzle", x, lanes.splat(last)), 0);
  const value = ir.select(mask, lastByte, old);
  for (let i = 0; i < count; i++) {
    const chosen = bit(i);
    ir.store(1, ir.select(chosen, at(i), place), ir.select(chosen, lanes.lane(x, i), value));
  }
};

const nothing: Lift = () => {};

/** A cache line is looked up as if one byte of it was read. */
const flushLine: Lift = (b) => b.ir.probe("read", 1, b.address(0));

const base = x86("base");
const sse = x86("SSE");
const sse2 = x86("SSE2");

const REGISTER = { form: "register" } as const;
const PREFETCHES = ["nta", "t0", "t1", "t2"] as const;

export const vectorMemory: readonly X86Declaration<X86Builder>[] = [
  simd("SSE", "mmx")("maskmovq Pq, Nq", "NP 0F F7 /r", maskedStore),
  simd("SSE2")("maskmovdqu Vdq, Udq", "66 0F F7 /r", maskedStore),
  sse2("movnti My, Gy", "NP 0F C3 /r", (b) => b.write(0, b.raw(1))),
  sse2("lfence", "NP 0F AE /5", nothing, REGISTER),
  sse2("mfence", "NP 0F AE /6", nothing, REGISTER),
  sse("sfence", "NP 0F AE /7", nothing, REGISTER),
  base("clflush Mb", "NP 0F AE /7", flushLine),
  ...PREFETCHES.map((hint, i) => sse(`prefetch${hint} Mb`, `0F 18 /${i}`, nothing)),
];
