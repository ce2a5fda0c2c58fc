import { type CodeSource, IrBuilder } from "@hypercraft/engine";
import {
  type EvalEnd,
  type EvalMachine,
  EvalMemory,
  EvalState,
  evaluate,
} from "@hypercraft/engine/testing/ir-eval";
import { type CodeMode, packMode } from "../cpu/mode.js";
import { F, riscvLayout, X } from "../cpu/state.js";
import { liftInstruction } from "../isa/lift.js";
import { riscvInstructions } from "../isa/table.js";

// One instruction lifted and evaluated, for tests of what it does.

/** A helper that the instruction called. */
export interface HelperCall {
  readonly helper: number;
  readonly constant: number;
  readonly a: bigint;
  readonly b: bigint;
}

/** In M-mode with floating point on, and dirty; cache blocks are zeroed by the helper, which asks the rights. */
export const MACHINE_MODE: CodeMode = {
  privilege: 3,
  virtual: false,
  fpOn: true,
  fpDirty: true,
  frm: 0,
  cboZero: false,
};

/** What an evaluated instruction starts from and leaves behind. */
export class OneInstruction implements EvalMachine {
  readonly state = new EvalState();
  readonly memory = new EvalMemory();
  readonly fpFlags = riscvLayout.fpFlags;
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

  call(helper: number, constant: number, a: bigint, b: bigint): bigint {
    this.calls.push({ helper, constant, a, b });
    return this.helperResult;
  }

  /** Execute an encoding at a page offset. */
  run(bits: number, mode: Partial<CodeMode> = {}, offset = 0x100): this {
    const builder = new IrBuilder();
    const source: CodeSource = { u16: (at) => (at === offset ? bits & 0xffff : (bits >>> 16) & 0xffff) };
    builder.instruction(offset);
    const length = liftInstruction(builder, source, offset, packMode({ ...MACHINE_MODE, ...mode }));
    this.end = evaluate(builder.finish(offset + length), this);
    return this;
  }

  /** Execute an instruction by name. */
  execute(name: string, operands: Readonly<Record<string, number>>, mode: Partial<CodeMode> = {}): this {
    return this.run(riscvInstructions.named(name).encode(operands), mode);
  }
}
