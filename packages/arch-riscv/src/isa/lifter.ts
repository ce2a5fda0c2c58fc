import { InstructionBuilder, type IrBuilder, instructionsOf, type Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import type { CodeMode } from "../cpu/mode.js";
import { unpackMode } from "../cpu/mode.js";
import { X } from "../cpu/state.js";

/** Exception causes the lifter raises by itself. */
const VIRTUAL_INSTRUCTION = 22;

/** Privilege modes as the code mode numbers them. */
export const U_MODE = 0;
export const S_MODE = 1;
export const M_MODE = 3;

/** The instruction being lifted, with RISC-V's names for what the IR offers. */
export class RiscvBuilder extends InstructionBuilder<CodeMode> {
  constructor(ir: IrBuilder) {
    super(ir, unpackMode);
  }

  /** Value of an integer register. */
  x(index: number): Value {
    return index === 0 ? this.i64.const(0) : this.ir.get(X[index]!);
  }

  /** Low half of an integer register, for the W instructions. */
  w(index: number): Value {
    return index === 0 ? this.i32.const(0) : this.i32.wrap_i64(this.x(index));
  }

  /** Write an integer register; x0 stays zero. */
  setX(index: number, value: Value): void {
    if (index !== 0) this.ir.set(X[index]!, value);
  }

  /** Write a sign-extended 32-bit result. */
  setW(index: number, value: Value): void {
    this.setX(index, this.i64.extend_i32_s(value));
  }

  /** Write the i32 result of a comparison as 0 or 1. */
  setBool(index: number, value: Value): void {
    this.setX(index, this.i64.extend_i32_u(value));
  }

  /** Base register plus displacement. */
  address(base: number, displacement: number): Value {
    if (base === 0) return this.i64.const(displacement);
    return this.i64.add(this.x(base), this.i64.const(displacement));
  }

  /** Zero-extended low half of a register (the `.uw` operand of Zba). */
  zeroExtendedWord(index: number): Value {
    return this.i64.extend_i32_u(this.w(index));
  }

  /** The instruction itself as a value: what traps report in xtval. */
  instructionBits(): Value {
    return this.i64.pair(this.bits, 0);
  }

  illegal(): void {
    this.callAndDispatch(Helper.illegal, 0, this.instructionBits());
  }

  /** Virtual-instruction exception: would be legal, were it not for V=1. */
  virtualInstruction(): void {
    this.callAndDispatch(Helper.trap, VIRTUAL_INSTRUCTION, this.instructionBits());
  }
}

/** Declares the instructions of RISC-V extensions. */
export const riscv = (...extensions: readonly string[]) => instructionsOf<RiscvBuilder>(...extensions);
