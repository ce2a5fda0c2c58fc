import { compare } from "./arithmetic.js";
import { DONE, ENDED, type Execution, type Outcome } from "./execution.js";
import { type Kind, kindOf, ZERO } from "./number.js";
import type { X87Request } from "./operations.js";
import type { Environment } from "./rounding.js";
import { CODES, StatusBit } from "./stack.js";

const { c0: C0, c1: C1, c2: C2, c3: C3 } = StatusBit;
/** ZF, PF and CF where C3, C2 and C0 would be set. */
const FLAGS_UNORDERED = 0x45;
const FLAGS_EQUAL = 0x40;
const FLAGS_LESS = 1;

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

export function compareCodes(
  x87: Execution,
  env: Environment,
  request: X87Request,
  a: bigint,
  quiet: boolean,
): Outcome {
  const { stack } = x87;
  const other = x87.operand(request, a);
  const unordered = C3 | C2 | C0;
  if (other === undefined) {
    if (x87.stackFault(env, false)) return DONE;
    stack.setCodes(unordered, unordered);
  } else {
    const order = compare(env, stack.get(0), other, quiet);
    x87.noteConversion(env, stack.get(0));
    if (x87.settle(env)) return DONE;
    const codes = order === undefined ? unordered : order === 0 ? C3 : order < 0 ? C0 : 0;
    stack.setCodes(CODES, codes);
  }
  for (let i = 0; i < request.pops; i++) stack.pop();
  return DONE;
}

export function test(x87: Execution, env: Environment): Outcome {
  const { stack } = x87;
  if (stack.isEmpty(0)) {
    if (!x87.stackFault(env, false)) stack.setCodes(CODES, C3 | C2 | C0);
    return DONE;
  }
  const order = compare(env, stack.get(0), ZERO, false);
  if (x87.settle(env)) return DONE;
  stack.setCodes(CODES, order === undefined ? C3 | C2 | C0 : order === 0 ? C3 : order < 0 ? C0 : 0);
  return DONE;
}

/** FCOMI and FUCOMI: gives ZF, PF and CF where RFLAGS has them. */
export function compareFlags(
  x87: Execution,
  env: Environment,
  { register, pops }: X87Request,
  quiet: boolean,
): Outcome {
  const { stack } = x87;
  let flags = FLAGS_UNORDERED;
  if (stack.isEmpty(0) || stack.isEmpty(register)) {
    if (x87.stackFault(env, false)) return ENDED;
  } else {
    const order = compare(env, stack.get(0), stack.get(register), quiet);
    if (x87.settle(env)) return ENDED;
    if (order !== undefined) flags = order === 0 ? FLAGS_EQUAL : order < 0 ? FLAGS_LESS : 0;
  }
  for (let i = 0; i < pops; i++) stack.pop();
  x87.give(BigInt(flags));
  return DONE;
}

export function examine(x87: Execution): Outcome {
  const { stack } = x87;
  const x = stack.get(0);
  const codes = stack.isEmpty(0) ? C3 | C0 : EXAMINED[kindOf(x)];
  stack.setCodes(CODES, codes | (x.sign === 1 ? C1 : 0));
  return DONE;
}
