import type { AccessSize, Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { INDEX_OPTIONS } from "./loads-stores.js";
import { extendedRegister } from "./register.js";
import {
  low64,
  setLow64,
  setVector,
  type VectorFields,
  type VectorLift,
  vector,
  vectorInstructions,
} from "./vector-lifter.js";

// Loads and stores of floating-point and Advanced SIMD registers, one or two: Arm ARM, C4.1 "Loads and Stores", V = 1.

const insn = vectorInstructions("FP");

interface Kind {
  readonly letter: "b" | "h" | "s" | "d" | "q";
  readonly log: number;
  /** The size field, and the upper bit of opc. */
  readonly size: string;
  readonly opc: string;
  readonly rt: "vbt" | "vht" | "vst" | "vdt" | "vqt";
}

const KINDS: readonly Kind[] = [
  { letter: "b", log: 0, size: "00", opc: "0", rt: "vbt" },
  { letter: "h", log: 1, size: "01", opc: "0", rt: "vht" },
  { letter: "s", log: 2, size: "10", opc: "0", rt: "vst" },
  { letter: "d", log: 3, size: "11", opc: "0", rt: "vdt" },
  { letter: "q", log: 4, size: "00", opc: "1", rt: "vqt" },
];

const sizeOf = ({ log }: Kind): AccessSize => (1 << log) as AccessSize;

function loadTo(b: A64Builder, k: Kind, index: number, value: Value): void {
  if (k.log === 4) setVector(b, index, value);
  else setLow64(b, index, value);
}

const storable = (b: A64Builder, k: Kind, index: number): Value =>
  k.log === 4 ? vector(b, index) : low64(b, index);

function transfer(b: A64Builder, k: Kind, load: boolean, rt: number, address: Value): void {
  if (load) loadTo(b, k, rt, b.load(sizeOf(k), false, address));
  else b.store(sizeOf(k), address, storable(b, k, rt));
}

function declareSingle(k: Kind, load: boolean) {
  const { rt, size, log, letter } = k;
  const opc = `${k.opc}${load ? 1 : 0}`;
  const stem = load ? "ld" : "st";
  const access = (b: A64Builder, o: VectorFields, address: Value) => transfer(b, k, load, o[rt], address);
  const unsigned = insn(
    `${size} 111101 ${opc} disp[${11 + log}:${log}] xnSp:5 ${rt}:5`,
    `${stem}r ${rt}, [xnSp, disp]`,
    (b, o) => access(b, o, b.displaced(b.base(o.xnSp), o.disp)),
    { name: `${stem}r.${letter}` },
  );
  const unscaled = insn(
    `${size} 111100 ${opc} 0 sdisp:9 00 xnSp:5 ${rt}:5`,
    `${stem}ur ${rt}, [xnSp, sdisp]`,
    (b, o) => access(b, o, b.displaced(b.base(o.xnSp), o.sdisp)),
    { name: `${stem}ur.${letter}` },
  );
  const post = insn(
    `${size} 111100 ${opc} 0 idisp:9 01 xnSp:5 ${rt}:5`,
    `${stem}r ${rt}, [xnSp], idisp`,
    (b, o) => {
      const base = b.base(o.xnSp);
      access(b, o, base);
      b.moveXSp(o.xnSp, base, o.idisp);
    },
    { name: `${stem}r.${letter}.post` },
  );
  const pre = insn(
    `${size} 111100 ${opc} 0 idisp:9 11 xnSp:5 ${rt}:5`,
    `${stem}r ${rt}, [xnSp, idisp]!`,
    (b, o) => {
      const base = b.base(o.xnSp);
      access(b, o, b.displaced(base, o.idisp));
      b.moveXSp(o.xnSp, base, o.idisp);
    },
    { name: `${stem}r.${letter}.pre` },
  );
  const indexed = insn(
    `${size} 111100 ${opc} 1 rm:5 option:3 scaled:1 10 xnSp:5 ${rt}:5`,
    `${stem}r ${rt}, [xnSp, indexRm, scaled]`,
    (b, o) => {
      const index = extendedRegister(b, o.rm, o.option);
      const scaled = o.scaled === 0 || log === 0 ? index : b.i64.shl(index, b.i64.const(log));
      access(b, o, b.i64.add(b.base(o.xnSp), scaled));
    },
    { name: `${stem}r.${letter}.reg`, where: INDEX_OPTIONS },
  );
  return [unsigned, unscaled, post, pre, indexed];
}

const paired = KINDS.slice(2);

const literals = paired.map((k, i) =>
  insn(
    `${["00", "01", "10"][i]} 011100 offset[20:2] ${k.rt}:5`,
    `ldr ${k.rt}, offset`,
    (b, o) => transfer(b, k, true, o[k.rt], b.ir.pc(b.offset + o.offset)),
    { name: `ldr.${k.letter}.literal` },
  ),
);

const MODES = { post: "001", offset: "010", pre: "011", nonTemporal: "000" } as const;

function declarePair(k: Kind, opc: string, load: boolean, mode: keyof typeof MODES) {
  const [first, second] = [k.rt, `${k.rt}2` as "vst2" | "vdt2" | "vqt2"];
  const updates = mode === "post" || mode === "pre";
  const disp = updates ? "idisp" : "sdisp";
  const stem = `${load ? "ld" : "st"}${mode === "nonTemporal" ? "np" : "p"}`;
  const place = updates
    ? { post: "[xnSp], idisp", pre: "[xnSp, idisp]!" }[mode as "post" | "pre"]
    : "[xnSp, sdisp]";
  const lift: VectorLift = (b, o) => {
    const base = b.base(o.xnSp);
    const displacement = mode === "post" ? 0 : o[disp];
    const [address, next] = [b.displaced(base, displacement), b.displaced(base, displacement + sizeOf(k))];
    if (load) {
      const low = b.load(sizeOf(k), false, address);
      const high = b.load(sizeOf(k), false, next);
      loadTo(b, k, o[first], low);
      loadTo(b, k, o[second], high);
    } else {
      b.store(sizeOf(k), address, storable(b, k, o[first]));
      b.store(sizeOf(k), next, storable(b, k, o[second]));
    }
    if (updates) b.moveXSp(o.xnSp, base, o.idisp);
  };
  return insn(
    `${opc} 1011 ${MODES[mode]} ${load ? 1 : 0} ${disp}[${6 + k.log}:${k.log}] ${second}:5 xnSp:5 ${first}:5`,
    `${stem} ${first}, ${second}, ${place}`,
    lift,
    { name: `${stem}.${k.letter}${updates ? `.${mode}` : ""}` },
  );
}

export const vectorLoadsStores = [
  ...KINDS.flatMap((k) => [...declareSingle(k, false), ...declareSingle(k, true)]),
  ...literals,
  ...paired.flatMap((k, i) =>
    (["post", "offset", "pre", "nonTemporal"] as const).flatMap((mode) =>
      [false, true].map((load) => declarePair(k, ["00", "01", "10"][i] as string, load, mode)),
    ),
  ),
];
