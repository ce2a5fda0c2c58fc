import type { IrBuilder, ParcelSource } from "@hypercraft/engine";
import { LiftedInstruction } from "@hypercraft/engine/testing/lifted-instruction";
import { type CodeMode, packMode } from "../cpu/mode.js";
import { F, riscvLayout, X } from "../cpu/state.js";
import { liftInstruction } from "../isa/lift.js";
import { riscvInstructions } from "../isa/table.js";

/** In M-mode with floating point on, and dirty; cache blocks are zeroed by the helper, which asks the rights. */
export const MACHINE_MODE: CodeMode = {
  privilege: 3,
  virtual: false,
  fpOn: true,
  fpDirty: true,
  frm: 0,
  cboZero: false,
};

/** One instruction lifted and evaluated: in M-mode, unless the mode says otherwise. */
export class OneInstruction extends LiftedInstruction<CodeMode> {
  override readonly fpFlags = riscvLayout.fpFlags;
  override readonly softFloat = { nan: "canonical", tininess: "after" } as const;

  x(index: number): bigint {
    return this.state.get(X[index]!);
  }

  f(index: number): bigint {
    return this.state.get(F[index]!);
  }

  setX(index: number, value: bigint): this {
    this.state.set(X[index]!, value);
    return this;
  }

  setF(index: number, value: bigint): this {
    this.state.set(F[index]!, value);
    return this;
  }

  protected override encode(name: string, operands: Readonly<Record<string, number>>): number {
    return riscvInstructions.named(name).encode(operands);
  }

  protected override lift(
    builder: IrBuilder,
    source: ParcelSource,
    offset: number,
    mode: Partial<CodeMode>,
  ): number {
    return liftInstruction(builder, source, offset, packMode({ ...MACHINE_MODE, ...mode }));
  }
}
