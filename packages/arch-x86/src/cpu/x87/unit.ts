import { X87 } from "../state.js";
import { scale } from "./arithmetic.js";
import {
  BINARY,
  extractParts,
  fromTwo,
  POPPING,
  partialRemainder,
  replaceAndPop,
  replaceByOne,
  replaceByTwo,
  UNARY,
} from "./arithmetic-instructions.js";
import { compareCodes, compareFlags, examine, test } from "./comparisons.js";
import { DONE, Execution, type Outcome } from "./execution.js";
import {
  exchange,
  load,
  loadConstant,
  loadRegister,
  moveIf,
  store,
  stored,
  storeRegister,
  storeUnchecked,
} from "./moves.js";
import { X87Op, type X87Request } from "./operations.js";
import { Environment } from "./rounding.js";
import { type RegisterStack, StatusBit, type X87Core } from "./stack.js";
import type { TrigonometricFunction } from "./transcendental.js";
import { sineAndCosine, TRIGONOMETRIC, trigonometricOf } from "./trigonometric-instructions.js";

// The floating-point unit's instructions: SDM volume 1, chapter 8, and volume 2.

const { c1: C1 } = StatusBit;

export type { Outcome } from "./execution.js";

export class X87Unit {
  private readonly execution: Execution;

  constructor(core: X87Core) {
    this.execution = new Execution(core);
  }

  get stack(): RegisterStack {
    return this.execution.stack;
  }

  /** Carry out an operation; `a` and `b` are what the lifter has loaded of a memory operand. */
  run(request: X87Request, a: bigint, b: bigint): Outcome {
    const { op } = request;
    const x87 = this.execution;
    const env = new Environment(x87.stack.control);
    const binary = BINARY[op];
    if (binary !== undefined) return replaceByTwo(x87, env, request, binary, a);
    const unary = UNARY[op];
    if (unary !== undefined) return replaceByOne(x87, env, unary);
    const popping = POPPING[op];
    if (popping !== undefined) return replaceAndPop(x87, env, popping);
    switch (op) {
      case X87Op.compare:
        return compareCodes(x87, env, request, a, false);
      case X87Op.compareQuiet:
        return compareCodes(x87, env, request, a, true);
      case X87Op.compareFlags:
        return compareFlags(x87, env, request, false);
      case X87Op.compareFlagsQuiet:
        return compareFlags(x87, env, request, true);
      case X87Op.load:
        return load(x87, env, request.source, a, b);
      case X87Op.loadConstant:
        return loadConstant(x87, env, request.register);
      case X87Op.loadRegister:
        return loadRegister(x87, env, request.register);
      case X87Op.storeRegister:
        return storeRegister(x87, env, request);
      case X87Op.storeUnchecked:
        return storeUnchecked(x87, request);
      case X87Op.store:
      case X87Op.storeTruncated:
        return store(x87, env, request, op === X87Op.storeTruncated);
      case X87Op.stored:
        return stored(x87);
      case X87Op.exchange:
        return exchange(x87, env, request.register);
      case X87Op.moveIf:
        return moveIf(x87, env, request.register, a !== 0n);
      case X87Op.test:
        return test(x87, env);
      case X87Op.examine:
        return examine(x87);
      case X87Op.scale:
        return fromTwo(x87, env, (x, y) => scale(env, x, y));
      case X87Op.extract:
        return extractParts(x87, env);
      case X87Op.remainder:
      case X87Op.remainderNearest:
        return partialRemainder(x87, env, op === X87Op.remainderNearest);
      case X87Op.sine:
      case X87Op.cosine:
      case X87Op.tangent:
        return trigonometricOf(x87, env, TRIGONOMETRIC[op] as TrigonometricFunction);
      case X87Op.sineAndCosine:
        return sineAndCosine(x87, env);
      default:
        return this.housekeeping(request, a);
    }
  }

  /** What raises nothing. */
  private housekeeping({ op, register, pops }: X87Request, a: bigint): Outcome {
    const { stack } = this.execution;
    switch (op) {
      case X87Op.increment:
      case X87Op.decrement:
        stack.top = stack.top + (op === X87Op.increment ? 1 : -1);
        stack.setCodes(C1, 0);
        break;
      case X87Op.free:
        stack.free(register);
        stack.setCodes(C1, 0);
        if (pops !== 0) stack.pop();
        break;
      case X87Op.clearExceptions:
        stack.status &= 0x7f00;
        break;
      case X87Op.loadControl:
        this.setControl(Number(a & 0xffffn));
        stack.summarize();
        break;
      default:
        throw new Error(`no operation ${op}`);
    }
    return DONE;
  }

  /** Bit 6 is always set, and reserved ones clear. */
  setControl(value: number): void {
    this.stack.core.set(X87.control, (value & 0x1f3f) | 0x40, 0);
  }
}
