import { DONE, type Execution, type Outcome } from "./execution.js";
import { INDEFINITE, isNaN80, kindOf, ONE } from "./number.js";
import { X87Op } from "./operations.js";
import type { Environment } from "./rounding.js";
import { StatusBit } from "./stack.js";
import { type TrigonometricFunction, trigonometric } from "./transcendental.js";

const { c2: C2 } = StatusBit;

export const TRIGONOMETRIC: Readonly<Record<number, TrigonometricFunction>> = {
  [X87Op.sine]: "sine",
  [X87Op.cosine]: "cosine",
  [X87Op.tangent]: "tangent",
};

export function trigonometricOf(x87: Execution, env: Environment, which: TrigonometricFunction): Outcome {
  const { stack } = x87;
  const pushes = which === "tangent";
  const empty = stack.isEmpty(0);
  stack.setCodes(C2, 0);
  if (empty || (pushes && !stack.isEmpty(7))) {
    if (x87.stackFault(env, !empty)) return DONE;
    stack.set(0, INDEFINITE);
    if (pushes) stack.push(INDEFINITE);
    return DONE;
  }
  const x = stack.get(0);
  const result = trigonometric(env, x, which);
  if (x87.settle(env)) return DONE;
  if (result === undefined) stack.setCodes(C2, C2);
  else {
    stack.set(0, result);
    // A NaN is pushed again.
    if (pushes) stack.push(isNaN80(kindOf(result)) ? result : ONE);
  }
  return DONE;
}

export function sineAndCosine(x87: Execution, env: Environment): Outcome {
  const { stack } = x87;
  const empty = stack.isEmpty(0);
  stack.setCodes(C2, 0);
  if (empty || !stack.isEmpty(7)) {
    if (x87.stackFault(env, !empty)) return DONE;
    stack.set(0, INDEFINITE);
    stack.push(INDEFINITE);
    return DONE;
  }
  const x = stack.get(0);
  const sine = trigonometric(env, x, "sine");
  const cosine = trigonometric(env, x, "cosine");
  if (x87.settle(env)) return DONE;
  if (sine === undefined || cosine === undefined) stack.setCodes(C2, C2);
  else {
    stack.set(0, sine);
    stack.push(cosine);
  }
  return DONE;
}
