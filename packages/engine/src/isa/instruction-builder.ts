import type { IrBuilder, Value } from "../ir/builder.js";

/** The instruction being lifted, before an architecture gives its own names to what the IR offers. */
export abstract class InstructionBuilder<Mode> {
  readonly ir: IrBuilder;
  readonly i64: IrBuilder["i64"];
  readonly i32: IrBuilder["i32"];
  /** Page offset of the instruction. */
  offset = 0;
  /** Page offset of the instruction after it. */
  next = 0;
  /** The encoding, zero-extended from its width. */
  bits = 0;
  /** The code mode it is lifted for. */
  mode: Mode;
  private modeBits = 0;
  private readonly unpackMode: (bits: number) => Mode;

  constructor(ir: IrBuilder, unpackMode: (bits: number) => Mode) {
    this.ir = ir;
    this.i64 = ir.i64;
    this.i32 = ir.i32;
    this.unpackMode = unpackMode;
    this.mode = unpackMode(0);
  }

  /** Go on to another instruction. */
  begin(offset: number, length: number, bits: number, mode: number): void {
    this.offset = offset;
    this.next = offset + length;
    this.bits = bits;
    if (mode === this.modeBits) return;
    this.modeBits = mode;
    this.mode = this.unpackMode(mode);
  }

  /** Call a helper after which the dispatcher decides how to go on. */
  callAndDispatch(helper: number, constant = 0, a?: Value, b?: Value): void {
    this.ir.call(helper, constant, a, b);
    this.dispatch();
  }

  /** End the block here: what follows must be looked up anew. */
  dispatch(): void {
    this.ir.dispatch(this.next);
  }
}

/** What wraps an IR builder for a lifter. The wrapper used last is kept: a process has one builder or few. */
export function wrapperOf<B extends { readonly ir: IrBuilder }>(
  make: (ir: IrBuilder) => B,
): (ir: IrBuilder) => B {
  let last: B | undefined;
  return (ir) => {
    if (last?.ir !== ir) last = make(ir);
    return last;
  };
}
