import {
  absolute,
  add,
  divide,
  extract,
  multiply,
  remainder,
  roundToInteger,
  squareRoot,
  subtract,
} from "./arithmetic.js";
import { DONE, type Execution, type Outcome } from "./execution.js";
import { type Float80, INDEFINITE, isNaN80, kindOf, negated } from "./number.js";
import { X87Op, type X87Request } from "./operations.js";
import type { Environment } from "./rounding.js";
import { CODES, StatusBit } from "./stack.js";
import { angleOf, logarithmOfMore, logarithmTimes, powerLessOne } from "./transcendental.js";

const { c0: C0, c1: C1, c2: C2, c3: C3 } = StatusBit;

type Binary = (env: Environment, x: Float80, y: Float80) => Float80;

export const BINARY: Readonly<Record<number, Binary>> = {
  [X87Op.add]: add,
  [X87Op.multiply]: multiply,
  [X87Op.subtract]: subtract,
  [X87Op.subtractReversed]: (env, x, y) => subtract(env, y, x),
  [X87Op.divide]: divide,
  [X87Op.divideReversed]: (env, x, y) => divide(env, y, x),
};

/** They replace ST(0) by something made of it. */
export const UNARY: Readonly<Record<number, (env: Environment, x: Float80) => Float80>> = {
  [X87Op.changeSign]: (_env, x) => negated(x),
  [X87Op.absolute]: (_env, x) => absolute(x),
  [X87Op.squareRoot]: squareRoot,
  [X87Op.roundToInteger]: roundToInteger,
  [X87Op.powerLessOne]: powerLessOne,
};

/** They replace ST(1) by something made of ST(0) and it, and pop. */
export const POPPING: Readonly<Record<number, Binary>> = {
  [X87Op.logarithm]: logarithmTimes,
  [X87Op.logarithmOfMore]: logarithmOfMore,
  [X87Op.arctangent]: angleOf,
};

export function replaceByTwo(
  x87: Execution,
  env: Environment,
  request: X87Request,
  operation: Binary,
  a: bigint,
): Outcome {
  const { stack } = x87;
  const { toRegister, register, pops } = request;
  const target = toRegister ? register : 0;
  const other = x87.operand(request, a);
  if (other === undefined) {
    if (!x87.stackFault(env, false)) x87.deliver(target, INDEFINITE, pops);
    return DONE;
  }
  // The operation is "destination op source"; where ST(i) is the destination, ST(0) is the source.
  const first = stack.get(0);
  const result = toRegister ? operation(env, other, first) : operation(env, first, other);
  x87.noteConversion(env, first);
  if (!x87.settle(env)) x87.deliver(target, result, pops);
  return DONE;
}

export function replaceByOne(
  x87: Execution,
  env: Environment,
  operation: (env: Environment, x: Float80) => Float80,
): Outcome {
  const { stack } = x87;
  if (stack.isEmpty(0)) {
    if (!x87.stackFault(env, false)) stack.set(0, INDEFINITE);
    return DONE;
  }
  const result = operation(env, stack.get(0));
  if (!x87.settle(env)) stack.set(0, result);
  return DONE;
}

/** ST(0) from ST(0) and ST(1). */
export function fromTwo(
  x87: Execution,
  env: Environment,
  operation: (x: Float80, y: Float80) => Float80,
): Outcome {
  const { stack } = x87;
  if (stack.isEmpty(0) || stack.isEmpty(1)) {
    if (!x87.stackFault(env, false)) stack.set(0, INDEFINITE);
    return DONE;
  }
  const result = operation(stack.get(0), stack.get(1));
  if (!x87.settle(env)) stack.set(0, result);
  return DONE;
}

export function replaceAndPop(x87: Execution, env: Environment, operation: Binary): Outcome {
  const { stack } = x87;
  if (stack.isEmpty(0) || stack.isEmpty(1)) {
    if (!x87.stackFault(env, false)) x87.deliver(1, INDEFINITE, 1);
    return DONE;
  }
  const result = operation(env, stack.get(0), stack.get(1));
  if (!x87.settle(env)) x87.deliver(1, result, 1);
  return DONE;
}

export function partialRemainder(x87: Execution, env: Environment, nearest: boolean): Outcome {
  const { stack } = x87;
  stack.setCodes(C2, 0);
  if (stack.isEmpty(0) || stack.isEmpty(1)) {
    if (!x87.stackFault(env, false)) stack.set(0, INDEFINITE);
    return DONE;
  }
  const { value, complete, quotient } = remainder(env, stack.get(0), stack.get(1), nearest);
  if (x87.settle(env)) return DONE;
  stack.set(0, value);
  if (isNaN80(kindOf(value))) return DONE;
  const bits =
    ((quotient & 4) !== 0 ? C0 : 0) | ((quotient & 2) !== 0 ? C3 : 0) | ((quotient & 1) !== 0 ? C1 : 0);
  stack.setCodes(CODES, complete ? bits : C2);
  return DONE;
}

export function extractParts(x87: Execution, env: Environment): Outcome {
  const { stack } = x87;
  const empty = stack.isEmpty(0);
  if (empty || !stack.isEmpty(7)) {
    if (x87.stackFault(env, !empty)) return DONE;
    stack.set(0, INDEFINITE);
    stack.push(INDEFINITE);
    return DONE;
  }
  const [exponent, significand] = extract(env, stack.get(0));
  if (x87.settle(env)) return DONE;
  stack.set(0, exponent);
  stack.push(significand);
  return DONE;
}
