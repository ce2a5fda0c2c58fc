import { Helper } from "../cpu/helper-ids.js";
import { type A64Builder, a64, LINK } from "./lifter.js";

// Branches and the instructions that generate exceptions: Arm ARM, C4.1 "Branches, Exception Generating and System".

const { insn } = a64("A64");

const wideOf = (b: A64Builder): boolean => b.bits < 0;

type Compare = { rd: number; offset: number };

const compareWithZero =
  (equal: boolean) =>
  (b: A64Builder, { rd, offset }: Compare) => {
    const wide = wideOf(b);
    const o = b.ops(wide);
    const [value, zero] = [b.r(wide, rd), b.constant(wide, 0)];
    b.ir.branch(equal ? o.eq(value, zero) : o.ne(value, zero), b.offset + offset, b.next);
  };

type Test = { bit: number; rd: number; offset: number };

const testBit =
  (set: boolean) =>
  (b: A64Builder, { bit, rd, offset }: Test) => {
    const { i64 } = b;
    const mask = bit < 32 ? i64.pair(1 << bit, 0) : i64.pair(0, 1 << (bit - 32));
    const [value, zero] = [i64.and(b.x(rd), mask), i64.const(0)];
    b.ir.branch(set ? i64.ne(value, zero) : i64.eq(value, zero), b.offset + offset, b.next);
  };

/** An instruction that takes an exception with a 16-bit immediate; below `level` it is undefined. */
const exception =
  (helper: number, level: number) =>
  (b: A64Builder, { imm }: { imm: number }) => {
    if (b.mode.el < level) b.undefined();
    else b.callAndDispatch(helper, imm);
  };

export const branches = [
  insn("000101 offset[27:2]", "b offset", (b, { offset }) => b.ir.jump(b.offset + offset)),
  insn("100101 offset[27:2]", "bl offset", (b, { offset }) => {
    b.setX(LINK, b.ir.pc(b.next));
    b.ir.jump(b.offset + offset);
  }),
  insn(
    "01010100 offset[20:2] 0 cond:4",
    "b.{cond} offset",
    (b, { offset, cond }) => {
      if (cond >= 14) b.ir.jump(b.offset + offset);
      else b.ir.branch(b.condition(cond), b.offset + offset, b.next);
    },
    { name: "b.cond" },
  ),
  insn("sf:1 0110100 offset[20:2] rd:5", "cbz rd, offset", compareWithZero(true)),
  insn("sf:1 0110101 offset[20:2] rd:5", "cbnz rd, offset", compareWithZero(false)),
  insn("bit[5] 0110110 bit[4:0] offset[15:2] rd:5", "tbz rd, bit, offset", testBit(false)),
  insn("bit[5] 0110111 bit[4:0] offset[15:2] rd:5", "tbnz rd, bit, offset", testBit(true)),
  insn("1101011000011111000000 xn:5 00000", "br xn", (b, { xn }) => b.branchTo(b.x(xn), false)),
  insn("1101011000111111000000 xn:5 00000", "blr xn", (b, { xn }) => b.branchTo(b.x(xn), true)),
  insn("1101011001011111000000 xn:5 00000", "ret xn", (b, { xn }) => b.ir.returnTo(b.x(xn)), {
    aliases: [["ret", "xn == 30"]],
  }),
  insn("11010110100111110000001111100000", "eret", (b) => {
    if (b.mode.el === 0) b.undefined();
    else b.callAndDispatch(Helper.eret);
  }),
  insn("11010100000 imm:16 00001", "svc imm", exception(Helper.svc, 0)),
  insn("11010100000 imm:16 00010", "hvc imm", exception(Helper.hvc, 1)),
  insn("11010100000 imm:16 00011", "smc imm", exception(Helper.smc, 1)),
  insn("11010100001 imm:16 00000", "brk imm", exception(Helper.brk, 0)),
  insn("11010100010 imm:16 00000", "hlt imm", exception(Helper.hlt, 0)),
  insn("0000000000000000 imm:16", "udf imm", (b) => b.undefined()),
];
