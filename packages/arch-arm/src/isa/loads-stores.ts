import type { AccessSize, Value } from "@hypercraft/engine";
import { type A64Builder, a64 } from "./lifter.js";
import { extendedRegister } from "./register.js";

// Loads and stores of one general-purpose register: Arm ARM, C4.1 "Loads and Stores". A base register is written
// behind the access, so only if the access did not fault.

const { insn } = a64("A64");

/** One kind of access: size and opc fields of the encoding. */
export interface Access {
  readonly size: AccessSize;
  readonly store: boolean;
  readonly signed: boolean;
  /** The register is an X register. */
  readonly wide: boolean;
}

/** Do the access of a register. */
function transfer(b: A64Builder, access: Access, rt: number, address: Value): void {
  if (access.store) return b.store(access.size, address, b.x(rt));
  const value = b.load(access.size, access.signed, address);
  // Zero-extended loads are what they are in both widths.
  if (access.signed && !access.wide) b.setW(rt, b.i32.wrap_i64(value));
  else b.setX(rt, value);
}

interface Kind extends Access {
  /** Size and opc bits. */
  readonly bits: readonly [size: string, opc: string];
  /** Mnemonic without `ld` or `st`: `rb`, `rsw` ... */
  readonly suffix: string;
  readonly rt: "xt" | "wt";
}

function kind(size: AccessSize, opc: string, suffix: string): Kind {
  const store = opc === "00";
  const signed = opc === "10" || opc === "11";
  const wide = size === 8 || opc === "10";
  const bits = { 1: "00", 2: "01", 4: "10", 8: "11" }[size as 1 | 2 | 4 | 8];
  return { size, store, signed, wide, bits: [bits, opc], suffix, rt: wide ? "xt" : "wt" };
}

const KINDS: readonly Kind[] = [
  kind(1, "00", "rb"),
  kind(1, "01", "rb"),
  kind(1, "10", "rsb"),
  kind(1, "11", "rsb"),
  kind(2, "00", "rh"),
  kind(2, "01", "rh"),
  kind(2, "10", "rsh"),
  kind(2, "11", "rsh"),
  kind(4, "00", "r"),
  kind(4, "01", "r"),
  kind(4, "10", "rsw"),
  kind(8, "00", "r"),
  kind(8, "01", "r"),
];

type Target = { readonly xt: number; readonly wt: number };
type Based = Target & { readonly xnSp: number };

const rtOf = ({ rt }: Kind, o: Target): number => (rt === "xt" ? o.xt : o.wt);
/** Unique name: mnemonic, width, addressing. */
const nameOf = (k: Kind, mnemonic: string, form: string): string =>
  `${mnemonic}.${k.rt === "xt" ? "x" : "w"}${form}`;

const LOG: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };

function declare(k: Kind) {
  const [size, opc] = k.bits;
  const stem = k.store ? "st" : "ld";
  const mnemonic = `${stem}${k.suffix}`;
  const { rt } = k;
  const log = LOG[k.size] as number;

  const unsigned = insn(
    `${size} 111001 ${opc} disp[${11 + log}:${log}] xnSp:5 ${rt}:5` as `disp:1 xnSp:1 xt:1 wt:1`,
    `${mnemonic} ${rt}, [xnSp, disp]`,
    (b, o) => transfer(b, k, rtOf(k, o), b.displaced(b.base(o.xnSp), o.disp)),
    { name: nameOf(k, mnemonic, "") },
  );

  /** Displacements of 9 bits; `mode` in bits 11:10. */
  const nine = (mode: string, text: string, name: string, lift: (b: A64Builder, o: Based & Nine) => void) =>
    insn(
      `${size} 111000 ${opc} 0 ${text.includes("sdisp") ? "sdisp" : "idisp"}:9 ${mode} xnSp:5 ${rt}:5` as `sdisp:1 idisp:1 xnSp:1 xt:1 wt:1`,
      text,
      lift,
      { name },
    );

  const unscaledName = mnemonic.replace("r", "ur");
  const unscaled = nine("00", `${unscaledName} ${rt}, [xnSp, sdisp]`, nameOf(k, unscaledName, ""), (b, o) =>
    transfer(b, k, rtOf(k, o), b.displaced(b.base(o.xnSp), o.sdisp)),
  );
  const post = nine("01", `${mnemonic} ${rt}, [xnSp], idisp`, nameOf(k, mnemonic, ".post"), (b, o) => {
    const base = b.base(o.xnSp);
    transfer(b, k, rtOf(k, o), base);
    b.moveXSp(o.xnSp, base, o.idisp);
  });
  const pre = nine("11", `${mnemonic} ${rt}, [xnSp, idisp]!`, nameOf(k, mnemonic, ".pre"), (b, o) => {
    const base = b.base(o.xnSp);
    transfer(b, k, rtOf(k, o), b.displaced(base, o.idisp));
    b.moveXSp(o.xnSp, base, o.idisp);
  });
  const userName = mnemonic.replace("r", "tr");
  const user = nine("10", `${userName} ${rt}, [xnSp, sdisp]`, nameOf(k, userName, ""), (b, o) => {
    const address = b.displaced(b.base(o.xnSp), o.sdisp);
    b.unprivileged(() => transfer(b, k, rtOf(k, o), address));
  });

  const indexed = insn(
    `${size} 111000 ${opc} 1 rm:5 option:3 scaled:1 10 xnSp:5 ${rt}:5` as `rm:1 option:1 scaled:1 xnSp:1 xt:1 wt:1`,
    `${mnemonic} ${rt}, [xnSp, indexRm, scaled]`,
    (b, o) => transfer(b, k, rtOf(k, o), indexedAddress(b, o, log)),
    { name: nameOf(k, mnemonic, ".reg"), where: INDEX_OPTIONS },
  );
  return [unsigned, unscaled, post, pre, user, indexed];
}

type Nine = { readonly sdisp: number; readonly idisp: number };
export type Indexed = { xnSp: number; rm: number; option: number; scaled: number };

/** UXTW, LSL (UXTX), SXTW, SXTX. */
export const INDEX_OPTIONS = "option != 0, option != 1, option != 4, option != 5";

function indexedAddress(b: A64Builder, o: Indexed, log: number): Value {
  const index = extendedRegister(b, o.rm, o.option);
  const scaled = o.scaled === 0 || log === 0 ? index : b.i64.shl(index, b.i64.const(log));
  return b.i64.add(b.base(o.xnSp), scaled);
}

// --- Literal, prefetch -----------------------------------------------------------------------------

const literals = [
  insn(
    "00 011000 offset[20:2] wt:5",
    "ldr wt, offset",
    (b, { wt, offset }) => b.setX(wt, b.load(4, false, b.ir.pc(b.offset + offset))),
    { name: "ldr.w.literal" },
  ),
  insn(
    "01 011000 offset[20:2] xt:5",
    "ldr xt, offset",
    (b, { xt, offset }) => b.setX(xt, b.load(8, false, b.ir.pc(b.offset + offset))),
    { name: "ldr.x.literal" },
  ),
  insn(
    "10 011000 offset[20:2] xt:5",
    "ldrsw xt, offset",
    (b, { xt, offset }) => b.setX(xt, b.load(4, true, b.ir.pc(b.offset + offset))),
    { name: "ldrsw.literal" },
  ),
];

// Prefetching is a hint.
const prefetches = [
  insn("11 111001 10 disp[14:3] xnSp:5 prfop:5", "prfm prfop, [xnSp, disp]", () => {}),
  insn("11 111000 10 0 sdisp:9 00 xnSp:5 prfop:5", "prfum prfop, [xnSp, sdisp]", () => {}),
  insn(
    "11 111000 10 1 rm:5 option:3 scaled:1 10 xnSp:5 prfop:5",
    "prfm prfop, [xnSp, indexRm, scaled]",
    () => {},
    { name: "prfm.reg", where: INDEX_OPTIONS },
  ),
  insn("11 011000 offset[20:2] prfop:5", "prfm prfop, offset", () => {}, { name: "prfm.literal" }),
];

export const loadsStores = [...KINDS.flatMap(declare), ...literals, ...prefetches];
