import type { X86Declaration } from "./declaration.js";
import { type X86Builder, x86 } from "./lifter.js";

// MOV between registers, memory and immediates, its extending forms, LEA, XCHG, and conditional moves.

const insn = x86("base");

const move = (b: X86Builder): void => b.write(0, b.raw(1));
const zeroExtend = (b: X86Builder): void => b.write(0, b.unsigned(1));
const signExtend = (b: X86Builder): void => b.write(0, b.signed(1));

const exchange = (b: X86Builder): void => {
  const first = b.raw(0, true);
  const second = b.raw(1);
  b.write(0, second);
  b.write(1, first);
};

/** NOP is what XCHG of rAX with itself looks like. */
const exchangeWithAx = (b: X86Builder): void => {
  if (b.d.opcodeRegister !== 0) exchange(b);
};

/** Written in any case, so that the upper half of a 32-bit register becomes zero. */
const conditionalMove = (b: X86Builder): void => {
  const moved = b.raw(1);
  b.write(0, b.ir.select(b.flags.condition(b.d.opcode & 15), moved, b.raw(0)));
};

const setCondition = (b: X86Builder): void =>
  b.write(0, b.i64.extend_i32_u(b.i32.eqz(b.i32.eqz(b.flags.condition(b.d.opcode & 15)))));

const conditions = Array.from({ length: 16 }, (_, code) => code.toString(16).toUpperCase());

export const moves: readonly X86Declaration<X86Builder>[] = [
  insn("mov Eb, Gb", "88 /r", move),
  insn("mov Ev, Gv", "89 /r", move),
  insn("mov Gb, Eb", "8A /r", move),
  insn("mov Gv, Ev", "8B /r", move),
  insn("mov Eb, Ib", "C6 /0", move),
  insn("mov Ev, Iz", "C7 /0", move),
  insn("mov Zb, Ib", "B0+r", move),
  insn("mov Zv, Iv", "B8+r", move),
  insn("mov al, Ob", "A0", move),
  insn("mov rAX, Ov", "A1", move),
  insn("mov Ob, al", "A2", move),
  insn("mov Ov, rAX", "A3", move),
  insn("movzx Gv, Eb", "0F B6 /r", zeroExtend),
  insn("movzx Gv, Ew", "0F B7 /r", zeroExtend),
  insn("movsx Gv, Eb", "0F BE /r", signExtend),
  insn("movsx Gv, Ew", "0F BF /r", signExtend),
  insn("movsxd Gv, Ez", "63 /r", signExtend, { in64: "only" }),
  insn("lea Gv, M", "8D /r", (b) => b.write(0, b.effectiveAddress())),
  insn("xchg Eb, Gb", "86 /r", exchange, { lock: true }),
  insn("xchg Ev, Gv", "87 /r", exchange, { lock: true }),
  insn("xchg Zv, rAX", "90+r", exchangeWithAx),
  ...conditions.map((code) =>
    insn("cmov{cc} Gv, Ev", `0F 4${code} /r`, conditionalMove, { name: `cmov ${code}` }),
  ),
  ...conditions.map((code) => insn("set{cc} Eb", `0F 9${code} /r`, setCondition, { name: `set ${code}` })),
];
