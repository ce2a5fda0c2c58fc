import { X87 } from "../state.js";
import { loadable } from "./constants.js";
import { DONE, ENDED, type Execution, type Outcome } from "./execution.js";
import { DOUBLE, narrow, SINGLE, toDecimal, toExtended, toInteger } from "./formats.js";
import { type Float80, INDEFINITE, kindOf, quieted } from "./number.js";
import { type X87Request, X87Source } from "./operations.js";
import { type Environment, Exception } from "./rounding.js";
import { StatusBit } from "./stack.js";

const { c1: C1 } = StatusBit;

/** Push what is only made if there is room. A denormal source keeps it from nothing, even where DE is not masked. */
function push(x87: Execution, env: Environment, make: () => Float80): Outcome {
  const { stack } = x87;
  if (!stack.isEmpty(7)) {
    if (!x87.stackFault(env, true)) stack.push(INDEFINITE);
    return DONE;
  }
  const value = make();
  x87.settle(env);
  if ((env.flags & ~env.control & Exception.invalid) === 0) stack.push(value);
  return DONE;
}

/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ. */
export function loadConstant(x87: Execution, env: Environment, which: number): Outcome {
  return push(x87, env, () => loadable(which, env.rounding));
}

export function load(x87: Execution, env: Environment, source: number, a: bigint, b: bigint): Outcome {
  return push(x87, env, () => {
    const value = x87.convert(env, source, a, b);
    if (source === X87Source.extended || kindOf(value) !== "signaling") return value;
    env.raise(Exception.invalid);
    return quieted(value);
  });
}

export function loadRegister(x87: Execution, env: Environment, register: number): Outcome {
  const { stack } = x87;
  const full = !stack.isEmpty(7);
  if (full || stack.isEmpty(register)) {
    if (!x87.stackFault(env, full && !stack.isEmpty(register))) stack.push(INDEFINITE);
    return DONE;
  }
  return push(x87, env, () => stack.get(register));
}

export function storeRegister(x87: Execution, env: Environment, { register, pops }: X87Request): Outcome {
  const { stack } = x87;
  if (stack.isEmpty(0)) {
    if (!x87.stackFault(env, false)) x87.deliver(register, INDEFINITE, pops);
    return DONE;
  }
  x87.settle(env);
  x87.deliver(register, stack.get(0), pops);
  return DONE;
}

/** FSTP in D9: a register that is empty is no fault, and stays what it was. */
export function storeUnchecked(x87: Execution, { register }: X87Request): Outcome {
  const { stack } = x87;
  if (!stack.isEmpty(0)) stack.set(register, stack.get(0));
  stack.pop();
  stack.setCodes(C1, 0);
  return DONE;
}

export function exchange(x87: Execution, env: Environment, register: number): Outcome {
  const { stack } = x87;
  if (stack.isEmpty(0) || stack.isEmpty(register)) {
    if (x87.stackFault(env, false)) return DONE;
  } else x87.settle(env);
  const held = (index: number) => (stack.isEmpty(index) ? INDEFINITE : stack.get(index));
  const [x, y] = [held(0), held(register)];
  stack.set(0, y);
  stack.set(register, x);
  return DONE;
}

export function moveIf(x87: Execution, env: Environment, register: number, condition: boolean): Outcome {
  const { stack } = x87;
  if (stack.isEmpty(0) || stack.isEmpty(register)) {
    if (!x87.stackFault(env, false)) stack.set(0, INDEFINITE);
    return DONE;
  }
  // All condition codes stay.
  if (condition) stack.set(0, stack.get(register));
  return DONE;
}

export function store(
  x87: Execution,
  env: Environment,
  { source, pops }: X87Request,
  truncate: boolean,
): Outcome {
  const { stack } = x87;
  let x = stack.get(0);
  if (stack.isEmpty(0)) {
    env.raise(Exception.invalid | Exception.stackFault);
    x = INDEFINITE;
  }
  const value = formatted(env, x, source, truncate);
  x87.pending = { env, pops };
  stack.core.set(X87.storing, 0, 0);
  if (value !== undefined && !env.blocked) {
    x87.give(value);
    return DONE;
  }
  if ((env.flags & Exception.stackFault) !== 0) stack.setCodes(C1, 0);
  x87.settle(env);
  return ENDED;
}

export function stored(x87: Execution): Outcome {
  const { stack } = x87;
  const { env, pops } = x87.pending;
  if ((env.flags & Exception.stackFault) !== 0) stack.setCodes(C1, 0);
  x87.settle(env);
  for (let i = 0; i < pops; i++) stack.pop();
  return DONE;
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
