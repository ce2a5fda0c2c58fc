import { X87 } from "../state.js";
import {
  absolute,
  add,
  compare,
  divide,
  extract,
  multiply,
  remainder,
  roundToInteger,
  scale,
  squareRoot,
  subtract,
} from "./arithmetic.js";
import { loadable } from "./constants.js";
import {
  DOUBLE,
  fromDecimal,
  fromExtended,
  fromInteger,
  isDenormal,
  narrow,
  SINGLE,
  toDecimal,
  toExtended,
  toInteger,
  widen,
} from "./formats.js";
import {
  type Float80,
  INDEFINITE,
  isNaN80,
  type Kind,
  kindOf,
  negated,
  ONE,
  quieted,
  ZERO,
} from "./number.js";
import { X87Op, type X87Request, X87Source } from "./operations.js";
import { Environment, Exception } from "./rounding.js";
import { CODES, RegisterStack, StatusBit, type X87Core } from "./stack.js";
import {
  angleOf,
  logarithmOfMore,
  logarithmTimes,
  powerLessOne,
  type TrigonometricFunction,
  trigonometric,
} from "./transcendental.js";

// The floating-point unit's instructions: SDM volume 1, chapter 8, and volume 2.

const { c0: C0, c1: C1, c2: C2, c3: C3 } = StatusBit;
/** ZF, PF and CF where C3, C2 and C0 would be set. */
const FLAGS_UNORDERED = 0x45;
const FLAGS_EQUAL = 0x40;
const FLAGS_LESS = 1;

type Binary = (env: Environment, x: Float80, y: Float80) => Float80;

const BINARY: Readonly<Record<number, Binary>> = {
  [X87Op.add]: add,
  [X87Op.multiply]: multiply,
  [X87Op.subtract]: subtract,
  [X87Op.subtractReversed]: (env, x, y) => subtract(env, y, x),
  [X87Op.divide]: divide,
  [X87Op.divideReversed]: (env, x, y) => divide(env, y, x),
};

/** They replace ST(0) by something made of it. */
const UNARY: Readonly<Record<number, (env: Environment, x: Float80) => Float80>> = {
  [X87Op.changeSign]: (_env, x) => negated(x),
  [X87Op.absolute]: (_env, x) => absolute(x),
  [X87Op.squareRoot]: squareRoot,
  [X87Op.roundToInteger]: roundToInteger,
  [X87Op.powerLessOne]: powerLessOne,
};

/** They replace ST(1) by something made of ST(0) and it, and pop. */
const POPPING: Readonly<Record<number, Binary>> = {
  [X87Op.logarithm]: logarithmTimes,
  [X87Op.logarithmOfMore]: logarithmOfMore,
  [X87Op.arctangent]: angleOf,
};

const TRIGONOMETRIC: Readonly<Record<number, TrigonometricFunction>> = {
  [X87Op.sine]: "sine",
  [X87Op.cosine]: "cosine",
  [X87Op.tangent]: "tangent",
};

/** C3, C2 and C0 of FXAM. */
const EXAMINED: Readonly<Record<Kind, number>> = {
  unsupported: 0,
  quiet: C0,
  signaling: C0,
  normal: C2,
  infinity: C2 | C0,
  zero: C3,
  denormal: C3 | C2,
};

/** A store that waits for its memory. */
interface PendingStore {
  readonly value: bigint;
  readonly env: Environment;
  readonly pops: number;
}

/** What an operation gives. */
export interface Outcome {
  /** 64 bits for the lifter. */
  readonly value: bigint;
  /** The instruction is over: an exception that is not masked keeps its result from being delivered. */
  readonly ended: boolean;
}

const DONE: Outcome = { value: 0n, ended: false };
const ENDED: Outcome = { value: 0n, ended: true };

export class X87Unit {
  readonly stack: RegisterStack;
  /** Raised by the conversion of a memory operand. */
  private readonly conversion = new Environment(0x37f);
  private pending: PendingStore = { value: 0n, env: new Environment(0x37f), pops: 0 };

  constructor(core: X87Core) {
    this.stack = new RegisterStack(core);
  }

  /** Carry out an operation; `a` and `b` are what the lifter has loaded of a memory operand. */
  run(request: X87Request, a: bigint, b: bigint): Outcome {
    const { op } = request;
    const env = new Environment(this.stack.control);
    const binary = BINARY[op];
    if (binary !== undefined) return this.binary(env, request, binary, a);
    const unary = UNARY[op];
    if (unary !== undefined) return this.unary(env, unary);
    const popping = POPPING[op];
    if (popping !== undefined) return this.popping(env, popping);
    switch (op) {
      case X87Op.compare:
        return this.compare(env, request, a, false);
      case X87Op.compareQuiet:
        return this.compare(env, request, a, true);
      case X87Op.compareFlags:
        return this.compareFlags(env, request, false);
      case X87Op.compareFlagsQuiet:
        return this.compareFlags(env, request, true);
      case X87Op.load:
        return this.load(env, request.source, a, b);
      case X87Op.loadConstant:
        return this.push(env, () => loadable(request.register, env.rounding));
      case X87Op.loadRegister:
        return this.loadRegister(env, request.register);
      case X87Op.storeRegister:
        return this.storeRegister(env, request);
      case X87Op.storeUnchecked:
        return this.storeUnchecked(request);
      case X87Op.store:
      case X87Op.storeTruncated:
        return this.store(env, request, op === X87Op.storeTruncated);
      case X87Op.storeHigh:
        return { value: this.pending.value >> 64n, ended: false };
      case X87Op.stored:
        return this.stored();
      case X87Op.exchange:
        return this.exchange(env, request.register);
      case X87Op.moveIf:
        return this.moveIf(env, request.register, a !== 0n);
      case X87Op.test:
        return this.test(env);
      case X87Op.examine:
        return this.examine();
      case X87Op.scale:
        return this.fromTwo(env, (x, y) => scale(env, x, y));
      case X87Op.extract:
        return this.extract(env);
      case X87Op.remainder:
      case X87Op.remainderNearest:
        return this.remainder(env, op === X87Op.remainderNearest);
      case X87Op.sine:
      case X87Op.cosine:
      case X87Op.tangent:
        return this.trigonometric(env, TRIGONOMETRIC[op] as TrigonometricFunction);
      case X87Op.sineAndCosine:
        return this.sineAndCosine(env);
      default:
        return this.housekeeping(request, a);
    }
  }

  /** What raises nothing. */
  private housekeeping({ op, register, pops }: X87Request, a: bigint): Outcome {
    const { stack } = this;
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

  // Exceptions

  /** Flag what was raised. True if the result must not be delivered. */
  private settle(env: Environment): boolean {
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
  private stackFault(env: Environment, overflow: boolean): boolean {
    env.raise(Exception.invalid | Exception.stackFault);
    this.stack.setCodes(C1, overflow ? C1 : 0);
    return this.settle(env);
  }

  // Operands

  /** A memory operand as a number, with what its conversion raises. */
  private convert(env: Environment, source: number, a: bigint, b: bigint): Float80 {
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
  private operand({ source, register }: X87Request, a: bigint): Float80 | undefined {
    const { stack } = this;
    if (stack.isEmpty(0)) return undefined;
    if (source === X87Source.register) return stack.isEmpty(register) ? undefined : stack.get(register);
    return this.convert(this.conversion, source, a, 0n);
  }

  /** Was the memory operand denormal? DE counts only where the operation gets to it. */
  private noteConversion(env: Environment, other: Float80): void {
    const { conversion } = this;
    const raised = conversion.flags;
    conversion.flags = 0;
    if ((env.flags & (Exception.invalid | Exception.zeroDivide)) !== 0) return;
    if (!isNaN80(kindOf(other))) env.raise(raised);
  }

  // Arithmetic

  private binary(env: Environment, request: X87Request, operation: Binary, a: bigint): Outcome {
    const { stack } = this;
    const { toRegister, register, pops } = request;
    const target = toRegister ? register : 0;
    const other = this.operand(request, a);
    if (other === undefined) {
      if (!this.stackFault(env, false)) this.deliver(target, INDEFINITE, pops);
      return DONE;
    }
    // The operation is "destination op source"; where ST(i) is the destination, ST(0) is the source.
    const first = stack.get(0);
    const result = toRegister ? operation(env, other, first) : operation(env, first, other);
    this.noteConversion(env, first);
    if (!this.settle(env)) this.deliver(target, result, pops);
    return DONE;
  }

  private deliver(target: number, value: Float80, pops: number): void {
    this.stack.set(target, value);
    for (let i = 0; i < pops; i++) this.stack.pop();
  }

  private unary(env: Environment, operation: (env: Environment, x: Float80) => Float80): Outcome {
    const { stack } = this;
    if (stack.isEmpty(0)) {
      if (!this.stackFault(env, false)) stack.set(0, INDEFINITE);
      return DONE;
    }
    const result = operation(env, stack.get(0));
    if (!this.settle(env)) stack.set(0, result);
    return DONE;
  }

  /** ST(0) from ST(0) and ST(1). */
  private fromTwo(env: Environment, operation: (x: Float80, y: Float80) => Float80): Outcome {
    const { stack } = this;
    if (stack.isEmpty(0) || stack.isEmpty(1)) {
      if (!this.stackFault(env, false)) stack.set(0, INDEFINITE);
      return DONE;
    }
    const result = operation(stack.get(0), stack.get(1));
    if (!this.settle(env)) stack.set(0, result);
    return DONE;
  }

  private popping(env: Environment, operation: Binary): Outcome {
    const { stack } = this;
    if (stack.isEmpty(0) || stack.isEmpty(1)) {
      if (!this.stackFault(env, false)) this.deliver(1, INDEFINITE, 1);
      return DONE;
    }
    const result = operation(env, stack.get(0), stack.get(1));
    if (!this.settle(env)) this.deliver(1, result, 1);
    return DONE;
  }

  private remainder(env: Environment, nearest: boolean): Outcome {
    const { stack } = this;
    stack.setCodes(C2, 0);
    if (stack.isEmpty(0) || stack.isEmpty(1)) {
      if (!this.stackFault(env, false)) stack.set(0, INDEFINITE);
      return DONE;
    }
    const { value, complete, quotient } = remainder(env, stack.get(0), stack.get(1), nearest);
    if (this.settle(env)) return DONE;
    stack.set(0, value);
    if (isNaN80(kindOf(value))) return DONE;
    const bits =
      ((quotient & 4) !== 0 ? C0 : 0) | ((quotient & 2) !== 0 ? C3 : 0) | ((quotient & 1) !== 0 ? C1 : 0);
    stack.setCodes(CODES, complete ? bits : C2);
    return DONE;
  }

  private extract(env: Environment): Outcome {
    const { stack } = this;
    const empty = stack.isEmpty(0);
    if (empty || !stack.isEmpty(7)) {
      if (this.stackFault(env, !empty)) return DONE;
      stack.set(0, INDEFINITE);
      stack.push(INDEFINITE);
      return DONE;
    }
    const [exponent, significand] = extract(env, stack.get(0));
    if (this.settle(env)) return DONE;
    stack.set(0, exponent);
    stack.push(significand);
    return DONE;
  }

  private trigonometric(env: Environment, which: TrigonometricFunction): Outcome {
    const { stack } = this;
    const pushes = which === "tangent";
    const empty = stack.isEmpty(0);
    stack.setCodes(C2, 0);
    if (empty || (pushes && !stack.isEmpty(7))) {
      if (this.stackFault(env, !empty)) return DONE;
      stack.set(0, INDEFINITE);
      if (pushes) stack.push(INDEFINITE);
      return DONE;
    }
    const x = stack.get(0);
    const result = trigonometric(env, x, which);
    if (this.settle(env)) return DONE;
    if (result === undefined) stack.setCodes(C2, C2);
    else {
      stack.set(0, result);
      // A NaN is pushed again.
      if (pushes) stack.push(isNaN80(kindOf(result)) ? result : ONE);
    }
    return DONE;
  }

  private sineAndCosine(env: Environment): Outcome {
    const { stack } = this;
    const empty = stack.isEmpty(0);
    stack.setCodes(C2, 0);
    if (empty || !stack.isEmpty(7)) {
      if (this.stackFault(env, !empty)) return DONE;
      stack.set(0, INDEFINITE);
      stack.push(INDEFINITE);
      return DONE;
    }
    const x = stack.get(0);
    const sine = trigonometric(env, x, "sine");
    const cosine = trigonometric(env, x, "cosine");
    if (this.settle(env)) return DONE;
    if (sine === undefined || cosine === undefined) stack.setCodes(C2, C2);
    else {
      stack.set(0, sine);
      stack.push(cosine);
    }
    return DONE;
  }

  // Comparisons

  private compare(env: Environment, request: X87Request, a: bigint, quiet: boolean): Outcome {
    const { stack } = this;
    const other = this.operand(request, a);
    const unordered = C3 | C2 | C0;
    if (other === undefined) {
      if (this.stackFault(env, false)) return DONE;
      stack.setCodes(unordered, unordered);
    } else {
      const order = compare(env, stack.get(0), other, quiet);
      this.noteConversion(env, stack.get(0));
      if (this.settle(env)) return DONE;
      const codes = order === undefined ? unordered : order === 0 ? C3 : order < 0 ? C0 : 0;
      stack.setCodes(CODES, codes);
    }
    for (let i = 0; i < request.pops; i++) stack.pop();
    return DONE;
  }

  private test(env: Environment): Outcome {
    const { stack } = this;
    if (stack.isEmpty(0)) {
      if (!this.stackFault(env, false)) stack.setCodes(CODES, C3 | C2 | C0);
      return DONE;
    }
    const order = compare(env, stack.get(0), ZERO, false);
    if (this.settle(env)) return DONE;
    stack.setCodes(CODES, order === undefined ? C3 | C2 | C0 : order === 0 ? C3 : order < 0 ? C0 : 0);
    return DONE;
  }

  /** FCOMI and FUCOMI: gives ZF, PF and CF where RFLAGS has them. */
  private compareFlags(env: Environment, { register, pops }: X87Request, quiet: boolean): Outcome {
    const { stack } = this;
    let flags = FLAGS_UNORDERED;
    if (stack.isEmpty(0) || stack.isEmpty(register)) {
      if (this.stackFault(env, false)) return ENDED;
    } else {
      const order = compare(env, stack.get(0), stack.get(register), quiet);
      if (this.settle(env)) return ENDED;
      if (order !== undefined) flags = order === 0 ? FLAGS_EQUAL : order < 0 ? FLAGS_LESS : 0;
    }
    for (let i = 0; i < pops; i++) stack.pop();
    return { value: BigInt(flags), ended: false };
  }

  private examine(): Outcome {
    const { stack } = this;
    const x = stack.get(0);
    const codes = stack.isEmpty(0) ? C3 | C0 : EXAMINED[kindOf(x)];
    stack.setCodes(CODES, codes | (x.sign === 1 ? C1 : 0));
    return DONE;
  }

  // Moves

  /** Push what is only made if there is room. A denormal source keeps it from nothing, even where DE is not masked. */
  private push(env: Environment, make: () => Float80): Outcome {
    const { stack } = this;
    if (!stack.isEmpty(7)) {
      if (!this.stackFault(env, true)) stack.push(INDEFINITE);
      return DONE;
    }
    const value = make();
    this.settle(env);
    if ((env.flags & ~env.control & Exception.invalid) === 0) stack.push(value);
    return DONE;
  }

  private load(env: Environment, source: number, a: bigint, b: bigint): Outcome {
    return this.push(env, () => {
      const value = this.convert(env, source, a, b);
      if (source === X87Source.extended || kindOf(value) !== "signaling") return value;
      env.raise(Exception.invalid);
      return quieted(value);
    });
  }

  private loadRegister(env: Environment, register: number): Outcome {
    const { stack } = this;
    const full = !stack.isEmpty(7);
    if (full || stack.isEmpty(register)) {
      if (!this.stackFault(env, full && !stack.isEmpty(register))) stack.push(INDEFINITE);
      return DONE;
    }
    return this.push(env, () => stack.get(register));
  }

  private storeRegister(env: Environment, { register, pops }: X87Request): Outcome {
    const { stack } = this;
    if (stack.isEmpty(0)) {
      if (!this.stackFault(env, false)) this.deliver(register, INDEFINITE, pops);
      return DONE;
    }
    this.settle(env);
    this.deliver(register, stack.get(0), pops);
    return DONE;
  }

  /** FSTP in D9: a register that is empty is no fault, and stays what it was. */
  private storeUnchecked({ register }: X87Request): Outcome {
    const { stack } = this;
    if (!stack.isEmpty(0)) stack.set(register, stack.get(0));
    stack.pop();
    stack.setCodes(C1, 0);
    return DONE;
  }

  private exchange(env: Environment, register: number): Outcome {
    const { stack } = this;
    if (stack.isEmpty(0) || stack.isEmpty(register)) {
      if (this.stackFault(env, false)) return DONE;
    } else this.settle(env);
    const held = (index: number) => (stack.isEmpty(index) ? INDEFINITE : stack.get(index));
    const [x, y] = [held(0), held(register)];
    stack.set(0, y);
    stack.set(register, x);
    return DONE;
  }

  private moveIf(env: Environment, register: number, condition: boolean): Outcome {
    const { stack } = this;
    if (stack.isEmpty(0) || stack.isEmpty(register)) {
      if (!this.stackFault(env, false)) stack.set(0, INDEFINITE);
      return DONE;
    }
    // All condition codes stay.
    if (condition) stack.set(0, stack.get(register));
    return DONE;
  }

  private store(env: Environment, { source, pops }: X87Request, truncate: boolean): Outcome {
    const { stack } = this;
    let x = stack.get(0);
    if (stack.isEmpty(0)) {
      env.raise(Exception.invalid | Exception.stackFault);
      x = INDEFINITE;
    }
    const value = formatted(env, x, source, truncate);
    this.pending = { value: value ?? 0n, env, pops };
    if (value !== undefined && !env.blocked) return { value: BigInt.asUintN(64, value), ended: false };
    if ((env.flags & Exception.stackFault) !== 0) stack.setCodes(C1, 0);
    this.settle(env);
    return ENDED;
  }

  private stored(): Outcome {
    const { stack } = this;
    const { env, pops } = this.pending;
    if ((env.flags & Exception.stackFault) !== 0) stack.setCodes(C1, 0);
    this.settle(env);
    for (let i = 0; i < pops; i++) stack.pop();
    return DONE;
  }
}

function formatted(env: Environment, x: Float80, source: number, truncate: boolean): bigint | undefined {
  switch (source) {
    case X87Source.single:
      return narrow(env, x, SINGLE);
    case X87Source.double:
      return narrow(env, x, DOUBLE);
    case X87Source.int16:
      return toInteger(env, x, 16, truncate);
    case X87Source.int32:
      return toInteger(env, x, 32, truncate);
    case X87Source.int64:
      return toInteger(env, x, 64, truncate);
    case X87Source.extended:
      return toExtended(x);
    default:
      return toDecimal(env, x);
  }
}
