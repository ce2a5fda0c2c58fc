import { type CodeSource, IrBuilder } from "@hypercraft/engine";
import {
  type EvalEnd,
  type EvalMachine,
  EvalMemory,
  EvalState,
  evaluate,
} from "@hypercraft/engine/testing/ir-eval";
import { type CodeMode, packMode, unpackMode } from "../cpu/mode.js";
import { armLayout, SP, X } from "../cpu/state.js";
import { liftInstruction } from "../isa/lift.js";
import { armInstructions } from "../isa/table.js";

// One instruction lifted and evaluated, for tests of what it does.

/** A helper that the instruction called. */
export interface HelperCall {
  readonly helper: number;
  readonly constant: number;
  readonly a: bigint;
  readonly b: bigint;
}

/** At EL1 with SP_EL1. */
const EL1: CodeMode = { ...unpackMode(0), el: 1, spSel: true };

/** What an evaluated instruction starts from and leaves behind. */
export class OneInstruction implements EvalMachine {
  readonly state = new EvalState();
  readonly memory = new EvalMemory();
  readonly fpFlags = armLayout.fpFlags;
  readonly softFloat = { nan: "canonical", tininess: "after" } as const;
  readonly calls: HelperCall[] = [];
  /** What helpers give. */
  helperResult = 0n;
  pcBase = 0x8000_0000n;
  reservation: EvalMachine["reservation"] = null;
  end: EvalEnd = { kind: "none", address: 0n };

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

  call(helper: number, constant: number, a: bigint, b: bigint): bigint {
    this.calls.push({ helper, constant, a, b });
    return this.helperResult;
  }

  /** Execute an instruction by name; at EL1 unless the mode says otherwise. */
  execute(name: string, operands: Readonly<Record<string, number>>, mode: Partial<CodeMode> = {}): this {
    return this.run(armInstructions.named(name).encode(operands), mode);
  }

  /** Execute an encoding at a page offset. */
  run(bits: number, mode: Partial<CodeMode> = {}, offset = 0x100): this {
    const builder = new IrBuilder();
    const source: CodeSource = { u16: (at) => (at === offset ? bits & 0xffff : (bits >>> 16) & 0xffff) };
    builder.instruction(offset);
    const length = liftInstruction(builder, source, offset, packMode({ ...EL1, ...mode }));
    this.end = evaluate(builder.finish(offset + length), this);
    return this;
  }
}
