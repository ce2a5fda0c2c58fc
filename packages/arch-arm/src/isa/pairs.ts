import { type A64Builder, a64 } from "./lifter.js";

// Loads and stores of two general-purpose registers. Both accesses come before anything is written; a pair of stores
// may be half done when the second one faults, as the manual allows.

const { insn } = a64("A64");

interface Kind {
  readonly opc: string;
  readonly size: 4 | 8;
  readonly signed: boolean;
  readonly rt: "xt" | "wt";
  readonly name: string;
}

const WORD: Kind = { opc: "00", size: 4, signed: false, rt: "wt", name: "w" };
const SIGNED: Kind = { opc: "01", size: 4, signed: true, rt: "xt", name: "sw" };
const LONG: Kind = { opc: "10", size: 8, signed: false, rt: "xt", name: "x" };

type Pair = { xnSp: number; xt: number; xt2: number; wt: number; wt2: number; sdisp: number; idisp: number };

/** Which registers, and whether base, displacement or both are the address. */
type Indexing = "offset" | "pre" | "post";

const lifting = (k: Kind, load: boolean, indexing: Indexing) => (b: A64Builder, o: Pair) => {
  const [first, second] = k.rt === "xt" ? [o.xt, o.xt2] : [o.wt, o.wt2];
  const base = b.base(o.xnSp);
  // Both from the base, which is what the accesses have in common.
  const displacement = indexing === "post" ? 0 : indexing === "pre" ? o.idisp : o.sdisp;
  const [address, next] = [b.displaced(base, displacement), b.displaced(base, displacement + k.size)];
  if (load) {
    const low = b.load(k.size, k.signed, address);
    const high = b.load(k.size, k.signed, next);
    if (first !== second) b.setX(second, high);
    b.setX(first, first === second ? high : low);
  } else {
    b.store(k.size, address, b.x(first));
    b.store(k.size, next, b.x(second));
  }
  if (indexing !== "offset") b.moveXSp(o.xnSp, base, o.idisp);
};

const MODES = { post: "001", offset: "010", pre: "011", nonTemporal: "000" } as const;

function declare(k: Kind, load: boolean, mode: keyof typeof MODES) {
  const indexing: Indexing = mode === "nonTemporal" ? "offset" : mode;
  const stem = `${load ? "ld" : "st"}${mode === "nonTemporal" ? "np" : "p"}`;
  const mnemonic = k.signed ? `${stem}sw` : stem;
  const disp = indexing === "offset" ? "sdisp" : "idisp";
  const log = k.size === 4 ? 2 : 3;
  const { rt } = k;
  const place = { offset: "[xnSp, sdisp]", pre: "[xnSp, idisp]!", post: "[xnSp], idisp" }[indexing];
  return insn(
    `${k.opc} 1010 ${MODES[mode]} ${load ? 1 : 0} ${disp}[${6 + log}:${log}] ${rt}2:5 xnSp:5 ${rt}:5` as `xnSp:1 xt:1 xt2:1 wt:1 wt2:1 sdisp:1 idisp:1`,
    `${mnemonic} ${rt}, ${rt}2, ${place}`,
    lifting(k, load, indexing),
    { name: `${stem}.${k.name}${indexing === "offset" ? "" : `.${indexing}`}` },
  );
}

export const pairs = (["post", "offset", "pre"] as const).flatMap((mode) => [
  ...[WORD, LONG].flatMap((k) => [declare(k, false, mode), declare(k, true, mode)]),
  declare(SIGNED, true, mode),
]);

export const nonTemporalPairs = [WORD, LONG].flatMap((k) => [
  declare(k, false, "nonTemporal"),
  declare(k, true, "nonTemporal"),
]);
