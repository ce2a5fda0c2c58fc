import { type Field, IrBuilder, type ParcelSource } from "../index.js";
import type { SoftFloatOptions } from "../softfloat/index.js";
import { type EvalEnd, type EvalMachine, EvalMemory, EvalState, evaluate } from "./ir-eval.js";

// One instruction lifted and evaluated, for tests of what it does.

/** A helper that the instruction called. */
export interface HelperCall {
  readonly helper: number;
  readonly constant: number;
  readonly a: bigint;
  readonly b: bigint;
}

/** What an evaluated instruction starts from and leaves behind. */
export abstract class LiftedInstruction<Mode> implements EvalMachine {
  readonly state = new EvalState();
  readonly memory = new EvalMemory();
  abstract readonly fpFlags: Field;
  abstract readonly softFloat: SoftFloatOptions;
  readonly calls: HelperCall[] = [];
  /** What helpers give. */
  helperResult = 0n;
  pcBase = 0x8000_0000n;
  reservation: EvalMachine["reservation"] = null;
  end: EvalEnd = { kind: "none", address: 0n };

  /** Lift the instruction at a page offset; gives its length. Where the mode says nothing, the usual one counts. */
  protected abstract lift(
    builder: IrBuilder,
    source: ParcelSource,
    offset: number,
    mode: Partial<Mode>,
  ): number;
  /** The encoding of an instruction by name. */
  protected abstract encode(name: string, operands: Readonly<Record<string, number>>): number;

  call(helper: number, constant: number, a: bigint, b: bigint): bigint {
    this.calls.push({ helper, constant, a, b });
    return this.helperResult;
  }

  /** Execute an instruction by name. */
  execute(name: string, operands: Readonly<Record<string, number>>, mode: Partial<Mode> = {}): this {
    return this.run(this.encode(name, operands), mode);
  }

  /** Execute an encoding at a page offset. */
  run(bits: number, mode: Partial<Mode> = {}, offset = 0x100): this {
    const builder = new IrBuilder();
    const source: ParcelSource = { u16: (at) => (at === offset ? bits & 0xffff : (bits >>> 16) & 0xffff) };
    builder.instruction(offset);
    const length = this.lift(builder, source, offset, mode);
    this.end = evaluate(builder.finish(offset + length), this);
    return this;
  }
}
