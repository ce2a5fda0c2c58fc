import type { X86Instruction } from "./declaration.js";
import type { OperandSize, OperandType } from "./operand-type.js";

/** `Decoded.base`: the instruction pointer of the next instruction. */
export const RIP = 16;

/** One instruction taken apart. Reused for all: it is only valid until the next one is decoded. */
export class Decoded {
  /** Undefined where the bytes are no instruction: #UD. */
  instruction: X86Instruction<never> | undefined;
  /** Bytes of it. */
  length = 0;
  /** Bytes: 2, 4 or 8. */
  operandSize = 4;
  addressSize = 8;
  /** The last of F2 and F3, 0 without either. */
  repeat = 0;
  lock = false;
  /** A segment override that counts, -1 without. */
  segment = -1;
  /** There is a REX prefix: SPL, BPL, SIL and DIL instead of AH, CH, DH and BH. */
  rex = false;
  wide = false;
  /** The opcode's last byte. */
  opcode = 0;
  mod = 0;
  /** ModRM.reg, ModRM.rm and the opcode's register, extended by REX; VEX.vvvv. */
  reg = 0;
  rm = 0;
  opcodeRegister = 0;
  vvvv = 0;
  /** The memory operand: numbers of registers, -1 for none; `RIP`. */
  base = -1;
  index = -1;
  /** log2 of what the index is multiplied by. */
  scale = 0;
  /** Signed; with an address size of 8 an offset in the instruction can have 64 bits. */
  displacement = 0;
  displacementHigh = 0;
  /** The segment that the memory operand is in without an override: SS for rSP and rBP as base. */
  stackBased = false;
  /** Immediates in their order, low halves sign-extended from their size; the upper half of the first. */
  immediate = 0;
  immediateHigh = 0;
  second = 0;
}

/** Bytes of an operand. */
export function operandBytes(d: Decoded, { size, registerSize }: OperandType): number {
  return sizeBytes(d, registerSize !== undefined && d.mod === 3 ? registerSize : size);
}

function sizeBytes(d: Decoded, size: OperandSize): number {
  switch (size) {
    case "v":
      return d.operandSize;
    case "z":
      return Math.min(d.operandSize, 4);
    case "y":
      return d.wide ? 8 : 4;
    case "p":
      return d.operandSize + 2;
    default:
      return size;
  }
}
