import { a64 } from "./lifter.js";
import { pairOf, setPair } from "./register-pairs.js";

// Acquire and release, exclusives. One PE runs at a time and every access is performed in program order, so ordering
// asks for nothing more; these accesses must be aligned.

const { insn } = a64("A64");

const SIZES = [
  { size: 1, bits: "00", suffix: "b", rt: "wt" },
  { size: 2, bits: "01", suffix: "h", rt: "wt" },
  { size: 4, bits: "10", suffix: "", rt: "wt" },
  { size: 8, bits: "11", suffix: "", rt: "xt" },
] as const;

const named = (mnemonic: string, rt: "wt" | "xt") => ({ name: `${mnemonic}.${rt === "xt" ? "x" : "w"}` });

const ordered = SIZES.flatMap(({ size, bits, suffix, rt }) => [
  insn(
    `${bits} 001000 1 1 0 ----- 1 ----- xnSp:5 ${rt}:5` as `xnSp:1 xt:1 wt:1`,
    `ldar${suffix} ${rt}, [xnSp]`,
    (b, o) => b.setX(o[rt], b.load(size, false, b.base(o.xnSp), true)),
    named(`ldar${suffix}`, rt),
  ),
  insn(
    `${bits} 001000 1 0 0 ----- 1 ----- xnSp:5 ${rt}:5` as `xnSp:1 xt:1 wt:1`,
    `stlr${suffix} ${rt}, [xnSp]`,
    (b, o) => b.store(size, b.base(o.xnSp), b.x(o[rt]), true),
    named(`stlr${suffix}`, rt),
  ),
]);

/** Acquire and release are bit 15 of exclusives. */
const ORDERS = [
  { o0: "0", load: "ldx", store: "stx" },
  { o0: "1", load: "ldax", store: "stlx" },
] as const;

const exclusive = SIZES.flatMap(({ size, bits, suffix, rt }) =>
  ORDERS.flatMap(({ o0, load, store }) => [
    insn(
      `${bits} 001000 0 1 0 ----- ${o0} ----- xnSp:5 ${rt}:5` as `xnSp:1 xt:1 wt:1`,
      `${load}r${suffix} ${rt}, [xnSp]`,
      (b, o) => b.setX(o[rt], b.ir.loadReserved(size, b.base(o.xnSp), { signed: false })),
      named(`${load}r${suffix}`, rt),
    ),
    insn(
      `${bits} 001000 0 0 0 ws:5 ${o0} ----- xnSp:5 ${rt}:5` as `ws:1 xnSp:1 xt:1 wt:1`,
      `${store}r${suffix} ws, ${rt}, [xnSp]`,
      (b, o) => b.setX(o.ws, b.ir.storeConditional(size, b.base(o.xnSp), b.x(o[rt]))),
      named(`${store}r${suffix}`, rt),
    ),
  ]),
);

type Pair = { xnSp: number; wt: number; wt2: number; ws: number };
type WidePair = { xnSp: number; xt: number; xt2: number; ws: number };

/** A pair of words is one access of 8 bytes. */
const wordPairs = ORDERS.flatMap(({ o0, load, store }) => [
  insn(
    `10 001000 0 1 1 ----- ${o0} wt2:5 xnSp:5 wt:5` as `wt2:1 xnSp:1 wt:1`,
    `${load}p wt, wt2, [xnSp]`,
    (b, o: Omit<Pair, "ws">) => {
      const { i64, i32 } = b;
      const both = b.ir.loadReserved(8, b.base(o.xnSp));
      b.setW(o.wt, i32.wrap_i64(both));
      b.setX(o.wt2, i64.shr_u(both, i64.const(32)));
    },
    named(`${load}p`, "wt"),
  ),
  insn(
    `10 001000 0 0 1 ws:5 ${o0} wt2:5 xnSp:5 wt:5` as `ws:1 wt2:1 xnSp:1 wt:1`,
    `${store}p ws, wt, wt2, [xnSp]`,
    (b, o: Pair) => {
      const { i64 } = b;
      const low = i64.extend_i32_u(b.w(o.wt));
      const both = i64.or(low, i64.shl(b.x(o.wt2), i64.const(32)));
      b.setX(o.ws, b.ir.storeConditional(8, b.base(o.xnSp), both));
    },
    named(`${store}p`, "wt"),
  ),
]);

/** A pair of doublewords is one of 16, aligned to them. */
const doublewordPairs = ORDERS.flatMap(({ o0, load, store }) => [
  insn(
    `11 001000 0 1 1 ----- ${o0} xt2:5 xnSp:5 xt:5` as `xt2:1 xnSp:1 xt:1`,
    `${load}p xt, xt2, [xnSp]`,
    (b, o: Omit<WidePair, "ws">) => setPair(b, o.xt, o.xt2, b.ir.loadReserved(16, b.base(o.xnSp))),
    named(`${load}p`, "xt"),
  ),
  insn(
    `11 001000 0 0 1 ws:5 ${o0} xt2:5 xnSp:5 xt:5` as `ws:1 xt2:1 xnSp:1 xt:1`,
    `${store}p ws, xt, xt2, [xnSp]`,
    (b, o: WidePair) => b.setX(o.ws, b.ir.storeConditional(16, b.base(o.xnSp), pairOf(b, o.xt, o.xt2))),
    named(`${store}p`, "xt"),
  ),
]);

export const exclusives = [...ordered, ...exclusive, ...wordPairs, ...doublewordPairs];
