import { X87 } from "../state.js";
import { DOUBLE, fromDecimal, fromExtended, fromInteger, isDenormal, SINGLE, widen } from "./formats.js";
import { type Float80, isNaN80, kindOf } from "./number.js";
import { type X87Request, X87Source } from "./operations.js";
import { Environment, Exception } from "./rounding.js";
import { RegisterStack, StatusBit, type X87Core } from "./stack.js";

const { c1: C1 } = StatusBit;

/** How an operation went: with "ended", an exception that is not masked keeps the instruction from going on. */
export type Outcome = "done" | "ended";

export const DONE: Outcome = "done";
export const ENDED: Outcome = "ended";

/** A store that waits for its memory. */
export interface PendingStore {
  readonly env: Environment;
  readonly pops: number;
}

/** What instructions of the floating-point unit have in common: operands, exceptions, the delivery of results. */
export class Execution {
  readonly stack: RegisterStack;
  pending: PendingStore = { env: new Environment(0x37f), pops: 0 };
  /** Raised by the conversion of a memory operand. */
  private readonly conversion = new Environment(0x37f);

  constructor(core: X87Core) {
    this.stack = new RegisterStack(core);
  }

  /** Flag what was raised. True if the result must not be delivered. */
  settle(env: Environment): boolean {
    const { stack } = this;
    const { settled, blocked, roundedUp } = env;
    stack.status |= settled;
    const stackFault = (settled & Exception.stackFault) !== 0;
    // A stack fault has said what C1 is to be.
    if (!stackFault) stack.setCodes(C1, !blocked && roundedUp ? C1 : 0);
    stack.summarize();
    return blocked;
  }

  /** A register that is read, or written without being free. True if the result must not be delivered. */
  stackFault(env: Environment, overflow: boolean): boolean {
    env.raise(Exception.invalid | Exception.stackFault);
    this.stack.setCodes(C1, overflow ? C1 : 0);
    return this.settle(env);
  }

  /** A memory operand as a number, with what its conversion raises. */
  convert(env: Environment, source: number, a: bigint, b: bigint): Float80 {
    switch (source) {
      case X87Source.single:
      case X87Source.double: {
        const format = source === X87Source.single ? SINGLE : DOUBLE;
        const bits = BigInt.asUintN(format.bits, a);
        if (isDenormal(bits, format)) env.raise(Exception.denormal);
        return widen(bits, format);
      }
      case X87Source.int16:
        return fromInteger(a, 16);
      case X87Source.int32:
        return fromInteger(a, 32);
      case X87Source.int64:
        return fromInteger(a, 64);
      case X87Source.extended:
        return fromExtended(a, Number(b & 0xffffn));
      default:
        return fromDecimal(((b & 0xffffn) << 64n) | a);
    }
  }

  /** The other operand of an instruction: a register or memory. Undefined if it or ST(0) is empty. */
  operand({ source, register }: X87Request, a: bigint): Float80 | undefined {
    const { stack } = this;
    if (stack.isEmpty(0)) return undefined;
    if (source === X87Source.register) return stack.isEmpty(register) ? undefined : stack.get(register);
    return this.convert(this.conversion, source, a, 0n);
  }

  /** Was the memory operand denormal? DE counts only where the operation gets to it. */
  noteConversion(env: Environment, other: Float80): void {
    const { conversion } = this;
    const raised = conversion.flags;
    conversion.flags = 0;
    if ((env.flags & (Exception.invalid | Exception.zeroDivide)) !== 0) return;
    if (!isNaN80(kindOf(other))) env.raise(raised);
  }

  /** Give the instruction a value of up to 80 bits. */
  give(value: bigint): void {
    const { core } = this.stack;
    core.setBig(X87.result, BigInt.asUintN(64, value));
    core.setBig(X87.resultHigh, value >> 64n);
  }

  deliver(target: number, value: Float80, pops: number): void {
    this.stack.set(target, value);
    for (let i = 0; i < pops; i++) this.stack.pop();
  }
}
