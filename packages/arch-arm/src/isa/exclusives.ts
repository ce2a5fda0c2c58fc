import { a64 } from "./lifter.js";

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

/** Exclusives of 4 and 8 bytes. `o0` is 1 with acquire or release. */
const exclusive = SIZES.filter(({ size }) => size >= 4).flatMap(({ size, bits, rt }) =>
  (["0", "1"] as const).flatMap((o0) => [
    insn(
      `${bits} 001000 0 1 0 ----- ${o0} ----- xnSp:5 ${rt}:5` as `xnSp:1 xt:1 wt:1`,
      `${o0 === "1" ? "ldaxr" : "ldxr"} ${rt}, [xnSp]`,
      (b, o) => {
        const value = b.ir.loadReserved(size as 4 | 8, b.base(o.xnSp));
        if (rt === "wt") b.setW(o.wt, b.i32.wrap_i64(value));
        else b.setX(o.xt, value);
      },
      named(o0 === "1" ? "ldaxr" : "ldxr", rt),
    ),
    insn(
      `${bits} 001000 0 0 0 ws:5 ${o0} ----- xnSp:5 ${rt}:5` as `ws:1 xnSp:1 xt:1 wt:1`,
      `${o0 === "1" ? "stlxr" : "stxr"} ws, ${rt}, [xnSp]`,
      (b, o) => b.setX(o.ws, b.ir.storeConditional(size as 4 | 8, b.base(o.xnSp), b.x(o[rt]))),
      named(o0 === "1" ? "stlxr" : "stxr", rt),
    ),
  ]),
);

export const exclusives = [...ordered, ...exclusive];
