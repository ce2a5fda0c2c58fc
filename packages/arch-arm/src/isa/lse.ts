import type { RmwName } from "@hypercraft/engine";
import { type A64Builder, a64 } from "./lifter.js";
import { pairOf, setPair } from "./register-pairs.js";

// Large System Extensions (FEAT_LSE): atomic operations on memory.

const { insn } = a64("LSE");

const SIZES = [
  { size: 1, bits: "00", r: "w", suffix: "b" },
  { size: 2, bits: "01", r: "w", suffix: "h" },
  { size: 4, bits: "10", r: "w", suffix: "" },
  { size: 8, bits: "11", r: "x", suffix: "" },
] as const;
type Size = (typeof SIZES)[number];

/** Acquire and release bits with their suffix. */
const ORDERS = [
  { a: "0", l: "0", suffix: "" },
  { a: "1", l: "0", suffix: "a" },
  { a: "0", l: "1", suffix: "l" },
  { a: "1", l: "1", suffix: "al" },
] as const;

type Operands = { xs: number; ws: number; xt: number; wt: number; xnSp: number };
type Pattern = "xs:1 ws:1 xt:1 wt:1 xnSp:1";

const registers = ({ r }: Size, o: Operands) => (r === "x" ? [o.xs, o.xt] : [o.ws, o.wt]) as [number, number];

/** Old values are zero-extended. */
const UNSIGNED = { signed: false };

/** Name, bits 15:12, the IR's operation. LDCLR is AND with the complement. */
const OPERATIONS: readonly (readonly [string, string, RmwName])[] = [
  ["add", "0000", "add"],
  ["clr", "0001", "and"],
  ["eor", "0010", "xor"],
  ["set", "0011", "or"],
  ["smax", "0100", "max_s"],
  ["smin", "0101", "min_s"],
  ["umax", "0110", "max_u"],
  ["umin", "0111", "min_u"],
  ["swp", "1000", "xchg"],
];

const atomics = SIZES.flatMap((s) =>
  ORDERS.flatMap(({ a, l, suffix }) =>
    OPERATIONS.map(([operation, opc, rmw]) => {
      const mnemonic = `${operation === "swp" ? "" : "ld"}${operation}${suffix}${s.suffix}`;
      const short = operation !== "swp" && a === "0";
      return insn(
        `${s.bits} 111000 ${a} ${l} 1 ${s.r}s:5 ${opc} 00 xnSp:5 ${s.r}t:5` as Pattern,
        `${mnemonic} ${s.r}s, ${s.r}t, [xnSp]`,
        (b, o) => {
          const [source, target] = registers(s, o);
          const operand = operation === "clr" ? b.i64.xor(b.x(source), b.i64.const(-1)) : b.x(source);
          b.setX(target, b.ir.rmw(rmw, s.size, b.base(o.xnSp), operand, UNSIGNED));
        },
        {
          name: `${mnemonic}.${s.r}`,
          aliases: short ? [[`st${operation}${suffix}${s.suffix} ${s.r}s, [xnSp]`, `${s.r}t == 31`]] : [],
        },
      );
    }),
  ),
);

const compareAndSwap = SIZES.flatMap((s) =>
  ORDERS.map(({ a, l, suffix }) =>
    insn(
      `${s.bits} 001000 1 ${a} 1 ${s.r}s:5 ${l} 11111 xnSp:5 ${s.r}t:5` as Pattern,
      `cas${suffix}${s.suffix} ${s.r}s, ${s.r}t, [xnSp]`,
      (b, o) => {
        const [compared, stored] = registers(s, o);
        b.setX(compared, b.ir.cas(s.size, b.base(o.xnSp), b.x(compared), b.x(stored), UNSIGNED));
      },
      { name: `cas${suffix}${s.suffix}.${s.r}` },
    ),
  ),
);

type PairPattern = "xs:1 ws:1 xt:1 wt:1 xnSp:1";

/** Compare and swap of two words, which is an access of 8 bytes. */
function swapWords(b: A64Builder, { ws, wt, xnSp }: Operands): void {
  const { i64 } = b;
  const both = (first: number) =>
    i64.or(i64.extend_i32_u(b.w(first)), i64.shl(b.x(first + 1), i64.const(32)));
  const old = b.ir.cas(8, b.base(xnSp), both(ws), both(wt));
  b.setW(ws, b.i32.wrap_i64(old));
  b.setX(ws + 1, i64.shr_u(old, i64.const(32)));
}

/** ... of two doublewords, 16 bytes. */
function swapDoublewords(b: A64Builder, { xs, xt, xnSp }: Operands): void {
  const old = b.ir.cas(16, b.base(xnSp), pairOf(b, xs, xs + 1), pairOf(b, xt, xt + 1));
  setPair(b, xs, xs + 1, old);
}

/** Pairs begin with an even register; the other one is the next. */
const compareAndSwapPair = ORDERS.flatMap(({ a, l, suffix }) =>
  (["w", "x"] as const).map((r) =>
    insn(
      `0 ${r === "x" ? 1 : 0} 001000 0 ${a} 1 ${r}s[4:1] 0 ${l} 11111 xnSp:5 ${r}t[4:1] 0` as PairPattern,
      `casp${suffix} ${r}s, ${r}sNext, ${r}t, ${r}tNext, [xnSp]`,
      r === "x" ? swapDoublewords : swapWords,
      { name: `casp${suffix}.${r}` },
    ),
  ),
);

export const lse = [...atomics, ...compareAndSwap, ...compareAndSwapPair];
