import type { Value } from "@hypercraft/engine";
import { type A64Builder, a64 } from "./lifter.js";

// Data processing, register: logical, add and subtract of shifted and extended registers, with carry, conditional.

const { insn } = a64("A64");

const wideOf = (b: A64Builder): boolean => b.bits < 0;

type Shifted = { rm: number; rn: number; rd: number; shift: number; amount: number };

const SHIFTS = ["shl", "shr_u", "shr_s", "rotr"] as const;

function shifted(b: A64Builder, { rm, shift, amount }: Shifted): Value {
  const wide = wideOf(b);
  const source = b.r(wide, rm);
  if (amount === 0) return source;
  return b.ops(wide)[SHIFTS[shift & 3] as "shl"](source, b.constant(wide, amount));
}

type Binary = (b: A64Builder, wide: boolean, x: Value, y: Value) => Value;

/** Not of the second operand first, as in BIC. */
const inverted =
  (compute: Binary): Binary =>
  (b, wide, x, y) =>
    compute(b, wide, x, b.ops(wide).xor(y, b.constant(wide, -1)));

const and: Binary = (b, wide, x, y) => b.ops(wide).and(x, y);
const orr: Binary = (b, wide, x, y) => b.ops(wide).or(x, y);
const eor: Binary = (b, wide, x, y) => b.ops(wide).xor(x, y);
const add: Binary = (b, wide, x, y) => b.ops(wide).add(x, y);
const sub: Binary = (b, wide, x, y) => b.ops(wide).sub(x, y);
const adds: Binary = (b, wide, x, y) => b.addFlags(wide, x, y);
const subs: Binary = (b, wide, x, y) => b.subFlags(wide, x, y);
const ands: Binary = (b, wide, x, y) => {
  const result = and(b, wide, x, y);
  b.logicFlags(wide, result);
  return result;
};

const withShift = (compute: Binary) => (b: A64Builder, o: Shifted) => {
  const wide = wideOf(b);
  b.setR(wide, o.rd, compute(b, wide, b.r(wide, o.rn), shifted(b, o)));
};

/** ORR and ORN of the zero register are moves. */
const moving = (compute: Binary) => (b: A64Builder, o: Shifted) => {
  if (o.rn !== 31) return withShift(compute)(b, o);
  const wide = wideOf(b);
  const source = shifted(b, o);
  b.setR(wide, o.rd, compute === orr ? source : b.ops(wide).xor(source, b.constant(wide, -1)));
};
const orn = inverted(orr);

const logicalShifted = [
  insn("sf:1 0001010 shift:2 0 rm:5 amount:6 rn:5 rd:5", "and rd, rn, rm, amount", withShift(and)),
  insn("sf:1 0001010 shift:2 1 rm:5 amount:6 rn:5 rd:5", "bic rd, rn, rm, amount", withShift(inverted(and))),
  insn("sf:1 0101010 shift:2 0 rm:5 amount:6 rn:5 rd:5", "orr rd, rn, rm, amount", moving(orr), {
    aliases: [["mov rd, rm", "rn == 31, shift == 0, amount == 0"]],
  }),
  insn("sf:1 0101010 shift:2 1 rm:5 amount:6 rn:5 rd:5", "orn rd, rn, rm, amount", moving(orn), {
    aliases: [["mvn rd, rm, amount", "rn == 31"]],
  }),
  insn("sf:1 1001010 shift:2 0 rm:5 amount:6 rn:5 rd:5", "eor rd, rn, rm, amount", withShift(eor)),
  insn("sf:1 1001010 shift:2 1 rm:5 amount:6 rn:5 rd:5", "eon rd, rn, rm, amount", withShift(inverted(eor))),
  insn("sf:1 1101010 shift:2 0 rm:5 amount:6 rn:5 rd:5", "ands rd, rn, rm, amount", withShift(ands), {
    aliases: [["tst rn, rm, amount", "rd == 31"]],
  }),
  insn(
    "sf:1 1101010 shift:2 1 rm:5 amount:6 rn:5 rd:5",
    "bics rd, rn, rm, amount",
    withShift(inverted(ands)),
  ),
];

const addSubShifted = [
  insn("sf:1 0001011 shift:2 0 rm:5 amount:6 rn:5 rd:5", "add rd, rn, rm, amount", withShift(add), {
    where: "shift != 3",
  }),
  insn("sf:1 0101011 shift:2 0 rm:5 amount:6 rn:5 rd:5", "adds rd, rn, rm, amount", withShift(adds), {
    where: "shift != 3",
    aliases: [["cmn rn, rm, amount", "rd == 31"]],
  }),
  insn("sf:1 1001011 shift:2 0 rm:5 amount:6 rn:5 rd:5", "sub rd, rn, rm, amount", withShift(sub), {
    where: "shift != 3",
    aliases: [["neg rd, rm, amount", "rn == 31"]],
  }),
  insn("sf:1 1101011 shift:2 0 rm:5 amount:6 rn:5 rd:5", "subs rd, rn, rm, amount", withShift(subs), {
    where: "shift != 3",
    aliases: [
      ["cmp rn, rm, amount", "rd == 31"],
      ["negs rd, rm, amount", "rn == 31"],
    ],
  }),
];

// --- Extended registers ----------------------------------------------------------------------------

type Extended = { rm: number; option: number; extend: number; rnSp: number };

/** Rm extended as `option` says (bit 2: signed; size 1, 2, 4 or 8 bytes), as an i64. */
export function extendedRegister(b: A64Builder, rm: number, option: number): Value {
  const { i64 } = b;
  const source = b.x(rm);
  switch (option) {
    case 0:
      return i64.and(source, i64.const(0xff));
    case 1:
      return i64.and(source, i64.const(0xffff));
    case 2:
      return i64.extend_i32_u(b.w(rm));
    case 4:
      return i64.extend8_s(source);
    case 5:
      return i64.extend16_s(source);
    case 6:
      return i64.extend32_s(source);
    default:
      return source;
  }
}

const withExtension =
  <D extends "rd" | "rdSp">(destination: D, compute: Binary) =>
  (b: A64Builder, o: Extended & Readonly<Record<D, number>>) => {
    const wide = wideOf(b);
    const extended = extendedRegister(b, o.rm, o.option);
    const operand = wide ? extended : b.i32.wrap_i64(extended);
    const shift = o.extend === 0 ? operand : b.ops(wide).shl(operand, b.constant(wide, o.extend));
    const result = compute(b, wide, b.rSp(wide, o.rnSp), shift);
    if (destination === "rd") b.setR(wide, o[destination], result);
    else b.setRSp(wide, o[destination], result);
  };

const addSubExtended = [
  insn(
    "sf:1 0001011001 rm:5 option:3 extend:3 rnSp:5 rdSp:5",
    "add rdSp, rnSp, extendedRm, extend",
    withExtension("rdSp", add),
    { name: "add.ext" },
  ),
  insn(
    "sf:1 0101011001 rm:5 option:3 extend:3 rnSp:5 rd:5",
    "adds rd, rnSp, extendedRm, extend",
    withExtension("rd", adds),
    { name: "adds.ext", aliases: [["cmn rnSp, extendedRm, extend", "rd == 31"]] },
  ),
  insn(
    "sf:1 1001011001 rm:5 option:3 extend:3 rnSp:5 rdSp:5",
    "sub rdSp, rnSp, extendedRm, extend",
    withExtension("rdSp", sub),
    { name: "sub.ext" },
  ),
  insn(
    "sf:1 1101011001 rm:5 option:3 extend:3 rnSp:5 rd:5",
    "subs rd, rnSp, extendedRm, extend",
    withExtension("rd", subs),
    { name: "subs.ext", aliases: [["cmp rnSp, extendedRm, extend", "rd == 31"]] },
  ),
];

// --- With carry ------------------------------------------------------------------------------------

type Three = { rm: number; rn: number; rd: number };

const withCarry = (subtract: boolean, setFlags: boolean) => (b: A64Builder, o: Three) => {
  const wide = wideOf(b);
  const second = b.r(wide, o.rm);
  const operand = subtract ? b.ops(wide).xor(second, b.constant(wide, -1)) : second;
  b.setR(wide, o.rd, b.addWithCarry(wide, b.r(wide, o.rn), operand, setFlags));
};

const carry = [
  insn("sf:1 0011010000 rm:5 000000 rn:5 rd:5", "adc rd, rn, rm", withCarry(false, false)),
  insn("sf:1 0111010000 rm:5 000000 rn:5 rd:5", "adcs rd, rn, rm", withCarry(false, true)),
  insn("sf:1 1011010000 rm:5 000000 rn:5 rd:5", "sbc rd, rn, rm", withCarry(true, false), {
    aliases: [["ngc rd, rm", "rn == 31"]],
  }),
  insn("sf:1 1111010000 rm:5 000000 rn:5 rd:5", "sbcs rd, rn, rm", withCarry(true, true), {
    aliases: [["ngcs rd, rm", "rn == 31"]],
  }),
];

// --- Conditional -----------------------------------------------------------------------------------

type Compare = { rn: number; cond: number; nzcv: number };

const comparing =
  (subtract: boolean, second: (b: A64Builder, wide: boolean, o: never) => Value) =>
  (b: A64Builder, o: Compare) => {
    const wide = wideOf(b);
    b.compareIf(o.cond, subtract, wide, b.r(wide, o.rn), second(b, wide, o as never), o.nzcv);
  };
const immediate = (b: A64Builder, wide: boolean, { imm }: { imm: number }) => b.constant(wide, imm);
const second = (b: A64Builder, wide: boolean, { rm }: { rm: number }) => b.r(wide, rm);

const conditionalCompare = [
  insn("sf:1 0111010010 rm:5 cond:4 00 rn:5 0 nzcv:4", "ccmn rn, rm, nzcv, cond", comparing(false, second)),
  insn("sf:1 1111010010 rm:5 cond:4 00 rn:5 0 nzcv:4", "ccmp rn, rm, nzcv, cond", comparing(true, second)),
  insn(
    "sf:1 0111010010 imm:5 cond:4 10 rn:5 0 nzcv:4",
    "ccmn rn, imm, nzcv, cond",
    comparing(false, immediate),
    {
      name: "ccmn.imm",
    },
  ),
  insn(
    "sf:1 1111010010 imm:5 cond:4 10 rn:5 0 nzcv:4",
    "ccmp rn, imm, nzcv, cond",
    comparing(true, immediate),
    {
      name: "ccmp.imm",
    },
  ),
];

type Select = Three & { cond: number };

const selecting =
  (otherwise: (b: A64Builder, wide: boolean, y: Value) => Value) => (b: A64Builder, o: Select) => {
    const wide = wideOf(b);
    const condition = b.condition(o.cond);
    const x = b.r(wide, o.rn);
    b.setR(wide, o.rd, b.ir.select(condition, x, otherwise(b, wide, b.r(wide, o.rm))));
  };

/** CSINC and CSINV of one register: what a condition adds, or CSET and CSETM, need no choice. */
const changing = (sign: "add" | "sub", otherwise: typeof increment) => {
  const choose = selecting(otherwise);
  return (b: A64Builder, o: Select) => {
    const { rd, rn, rm, cond } = o;
    // What is not the sum of a register and a condition: the inverse of a register.
    if (rn !== rm || cond >= 14 || (sign === "sub" && rn !== 31)) return choose(b, o);
    const wide = wideOf(b);
    const condition = b.condition(cond ^ 1);
    const value = wide ? b.i64.extend_i32_u(condition) : condition;
    if (rn === 31 && sign === "add") b.setR(wide, rd, value);
    else b.setR(wide, rd, b.ops(wide)[sign](b.r(wide, rn), value));
  };
};
const not = (b: A64Builder, wide: boolean, y: Value) => b.ops(wide).xor(y, b.constant(wide, -1));
const increment = (b: A64Builder, wide: boolean, y: Value) => b.ops(wide).add(y, b.constant(wide, 1));
const negate = (b: A64Builder, wide: boolean, y: Value) => b.ops(wide).sub(b.constant(wide, 0), y);

const conditionalSelect = [
  insn(
    "sf:1 0011010100 rm:5 cond:4 00 rn:5 rd:5",
    "csel rd, rn, rm, cond",
    selecting((_, __, y) => y),
  ),
  insn("sf:1 0011010100 rm:5 cond:4 01 rn:5 rd:5", "csinc rd, rn, rm, cond", changing("add", increment), {
    aliases: [
      ["cset rd, inverted", "rn == 31, rm == 31, conditional == 1"],
      ["cinc rd, rn, inverted", "rn == rm, rn != 31, conditional == 1"],
    ],
  }),
  insn("sf:1 1011010100 rm:5 cond:4 00 rn:5 rd:5", "csinv rd, rn, rm, cond", changing("sub", not), {
    aliases: [
      ["csetm rd, inverted", "rn == 31, rm == 31, conditional == 1"],
      ["cinv rd, rn, inverted", "rn == rm, rn != 31, conditional == 1"],
    ],
  }),
  insn("sf:1 1011010100 rm:5 cond:4 01 rn:5 rd:5", "csneg rd, rn, rm, cond", selecting(negate), {
    aliases: [["cneg rd, rn, inverted", "rn == rm, conditional == 1"]],
  }),
];

export const register = [
  ...logicalShifted,
  ...addSubShifted,
  ...addSubExtended,
  ...carry,
  ...conditionalCompare,
  ...conditionalSelect,
];
