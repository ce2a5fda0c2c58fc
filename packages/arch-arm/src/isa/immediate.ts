import type { Value } from "@hypercraft/engine";
import { decodeBitmask } from "./bitmask.js";
import { type A64Builder, a64 } from "./lifter.js";

// Data processing, immediate: Arm ARM, C4.1 "Data Processing -- Immediate". Bit 31 says 64 bits throughout.

const { insn } = a64("A64");

const wideOf = (b: A64Builder): boolean => b.bits < 0;

// --- PC-relative -----------------------------------------------------------------------------------

const adr = insn("0 offset[1:0] 10000 offset[20:2] xd:5", "adr xd, offset", (b, { xd, offset }) =>
  b.setX(xd, b.ir.pc(b.offset + offset)),
);
const adrp = insn("1 page[1:0] 10000 page[20:2] xd:5", "adrp xd, page", (b, { xd, page }) =>
  // Blocks lie in one page of 4 KiB, whose first byte is offset 0.
  b.setX(xd, b.i64.add(b.ir.pc(0), b.i64.const(page * 4096))),
);

// --- Add and subtract ------------------------------------------------------------------------------

type AddSub = { rnSp: number; imm: number; sh: number };

const displacementOf = ({ imm, sh }: AddSub): number => (sh === 0 ? imm : imm << 12);
const immediateOf = (b: A64Builder, o: AddSub): Value => b.constant(wideOf(b), displacementOf(o));

const addImm = insn(
  "sf:1 00100010 sh:1 imm:12 rnSp:5 rdSp:5",
  "add rdSp, rnSp, imm, sh",
  (b, o) => {
    const wide = wideOf(b);
    if (wide && o.rdSp === o.rnSp) return b.moveXSp(o.rdSp, b.xSp(o.rnSp), displacementOf(o));
    const source = b.rSp(wide, o.rnSp);
    b.setRSp(wide, o.rdSp, o.imm === 0 ? source : b.ops(wide).add(source, immediateOf(b, o)));
  },
  {
    name: "add.imm",
    aliases: [
      ["mov rdSp, rnSp", "rdSp == 31, imm == 0, sh == 0"],
      ["mov rdSp, rnSp", "rnSp == 31, imm == 0, sh == 0"],
    ],
  },
);
const addsImm = insn(
  "sf:1 01100010 sh:1 imm:12 rnSp:5 rd:5",
  "adds rd, rnSp, imm, sh",
  (b, o) => {
    const wide = wideOf(b);
    b.setR(wide, o.rd, b.addFlags(wide, b.rSp(wide, o.rnSp), immediateOf(b, o)));
  },
  { name: "adds.imm", aliases: [["cmn rnSp, imm, sh", "rd == 31"]] },
);
const subImm = insn(
  "sf:1 10100010 sh:1 imm:12 rnSp:5 rdSp:5",
  "sub rdSp, rnSp, imm, sh",
  (b, o) => {
    const wide = wideOf(b);
    if (wide && o.rdSp === o.rnSp) return b.moveXSp(o.rdSp, b.xSp(o.rnSp), -displacementOf(o));
    b.setRSp(wide, o.rdSp, b.ops(wide).sub(b.rSp(wide, o.rnSp), immediateOf(b, o)));
  },
  { name: "sub.imm" },
);
const subsImm = insn(
  "sf:1 11100010 sh:1 imm:12 rnSp:5 rd:5",
  "subs rd, rnSp, imm, sh",
  (b, o) => {
    const wide = wideOf(b);
    b.setR(wide, o.rd, b.subFlags(wide, b.rSp(wide, o.rnSp), immediateOf(b, o)));
  },
  { name: "subs.imm", aliases: [["cmp rnSp, imm, sh", "rd == 31"]] },
);

// --- Logical ---------------------------------------------------------------------------------------

function bitmaskOf(b: A64Builder, bitmask: number): Value {
  const wide = wideOf(b);
  const value = decodeBitmask(bitmask, wide) as bigint;
  return wide ? b.i64.const(value) : b.i32.const(Number(BigInt.asIntN(32, value)));
}

const andImm = insn(
  "sf:1 00100100 bitmask:13 rn:5 rdSp:5",
  "and rdSp, rn, bitmask",
  (b, o) => {
    const wide = wideOf(b);
    b.setRSp(wide, o.rdSp, b.ops(wide).and(b.r(wide, o.rn), bitmaskOf(b, o.bitmask)));
  },
  { name: "and.imm" },
);
const orrImm = insn(
  "sf:1 01100100 bitmask:13 rn:5 rdSp:5",
  "orr rdSp, rn, bitmask",
  (b, o) => {
    const wide = wideOf(b);
    const mask = bitmaskOf(b, o.bitmask);
    b.setRSp(wide, o.rdSp, o.rn === 31 ? mask : b.ops(wide).or(b.r(wide, o.rn), mask));
  },
  { name: "orr.imm", aliases: [["mov rdSp, bitmask", "rn == 31, notWideMove == 1"]] },
);
const eorImm = insn(
  "sf:1 10100100 bitmask:13 rn:5 rdSp:5",
  "eor rdSp, rn, bitmask",
  (b, o) => {
    const wide = wideOf(b);
    b.setRSp(wide, o.rdSp, b.ops(wide).xor(b.r(wide, o.rn), bitmaskOf(b, o.bitmask)));
  },
  { name: "eor.imm" },
);
const andsImm = insn(
  "sf:1 11100100 bitmask:13 rn:5 rd:5",
  "ands rd, rn, bitmask",
  (b, o) => {
    const wide = wideOf(b);
    const result = b.ops(wide).and(b.r(wide, o.rn), bitmaskOf(b, o.bitmask));
    b.logicFlags(wide, result);
    b.setR(wide, o.rd, result);
  },
  { name: "ands.imm", aliases: [["tst rn, bitmask", "rd == 31"]] },
);

// --- Move wide -------------------------------------------------------------------------------------

/** A 16-bit immediate at a halfword, as int32 halves. */
function placed(imm: number, half: number): readonly [lo: number, hi: number] {
  const bits = (imm << (16 * (half & 1))) | 0;
  return half < 2 ? [bits, 0] : [0, bits];
}

const movn = insn(
  "sf:1 00100101 half:2 imm:16 rd:5",
  "movn rd, imm, half",
  (b, { rd, imm, half }) => {
    const [lo, hi] = placed(imm, half);
    b.setX(rd, b.i64.pair(~lo, wideOf(b) ? ~hi : 0));
  },
  { aliases: [["mov rd, wideMove", "wideMove == 1"]] },
);
const movz = insn(
  "sf:1 10100101 half:2 imm:16 rd:5",
  "movz rd, imm, half",
  (b, { rd, imm, half }) => {
    const [lo, hi] = placed(imm, half);
    b.setX(rd, b.i64.pair(lo, hi));
  },
  { aliases: [["mov rd, wideMove", "wideMove == 1"]] },
);
const movk = insn("sf:1 11100101 half:2 imm:16 rd:5", "movk rd, imm, half", (b, { rd, imm, half }) => {
  const { i64 } = b;
  const [lo, hi] = placed(imm, half);
  const [maskLo, maskHi] = placed(0xffff, half);
  const rest = i64.and(b.x(rd), i64.pair(~maskLo, wideOf(b) ? ~maskHi : 0));
  b.setX(rd, i64.or(rest, i64.pair(lo, hi)));
});

// --- Bitfield --------------------------------------------------------------------------------------

type Bitfield = { rn: number; rd: number; immr: number; imms: number };

/** Shift left, then right: what both moves of a bitfield are, to the bottom or away from it. */
function moved(b: A64Builder, { rn, immr, imms }: Bitfield, signed: boolean): Value {
  const wide = wideOf(b);
  const o = b.ops(wide);
  const size = wide ? 64 : 32;
  const left = size - 1 - imms;
  const right = imms >= immr ? left + immr : immr - 1 - imms;
  const source = b.r(wide, rn);
  if (!signed && left > 0 && right === left && imms < 31)
    return o.and(source, b.constant(wide, 2 ** (imms + 1) - 1));
  const up = left === 0 ? source : o.shl(source, b.constant(wide, left));
  if (right === 0) return up;
  return signed ? o.shr_s(up, b.constant(wide, right)) : o.shr_u(up, b.constant(wide, right));
}

const sbfm = insn(
  "sf:1 00100110 n:1 immr:6 imms:6 rn:5 rd:5",
  "sbfm rd, rn, immr, imms",
  (b, o) => b.setR(wideOf(b), o.rd, moved(b, o, true)),
  {
    where: "n == sf",
    aliases: [
      ["asr rd, rn, immr", "toEnd == 1"],
      ["sxtb rd, wordSource", "immr == 0, imms == 7"],
      ["sxth rd, wordSource", "immr == 0, imms == 15"],
      ["sxtw rd, wordSource", "immr == 0, imms == 31, sf == 1"],
      ["sbfiz rd, rn, position, inserted", "inserts == 1"],
      ["sbfx rd, rn, immr, extracted", ""],
    ],
  },
);
const bfm = insn(
  "sf:1 01100110 n:1 immr:6 imms:6 rn:5 rd:5",
  "bfm rd, rn, immr, imms",
  (b, { rn, rd, immr, imms }) => {
    const wide = wideOf(b);
    const { i64 } = b;
    const inserts = imms < immr;
    const width = inserts ? imms + 1 : imms - immr + 1;
    const position = inserts ? (wide ? 64 : 32) - immr : 0;
    const ones = BigInt.asIntN(64, ((1n << BigInt(width)) - 1n) << BigInt(position));
    const source = wide ? b.x(rn) : i64.extend_i32_u(b.w(rn));
    const shifted = inserts ? i64.shl(source, i64.const(position)) : i64.shr_u(source, i64.const(immr));
    const keep = wide ? ~ones : ~ones & 0xffff_ffffn;
    b.setX(rd, i64.or(i64.and(b.x(rd), i64.const(keep)), i64.and(shifted, i64.const(ones))));
  },
  {
    where: "n == sf",
    aliases: [
      ["bfi rd, rn, position, inserted", "inserts == 1"],
      ["bfxil rd, rn, immr, extracted", ""],
    ],
  },
);
const ubfm = insn(
  "sf:1 10100110 n:1 immr:6 imms:6 rn:5 rd:5",
  "ubfm rd, rn, immr, imms",
  (b, o) => b.setR(wideOf(b), o.rd, moved(b, o, false)),
  {
    where: "n == sf",
    aliases: [
      ["lsr rd, rn, immr", "toEnd == 1"],
      ["lsl rd, rn, position", "toTop == 1"],
      ["uxtb rd, rn", "immr == 0, imms == 7, sf == 0"],
      ["uxth rd, rn", "immr == 0, imms == 15, sf == 0"],
      ["ubfiz rd, rn, position, inserted", "inserts == 1"],
      ["ubfx rd, rn, immr, extracted", ""],
    ],
  },
);
const extr = insn(
  "sf:1 00100111 n:1 0 rm:5 lsb:6 rn:5 rd:5",
  "extr rd, rn, rm, lsb",
  (b, { rn, rm, rd, lsb }) => {
    const wide = wideOf(b);
    const o = b.ops(wide);
    const low = b.r(wide, rm);
    if (lsb === 0) return b.setR(wide, rd, low);
    if (rn === rm) return b.setR(wide, rd, o.rotr(low, b.constant(wide, lsb)));
    const high = o.shl(b.r(wide, rn), b.constant(wide, (wide ? 64 : 32) - lsb));
    b.setR(wide, rd, o.or(high, o.shr_u(low, b.constant(wide, lsb))));
  },
  { where: "n == sf", aliases: [["ror rd, rn, lsb", "rn == rm"]] },
);

export const immediate = [
  adr,
  adrp,
  addImm,
  addsImm,
  subImm,
  subsImm,
  andImm,
  orrImm,
  eorImm,
  andsImm,
  movn,
  movz,
  movk,
  sbfm,
  bfm,
  ubfm,
  extr,
];
