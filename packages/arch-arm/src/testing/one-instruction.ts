import type { IrBuilder, ParcelSource } from "@hypercraft/engine";
import { LiftedInstruction } from "@hypercraft/engine/testing/lifted-instruction";
import { type CodeMode, packMode, unpackMode } from "../cpu/mode.js";
import { armLayout, SP, X } from "../cpu/state.js";
import { liftInstruction } from "../isa/lift.js";
import { armInstructions } from "../isa/table.js";

/** At EL1 with SP_EL1. */
const EL1: CodeMode = { ...unpackMode(0), el: 1, spSel: true };

/** One instruction lifted and evaluated: at EL1, unless the mode says otherwise. */
export class OneInstruction extends LiftedInstruction<CodeMode> {
  override readonly fpFlags = armLayout.fpFlags;
  override readonly softFloat = { nan: "canonical", tininess: "after" } as const;

  x(index: number): bigint {
    return this.state.get(X[index]!);
  }

  sp(el: 0 | 1 | 2): bigint {
    return this.state.get(SP[el]);
  }

  setX(index: number, value: bigint): this {
    this.state.set(X[index]!, value);
    return this;
  }

  protected override encode(name: string, operands: Readonly<Record<string, number>>): number {
    return armInstructions.named(name).encode(operands);
  }

  protected override lift(
    builder: IrBuilder,
    source: ParcelSource,
    offset: number,
    mode: Partial<CodeMode>,
  ): number {
    return liftInstruction(builder, source, offset, packMode({ ...EL1, ...mode }));
  }
}
